"""What must hold when the laboratory is quiet again, whatever was done to it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from fakes.package_kit import judge_at_once, judge_bag
from faults.follower import Follower
from faults.lab import Lab
from faults.parts import until
from faults.reference import Courses

from coursekeep_daemon.store import Store

__all__ = ["Judge", "Problem", "Verdict"]

#: seconds for runs of the schedule, which come at any moment, to end
_ENDING = 60.0


class Verdict(StrEnum):
    """What kind of thing went wrong."""

    LOST = "lost"
    TWICE = "twice"
    INVALID = "invalid"
    COUNTERS = "counters"
    LEFT_OVER = "left over"
    EVENTS = "events"
    STATUS = "status"


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """Something that must not be."""

    verdict: Verdict
    detail: str


class Judge:
    """Looks at store, archive and events."""

    def __init__(self, lab: Lab, courses: Courses, follower: Follower) -> None:
        self._lab = lab
        self._courses = courses
        self._follower = follower
        self._archive = lab.place.archive

    def judge(self, run: int, courses: Sequence[str], *, thorough: bool) -> list[Problem]:
        """Judge a run of these courses that has ended, and all else that there is; `thorough` asks others too."""
        return [
            *self._items(run, courses),
            *self._versions(courses),
            *self._packages(courses, thorough=thorough),
            *self._schedule(),
            *asyncio.run(self._counters()),
            *self._left_over(),
            *self._events(run),
        ]

    def _items(self, run: int, courses: Sequence[str]) -> Iterator[Problem]:
        """Every course has one item, which says truly what became of it."""
        query = (
            "SELECT course_id, status, reason, detail, package_id, package_version, gaps FROM item WHERE run_id = %s"
        )
        rows = self._lab.ask(query, run)
        found = [row[0] for row in rows]
        for course in courses:
            if course not in found:
                yield Problem(verdict=Verdict.LOST, detail=f"run {run} has no item of course {course}")
        for course in found:
            if found.count(course) > 1 or course not in courses:
                yield Problem(verdict=Verdict.TWICE, detail=f"run {run}: {found.count(course)} items of {course}")
        for course, status, reason, detail, package, version, _ in rows:
            due = len(self._courses.due.get(course, ()))
            if status != "completed":
                what = f"run {run}, course {course}: {status}, {reason}: {detail}"
                yield Problem(verdict=Verdict.LOST if status != "skipped" else Verdict.STATUS, detail=what)
            elif (package, version) != (Courses.package(course), due):
                what = f"run {run}, course {course}: completed with version {version} of {package}; due was {due}"
                yield Problem(verdict=Verdict.STATUS, detail=what)

    def _versions(self, courses: Sequence[str]) -> Iterator[Problem]:
        """Every change made one version, with the content that an undisturbed run gives it, and one row."""
        for course in courses:
            stored, expected = self._courses.stored(course), self._courses.expected(course)
            if len(stored) != len(expected):
                verdict = Verdict.LOST if len(stored) < len(expected) else Verdict.TWICE
                yield Problem(verdict=verdict, detail=f"course {course}: {len(stored)} versions of {len(expected)}")
            for number, (has, wants) in enumerate(zip(stored, expected, strict=False), 1):
                if has != wants:
                    differing = sorted({p for d in set(has) ^ set(wants) for p in (*has.get(d, ()), *wants.get(d, ()))})
                    detail = f"course {course}, version {number}: {', '.join(differing[:5])} differ"
                    yield Problem(verdict=Verdict.LOST, detail=detail)
            query = "SELECT version FROM package_version WHERE package_id = %s ORDER BY version"
            known = [row[0] for row in self._lab.ask(query, Courses.package(course))]
            if known != list(range(1, len(stored) + 1)):
                detail = f"course {course}: the store knows versions {known}, the archive has {len(stored)}"
                yield Problem(verdict=Verdict.LOST if len(known) < len(stored) else Verdict.TWICE, detail=detail)

    def _packages(self, courses: Sequence[str], *, thorough: bool) -> Iterator[Problem]:
        for course in courses:
            package = Courses.package(course)
            report = self._archive.verify(package)
            if not report.valid:
                yield Problem(verdict=Verdict.INVALID, detail=f"course {course}: {report.to_json()}")
        if thorough:
            for course in courses:
                yield from self._others_say(course)

    def _others_say(self, course: str) -> Iterator[Problem]:
        """Ask ocfl-py about a package, and bagit.py about its newest version."""
        package = Courses.package(course)
        bag = Path(tempfile.mkdtemp(prefix="ckbag"))
        try:
            self._archive.extract(package, None, bag / "bag")
            judge_bag(bag / "bag")
            judge_at_once(self._lab.place.fetch(package, bag / "object"))
        except AssertionError as error:
            yield Problem(verdict=Verdict.INVALID, detail=f"course {course}: {error}")
        finally:
            shutil.rmtree(bag)

    def _schedule(self) -> Iterator[Problem]:
        """No slot of the schedule has two runs."""
        query = (
            "SELECT idempotency_key, count(*) FROM run WHERE schedule IS NOT NULL "
            "GROUP BY created_by, idempotency_key HAVING count(*) > 1"
        )
        for key, times in self._lab.ask(query):
            yield Problem(verdict=Verdict.TWICE, detail=f"the slot {key} of the schedule has {times} runs")

    async def _counters(self) -> list[Problem]:
        """The counters that are kept equal what is counted afresh."""
        runs = [row[0] for row in self._lab.ask("SELECT id FROM run ORDER BY id DESC LIMIT 20")]
        async with Store(self._lab.database_url) as store:
            wrong = {run: await store.check_counters(run) for run in runs}
            days = await store.check_day_counts()
        found = {run: difference for run, difference in wrong.items() if difference}
        return [Problem(verdict=Verdict.COUNTERS, detail=f"{found} {days}")] if found or days else []

    def _left_over(self) -> Iterator[Problem]:
        """Nothing is left of work that has ended; a time of the schedule may have come meanwhile, and is waited for."""
        with suppress(TimeoutError):
            until("all runs to end", self._all_ended, seconds=_ENDING)
        for query, what in self._lab.traces():
            if rows := self._lab.ask(query):
                yield Problem(verdict=Verdict.LEFT_OVER, detail=f"{what}: {rows[:5]}")
        open_items = self._lab.ask("SELECT id, run_id, status FROM item WHERE status IN ('queued', 'processing')")
        if open_items:
            yield Problem(verdict=Verdict.STATUS, detail=f"items of runs that have ended: {open_items[:5]}")

    def _all_ended(self) -> bool:
        running = self._lab.ask("SELECT 1 FROM run WHERE finished_at IS NULL")
        return not running and not any(self._lab.ask(query) for query, _ in self._lab.traces())

    def _events(self, run: int) -> Iterator[Problem]:
        """Whoever follows the events is told all of them once, and the last of an item is how it ended."""
        told = [row[0] for row in self._lab.ask("SELECT id FROM event WHERE id > %s ORDER BY id", self._follower.since)]
        if missing := self._follower.missing(told):
            yield Problem(verdict=Verdict.EVENTS, detail=f"events {missing[:10]} did not reach who follows")
        if twice := self._follower.taken_twice():
            yield Problem(verdict=Verdict.EVENTS, detail=f"told twice: {twice[:10]}")
        query = (
            "SELECT item.id, item.status, count(event.id) FROM item LEFT JOIN event ON event.item_id = item.id "
            "AND event.data->>'status' = item.status WHERE item.run_id = %s GROUP BY item.id, item.status"
        )
        for item, status, times in self._lab.ask(query, run):
            if times != 1:
                yield Problem(verdict=Verdict.EVENTS, detail=f"{times} events tell that item {item} is {status}")
