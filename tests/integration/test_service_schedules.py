"""Schedules over real HTTP: policies in stages, academic years and branches of accounts, against a campus."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.service_bench import Bench, eventually

from coursekeep_campus import CampusServer, generated
from coursekeep_campus.model import Course
from coursekeep_daemon.requests import BadRequest
from coursekeep_daemon.runs.planner import LEFT_OUT
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import PauseLevel, Run

CAMPUS = generated(seed=1, courses=40)


@pytest.fixture
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=40), throttle=False) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, server: CampusServer) -> Bench:
    return Bench(tmp_path, server)


def in_service(bench: Bench, test: Callable[[Service], Awaitable[None]], **settings: Any) -> None:
    async def main() -> None:
        async with bench.service(**settings) as service:
            await test(service)

    asyncio.run(main())


def ended_in(term: str) -> list[Course]:
    """Return the courses of a term that the campus knows to have ended."""
    ended = (CAMPUS.courses[one] for one in CAMPUS.known["ended"])
    return [course for course in ended if CAMPUS.terms[course.term_id].name == term]


def change_grade(server: CampusServer, course: Course) -> None:
    """Give a late grade, as a teacher would."""
    graded = next(each for each in course.content.submissions if each.state == "graded")
    change = {"course": course.id, "assignment": graded.assignment_id, "user": graded.user_id, "score": 3}
    httpx.post(f"{server.url}/campus/grade", json=change).raise_for_status()


class Policy:
    """Two schedules on one integration, and a daemon that is started on chosen days after the end of the courses."""

    def __init__(self, bench: Bench, courses: list[Course]) -> None:
        self.bench = bench
        end = CAMPUS.terms[courses[0].term_id].end_at
        assert end is not None
        self.end = end
        rule = {"integration": "main", "cron": "0 3 * * *", "include": [f"sis:{one.sis_id}" for one in courses]}
        self.schedules = {
            "archive": rule | {"ended_for": "6 months"},
            "refresh": rule | {"ended_for": "12 months", "on_existing": "refresh"},
        }

    async def day(self, number: int) -> dict[str, dict[str, tuple[ItemStatus, str | None, int | None]]]:
        """Start the daemon on a day, and return what its schedules did: items by schedule and course."""
        now = self.end + timedelta(days=number, hours=12)
        async with self.bench.service(clock=lambda: now, schedules=self.schedules) as service:

            async def caught_up() -> list[Run]:
                runs = [run for run in (await service.store.runs()).items if run.created_at == now]
                return runs if len(runs) == len(self.schedules) else []

            done = {}
            for run in await eventually(caught_up):
                await self.bench.finished(service, run)
                items = (await self.bench.items(service, run)).items()
                done[run.schedule or ""] = {ref: (one.status, one.reason, one.package_version) for ref, one in items}
            return done

    async def begin(self) -> None:
        """Start the daemon for the first time, so that it has something to catch up later."""
        first = datetime.now(UTC)  # the courses have ended for Canvas only now
        async with self.bench.service(clock=lambda: first, schedules=self.schedules) as service:
            assert (await service.store.runs()).items == []


def test_two_schedules_archive_first_and_refresh_later(bench, server):
    """Six months after the end the courses are archived; after twelve, those that differ get a second version."""
    changed, same = ended_in("Last autumn")[:2]
    both = (str(changed.id), str(same.id))
    policy = Policy(bench, [changed, same])

    async def main() -> None:
        await policy.begin()
        at_six = await policy.day(190)
        await asyncio.to_thread(change_grade, server, changed)
        at_twelve = await policy.day(370)

        assert at_six == {"archive": dict.fromkeys(both, (ItemStatus.COMPLETED, None, 1)), "refresh": {}}
        assert at_twelve["archive"] == dict.fromkeys(both, (ItemStatus.SKIPPED, "archived", 1))
        assert at_twelve["refresh"][both[0]] == (ItemStatus.COMPLETED, None, 2)
        assert at_twelve["refresh"][both[1]][:2] == (ItemStatus.SKIPPED, "unchanged")

    asyncio.run(main())


def test_an_academic_year_takes_its_courses_and_no_later_ones(bench, server):
    """A year that ended between two terms takes the courses of the first, and leaves those of the second."""
    year = datetime.now(UTC) - timedelta(days=150)
    bench.integration["academic_year_ends"] = f"{year:%m-%d}"
    rule = {"integration": "main", "cron": "0 3 * * *", "ended_for": "1 month", "ended_by": "academic_year"}

    async def test(service: Service) -> None:
        preview = await service.preview_new_schedule(rule)
        refs = {row.ref for row in preview.rows}

        assert preview.before == datetime(year.year, year.month, year.day, tzinfo=UTC) + timedelta(days=1)
        assert refs >= {str(course.id) for course in [*ended_in("Last year"), *ended_in("Two years ago")]}
        assert not refs & {str(course.id) for course in ended_in("Last autumn")}
        assert not refs & {str(one) for one in CAMPUS.known["running"]}
        assert await service.store.schedules() == []
        assert (await service.store.runs()).items == []

    in_service(bench, test)


def test_a_preview_tells_what_each_pattern_leaves_out(bench, server):
    """A branch of accounts is taken with the institutes below it; each course that is left out says why."""
    rule = {"name": "a", "integration": "main", "cron": "0 3 * * *", "ended_for": "1 day"}
    patterns = {"include": ["account:Faculty of Science"], "exclude": ["account:SCI-PHY"]}
    accounts = {str(course.id): course.account_id for course in CAMPUS.courses.values()}

    async def test(service: Service) -> None:
        made = await service.create_schedule(rule | patterns, by="tester")
        preview = await service.preview_schedule("a")
        cut = await service.preview_schedule("a", limit=3)
        run, _ = await service.run_schedule("a", by="tester", idempotency_key="k")
        again, created = await service.run_schedule("a", by="tester", idempotency_key="k")
        await service.store.pause(PauseLevel.RUN, str(run.id), "tester")  # so that the stop need not wait for it

        by_account = {accounts[row.ref]: (row.would, row.pattern) for row in preview.rows if row.would != "failed"}
        assert by_account == {
            2: (ItemStatus.QUEUED, None),
            3: (LEFT_OUT, None),
            4: (LEFT_OUT, "account:SCI-PHY"),
        }
        assert sum(preview.counts.values()) == len(preview.rows)
        assert (len(cut.rows), cut.truncated) == (3, True)
        assert preview.slot == service.next_fires(made)[0]
        assert (run.schedule, run.created_by, again.id, created) == ("a", "tester", run.id, False)
        stored = await service.store.schedule("a")
        assert stored is not None
        assert (stored.last_fired_at, stored.last_run_id) == (None, None)

    in_service(bench, test)


def test_a_key_holds_though_the_day_has_changed(bench, server):
    """A second attempt after midnight finds the run of the first, although the rule now counts from another day."""
    now = datetime.now(UTC).replace(hour=23, minute=59)
    moments = [now]
    rule = {"name": "a", "integration": "main", "cron": "0 3 * * *", "ended_for": "900 days"}

    async def test(service: Service) -> None:
        await service.create_schedule(rule, by="tester")
        run, _ = await service.run_schedule("a", by="tester", idempotency_key="k")
        moments.append(now + timedelta(hours=1))
        again, created = await service.run_schedule("a", by="tester", idempotency_key="k")
        other, _ = await service.run_schedule("a", by="tester", idempotency_key="l")

        assert (again.id, created) == (run.id, False)
        assert other.params["before"] > run.params["before"]
        with pytest.raises(BadRequest, match="there is no schedule b"):
            await service.run_schedule("b", by="tester")

    in_service(bench, test, clock=lambda: moments[-1])
