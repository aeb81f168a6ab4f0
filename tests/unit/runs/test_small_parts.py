"""The small parts of runs: engine, hooks, patterns, back-off, and the lock on the data directory."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog

from coursekeep import Account, Course, SettingsError
from coursekeep_daemon.lock import DataDirLock, DataDirLocked
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.hooks import Hooks, plain
from coursekeep_daemon.runs.patterns import Patterns
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.runs.waiting import see_through, wait_for_event
from coursekeep_daemon.store import ItemPlan

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


class Listening:
    """Stands in for the registry."""

    def __init__(self) -> None:
        self.heard: list[Any] = []

    def listens(self, hook: str) -> bool:
        return hook != "run_started"

    def call(self, hook: str, **arguments: Any) -> list[Any]:
        self.heard.append((hook, arguments))
        return []


def test_plugins_are_told_in_order_and_before_the_stop():
    """What was told before the stop arrives, as plain values; hooks that nobody has cost nothing."""

    async def main() -> list[Any]:
        registry = Listening()
        hooks = Hooks(registry)  # type: ignore[arg-type]
        await hooks.start()
        for ref in ("1", "2"):
            hooks.tell("course_archived", item=ItemPlan(ref=ref))  # type: ignore[arg-type]
        hooks.tell("run_started", run=ItemPlan(ref="3"))  # type: ignore[arg-type]
        await hooks.stop(10)
        return registry.heard

    heard = asyncio.run(main())

    assert [(hook, told["item"]["ref"], told["item"]["status"]) for hook, told in heard] == [
        ("course_archived", "1", "queued"),
        ("course_archived", "2", "queued"),
    ]


def test_a_plugin_that_hangs_holds_up_nothing():
    """When too much is waiting, an event is left out, and the log says so."""
    hooks = Hooks(Listening(), most_waiting=1)  # type: ignore[arg-type]

    with structlog.testing.capture_logs() as events:
        hooks.tell("course_archived", item=ItemPlan(ref="1"))  # type: ignore[arg-type]
        hooks.tell("course_archived", item=ItemPlan(ref="2"))  # type: ignore[arg-type]

    assert [one["event"] for one in events] == ["hook_left_out"]


def test_records_become_plain_values():
    """Times are RFC 3339, enums their words, keys text."""
    value = plain({ItemStatus.QUEUED: NOW, "list": (ItemPlan(ref="1"),)})

    assert value["queued"] == "2026-05-20T12:00:00Z"
    assert json.loads(json.dumps(value))["list"][0]["status"] == "queued"


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        ([], [], True),
        ([], ["sandbox-*"], False),
        (["SAND*"], [], True),
        (["BIO*"], [], False),
        (["*"], ["*law"], False),
        (["sis-9"], [], True),
    ],
)
def test_patterns_look_at_code_name_sis_id_and_account(include, exclude, taken):
    """Any of the four suffices, whatever the case of its letters."""
    sandbox = Course(id="1", name="Play", code="SANDBOX-1", sis_id="SIS-9", account_name="Faculty of Law")

    assert (Patterns(include=include, exclude=exclude).left_out(sandbox) is None) is taken


SCIENCE = (
    Account(id="1", name="Example University", sis_id="EXAMPLE"),
    Account(id="2", name="Faculty of Science", sis_id="SCI", parent_id="1"),
    Account(id="4", name="Institute of Physics", sis_id="SCI-PHY", parent_id="2"),
    Account(id="8", name="Ring A", parent_id="9"),
    Account(id="9", name="Ring B", parent_id="8"),
)


@pytest.mark.parametrize(
    ("include", "exclude", "taken"),
    [
        (["account:faculty of science"], [], True),
        (["account:sci"], [], True),
        (["account:2"], [], True),
        (["ACCOUNT: Institute*"], [], True),
        (["account:Faculty of Arts"], [], False),
        (["account:phy-1"], [], False),
        ([], ["account:1"], False),
        # a plain pattern looks at the name of the own account only, and never at ids
        (["Faculty*"], [], False),
        (["Institute*"], [], True),
        ([], ["4"], True),
        (["code:PHY-?"], [], True),
        (["name:PHY-?"], [], False),
        (["name:me*"], ["sis:2026*"], False),
        # composed or not, a letter is the same letter; an unknown prefix belongs to the code
        (["name:*e\u0301tude*"], [], True),
        ([], ["PHY:*"], True),
    ],
)
def test_patterns_may_say_what_they_look_at(include, exclude, taken):
    """`code:`, `name:` and `sis:` look at one thing; `account:` at the account and all above it."""
    course = Course(
        id="7",
        name="Mechanics, étude",
        code="PHY-1",
        sis_id="2026-1",
        account_id="4",
        account_name="Institute of Physics",
    )
    patterns = Patterns(include=include, exclude=exclude).knowing(SCIENCE)

    assert (patterns.left_out(course) is None) is taken


def test_a_course_that_is_left_out_is_told_why():
    """The verdict names the pattern and what it matched; accounts in a ring end."""
    patterns = Patterns(include=["BIO*"], exclude=["account:Ring B"]).knowing(SCIENCE)
    ringed = patterns.left_out(Course(id="1", name="x", code="BIO-1", account_id="8"))
    other = patterns.left_out(Course(id="2", name="x", account_id="4"))

    assert ringed is not None
    assert ringed.pattern == "account:Ring B"
    assert ringed.detail == "the pattern 'account:Ring B' of exclude matches its account 'Ring B'"
    assert other is not None
    assert (other.pattern, other.detail) == (None, "no pattern of include matches it")


def test_a_course_without_any_word_is_taken():
    """What the LMS lists but does not describe must fail where it can be seen, not vanish."""
    assert Patterns(include=["account:Law"], exclude=["*"]).left_out(Course(id="1", name="")) is None


def test_waits_grow_up_to_a_bound_and_respect_what_the_lms_asks():
    """Each wait is at most double the one before, with jitter; a longer wait that is asked for wins."""
    backoff = Backoff(first=10, longest=60)

    assert 5 <= backoff.seconds(1) <= 10
    assert 30 <= backoff.seconds(50) <= 60
    assert backoff.seconds(1, asked=600) == 600


def test_a_wait_that_is_cancelled_with_its_event_is_cancelled():
    """A loop that waits for an event can always be stopped, also when the event comes in the same turn."""

    async def main() -> bool:
        event = asyncio.Event()

        async def loop() -> None:
            while True:
                event.clear()
                await wait_for_event(event, 10)

        task = asyncio.create_task(loop())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        event.set()
        task.cancel()
        await asyncio.wait({task}, timeout=5)
        return task.cancelled()

    assert asyncio.run(main())


@pytest.mark.parametrize("in_time", [True, False])
def test_what_is_seen_through_gets_its_time_to_end(monkeypatch, in_time):
    """Whoever is cancelled meanwhile waits for it, but not for ever, and is cancelled in any case."""
    monkeypatch.setattr("coursekeep_daemon.runs.waiting._LONGEST", 60.0 if in_time else 0.01)
    said = []

    async def main() -> bool:
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def work() -> None:
            begun.set()
            try:
                await go_on.wait()
                said.append("done")
            except asyncio.CancelledError:
                said.append("cut off")
                raise

        task = asyncio.create_task(see_through(work()))
        await begun.wait()
        task.cancel()
        await asyncio.sleep(0)
        if in_time:
            go_on.set()
        await asyncio.wait({task})
        return task.cancelled()

    assert asyncio.run(main())
    assert said == ["done" if in_time else "cut off"]


def test_the_lock_says_who_holds_it(tmp_path):
    """A second taker is told process, host and time; after the release the lock is free."""
    first, second = DataDirLock(tmp_path, lambda: NOW), DataDirLock(tmp_path, lambda: NOW)
    first.acquire()
    first.write(url="http://127.0.0.1:8350")

    with pytest.raises(DataDirLocked, match=f"process {os.getpid()} on .*, since 2026-05-20T12:00:00"):
        second.acquire()
    assert json.loads((tmp_path / "daemon.lock").read_text())["url"] == "http://127.0.0.1:8350"
    first.release()
    second.acquire()
    second.release()


def test_the_lock_of_a_dead_process_is_free(tmp_path):
    """A kill leaves the file, but not the lock."""
    code = (
        "import os, signal, sys; from datetime import UTC, datetime; from pathlib import Path;"
        "from coursekeep_daemon.lock import DataDirLock;"
        "lock = DataDirLock(Path(sys.argv[1]), lambda: datetime.now(UTC)); lock.acquire();"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)

    assert "pid" in (tmp_path / "daemon.lock").read_text()
    lock = DataDirLock(tmp_path, lambda: NOW)
    lock.acquire()
    lock.release()


def test_a_data_directory_that_cannot_be_made_is_named(tmp_path):
    """The error says which path and why."""
    (tmp_path / "file").write_text("")

    with pytest.raises(SettingsError, match=r"daemon\.data_dir: .*file/data"):
        DataDirLock(Path(tmp_path / "file" / "data"), lambda: NOW).acquire()
