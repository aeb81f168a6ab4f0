"""Operators in random order against a real daemon and a real campus, with SIGKILL among them: what always holds."""

from __future__ import annotations

import os
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for
from fakes.store_rows import read_tables
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from coursekeep_daemon.runs.states import FINAL_RUN, ITEM_CHANGES, ItemStatus

pytestmark = pytest.mark.slow

#: each of the machine's lives begins with a new daemon and ends with all its runs; when the time is up, its
#: operators do nothing more. A longer time tries more.
LIVES = 2
STEPS = 20
SECONDS = float(os.environ.get("COURSEKEEP_TEST_SECONDS", "30"))

#: every change that may have happened between two looks at an item, steps in between included
REACHABLE: dict[str, set[str]] = {}
for _status in ItemStatus:
    _found, _next = set[ItemStatus](), {_status}
    while _next:
        _found |= _next
        _next = set().union(*(ITEM_CHANGES[each] for each in _next)) - _found
    REACHABLE[_status.value] = {each.value for each in _found}

LEVELS = st.sampled_from(["", "/integrations/main", "/runs/{run}"])


class Operators(RuleBasedStateMachine):
    """What operators do. After each step the store is read, past the daemon, and the promises are held."""

    campus: CampusProcess
    deadline: float

    def __init__(self) -> None:
        super().__init__()
        self.stack = ExitStack()
        folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory()))
        self.campus.clear_faults()
        self.courses = [str(each) for each in self.campus.courses["ended"]][:6]
        self.daemon = DaemonProcess(folder / "house", self.campus.url, self.campus.tokens["admin"], EXTRA)
        self.daemon.start()
        self.stack.callback(lambda: self.daemon.stop())
        self.runs: list[int] = []
        self.seen: dict[int, dict[str, Any]] = {}
        #: levels that are paused, and the attempts of every item when each was answered
        self.paused: dict[str, Counter[int]] = {}

    def teardown(self) -> None:
        try:
            if self.daemon.process is not None:
                self.end_well()
        finally:
            self.stack.close()

    def end_well(self) -> None:
        """However it went: with all pauses lifted and the LMS well again, every run ends, and the promises hold."""
        self.campus.clear_faults()
        for where in list(self.paused):
            self.daemon.call("POST", f"{where}/resume")
        self.paused.clear()
        for run in self.runs:
            self.daemon.finished(run, seconds=120)
        self.promises()

    # What operators do

    @precondition(lambda self: self.has_time())
    @rule(data=st.data())
    def start(self, data: st.DataObject) -> None:
        ids = data.draw(st.lists(st.sampled_from(self.courses), min_size=1, max_size=4, unique=True))
        policy = data.draw(st.sampled_from(["skip", "refresh"]))
        self.runs.append(self.daemon.start_run("ids", {"ids": ids}, on_existing=policy))

    @precondition(lambda self: self.runs and self.has_time())
    @rule(data=st.data(), where=LEVELS)
    def pause(self, data: st.DataObject, where: str) -> None:
        where = where.format(run=data.draw(st.sampled_from(self.runs)))
        answer = self.together("POST", f"{where}/pause")
        if where in self.paused:
            assert answer == [409, 409]
        elif answer == [409, 409]:
            assert self.is_final(where)
        else:
            assert answer == [200, 409]
            self.paused[where] = self.attempts()

    @precondition(lambda self: self.paused and self.has_time())
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        where = data.draw(st.sampled_from(sorted(self.paused)))
        answer = self.together("POST", f"{where}/resume")
        # the pause of a run ends with the run
        assert answer == [200, 409] or (answer == [409, 409] and self.is_final(where))
        del self.paused[where]

    @precondition(lambda self: self.runs and self.has_time())
    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        run = data.draw(st.sampled_from(self.runs))
        held = bool(self.holding(run))
        final = self.is_final(f"/runs/{run}")
        answer = self.together("POST", f"/runs/{run}/cancel")
        if final or not held:
            assert answer == [409, 409]
        else:
            # a paused run may still end by itself, with its last course in flight
            assert answer == [200, 409] or self.daemon.get(f"/runs/{run}")["status"].startswith("completed")

    @precondition(lambda self: self.runs and self.has_time())
    @rule(data=st.data(), chosen=st.booleans())
    def reimport(self, data: st.DataObject, chosen: bool) -> None:
        run = data.draw(st.sampled_from(self.runs))
        ids = [each["id"] for each in self.rows("item") if each["run_id"] == run]
        body = {"items": data.draw(st.lists(st.sampled_from(ids), min_size=1, max_size=3))} if chosen and ids else {}
        answers = self.race("POST", f"/runs/{run}/reimport", json=body)
        won = [each.json()["id"] for each in answers if each.status_code == 202]
        assert len(won) <= 1, "two operators reimported the same"
        assert all(each.status_code in (202, 409) for each in answers), [each.text for each in answers]
        self.runs += won

    @precondition(lambda self: self.has_time())
    @rule(data=st.data())
    def trouble(self, data: st.DataObject) -> None:
        """Some courses cannot be read from now on, and others can again."""
        self.campus.clear_faults()
        for course in data.draw(st.lists(st.sampled_from(self.courses), max_size=3, unique=True)):
            self.campus.fault(match=f"GET /api/v1/courses/{course}*", kind="html")

    @precondition(lambda self: self.has_time() and self.runs)
    @rule(kill=st.booleans())
    def restart(self, kill: bool) -> None:
        if kill:
            self.daemon.kill()
        else:
            self.daemon.stop()
        self.daemon.start()

    @precondition(lambda self: self.runs and self.has_time())
    @rule()
    def wait_for_progress(self) -> None:
        """Let something end, where anything can."""
        open_runs = [run for run in self.runs if not self.is_final(f"/runs/{run}") and not self.holding(run)]
        if open_runs:
            self.daemon.finished(open_runs[0], seconds=120)

    @precondition(lambda self: not self.has_time())
    @rule()
    def rest(self) -> None:
        """The time is up."""

    # What always holds

    @invariant()
    def promises(self) -> None:
        items, counts, days = self.snapshot()
        self.counters_equal_group_by(items, counts)
        self.days_equal_group_by(items, days)
        for item in items.values():
            old = self.seen.get(item["id"])
            assert old is None or item["status"] in REACHABLE[old["status"]], (old, item)
            if item["status"] == "failed_reimported":
                successor = items[item["reimported_by"]]
                assert successor["run_id"] == item["reimported_in_run"]
                assert successor["status"] in ("completed", "skipped"), successor
                assert self.family(successor, items) == self.family(item, items)
            else:
                assert item["reimported_by"] is None
        self.one_of_a_family_is_open(items)
        self.nothing_began_while_paused(items)
        self.seen = items

    def counters_equal_group_by(self, items: dict[int, Any], counts: list[dict[str, Any]]) -> None:
        counted = Counter((item["run_id"], item["status"]) for item in items.values())
        for row in counts:
            for status in ItemStatus:
                assert row[status] == counted[row["run_id"], status], (row, status)
            assert row["total"] == sum(row[status] for status in ItemStatus)

    def days_equal_group_by(self, items: dict[int, Any], days: list[dict[str, Any]]) -> None:
        """What failed on a day stays failed on that day, whenever it was reimported."""
        ended = [item for item in items.values() if item["finished_at"] is not None]
        counted = Counter(
            (item["finished_at"][:10], item["status"].replace("failed_reimported", "failed")) for item in ended
        )
        assert {(row["day"], row["status"]): row["count"] for row in days} == counted

    def family(self, item: dict[str, Any], items: dict[int, Any]) -> int:
        while item["reimport_of"] is not None:
            item = items[item["reimport_of"]]
        return int(item["id"])

    def one_of_a_family_is_open(self, items: dict[int, Any]) -> None:
        families = Counter(
            self.family(item, items) for item in items.values() if item["status"] in ("queued", "processing")
        )
        assert all(number == 1 for number in families.values()), families

    def nothing_began_while_paused(self, items: dict[int, Any]) -> None:
        for where, before in self.paused.items():
            for item in items.values():
                if where.startswith("/runs/") and where != f"/runs/{item['run_id']}":
                    continue
                # an attempt that a stopping daemon gave back is uncounted: attempts may fall, never rise
                assert item["attempts"] <= before[item["id"]], f"item {item['id']} began while {where or 'all'} paused"

    # Tools

    def has_time(self) -> bool:
        return time.monotonic() < self.deadline

    def is_final(self, where: str) -> bool:
        if not where.startswith("/runs/"):
            return False
        return self.daemon.get(where)["status"] in FINAL_RUN

    def holding(self, run: int) -> list[str]:
        return [where for where in self.paused if where in ("", "/integrations/main", f"/runs/{run}")]

    def attempts(self) -> Counter[int]:
        return Counter({item["id"]: item["attempts"] for item in self.rows("item")})

    def together(self, method: str, path: str) -> list[int]:
        return sorted(answer.status_code for answer in self.race(method, path))

    def race(self, method: str, path: str, **more: Any) -> list[httpx.Response]:
        """Have two operators ask for the same at the same moment."""
        gate = threading.Barrier(2)

        def ask(_: int) -> httpx.Response:
            gate.wait()
            return self.daemon.call(method, path, **more)

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(ask, range(2)))

    def snapshot(self) -> tuple[dict[int, dict[str, Any]], list[dict[str, Any]], list[dict[str, Any]]]:
        """Read items, counters and counts of days as of one moment."""
        items, counts, days = read_tables(self.daemon.store_address, "item", "run_count", "day_count")
        return {row["id"]: row for row in items}, counts, days

    def rows(self, table: str) -> list[dict[str, Any]]:
        (rows,) = read_tables(self.daemon.store_address, table)
        return rows


#: one attempt each, so that a course in trouble fails; two at once, so that there is a queue
EXTRA = {"engine": "concurrency = 2\nmax_attempts = 20", "daemon": "shutdown_timeout = 5"}


def test_whatever_operators_do_the_promises_hold() -> None:
    """In any order of pauses, resumes, cancels, reimports, failures and kills, nothing that was promised breaks."""
    with CampusProcess.running("--no-throttle", "--delay-ms", "5") as campus:
        machine: Callable[[], Operators] = type(
            "Lives", (Operators,), {"campus": campus, "deadline": time.monotonic() + SECONDS}
        )
        run_state_machine_as_test(  # type: ignore[no-untyped-call]
            machine,
            settings=settings(
                max_examples=LIVES,
                stateful_step_count=STEPS,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            ),
        )


def test_a_kill_between_failure_and_success_leaves_links_whole(tmp_path: Path) -> None:
    """A reimport whose daemon is killed on the way ends with old and new item linked, and the package there once."""
    with CampusProcess.running("--no-throttle", "--delay-ms", "20") as campus:
        course = str(campus.courses["ended"][0])
        daemon = DaemonProcess(tmp_path / "house", campus.url, campus.tokens["admin"], EXTRA)
        campus.fault(match=f"GET /api/v1/courses/{course}*", kind="html")
        with daemon.running():
            old = daemon.finished(daemon.start_run("ids", {"ids": [course]}))
            campus.clear_faults()
            new = int(daemon.call("POST", f"/runs/{old['id']}/reimport").json()["id"])
            wait_for("the course to begin", lambda: daemon.items(new)[0]["status"] != "queued")
            daemon.kill()
            daemon.start()
            assert daemon.call("POST", f"/runs/{old['id']}/reimport").status_code == 409
            daemon.finished(new)
            (was,), (now,) = daemon.items(old["id"]), daemon.items(new)

    assert old["counts"]["failed"] == 1
    assert (was["status"], was["reimported_by"], was["reimported_in_run"]) == ("failed_reimported", now["id"], new)
    assert (now["reimport_of"], now["status"], now["course_id"]) == (was["id"], "completed", course)
