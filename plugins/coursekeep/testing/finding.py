"""Terms and courses are found: all of them, in a stable order, and those that were asked for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError
from coursekeep.records import Course, CourseQuery, Term
from coursekeep.testing.export import Known
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import course_of, items, places, run, wired
from coursekeep.testing.wire import Fault, Trick, Wire, at

__all__ = ["FindingPromises", "unique"]


class FindingPromises:
    """What holds of `terms()`, `courses()` and `course()`."""

    #: at how many requests of one reading faults are tried
    positions = 5

    @promise(Area.FINDING, Grade.REQUIRED)
    def test_terms(self, connector: Connector[Any]) -> None:
        """Terms have ids of their own, and come in the same order every time."""

        async def twice() -> tuple[list[Term], list[Term]]:
            return await items(connector.terms()), await items(connector.terms())

        first, second = run(connector, twice)
        assert all(isinstance(term, Term) for term in first), "terms() yielded something other than terms"
        unique("term", [term.id for term in first])
        assert first == second, "terms() differs between two calls"

    @promise(Area.FINDING, Grade.REQUIRED)
    def test_courses(self, connector: Connector[Any], known: Known) -> None:
        """Courses have ids of their own, and come in the same order every time, the ended one among them."""

        async def twice() -> tuple[list[Course], list[Course]]:
            return await items(connector.courses(CourseQuery())), await items(connector.courses(CourseQuery()))

        first, second = run(connector, twice)
        assert all(isinstance(course, Course) for course in first), "courses() yielded something other than courses"
        unique("course", [course.id for course in first])
        assert [course.id for course in first] == [course.id for course in second], "courses() changes its order"
        assert known.ended in [course.id for course in first], f"the known course {known.ended} is not among them"

    @promise(Area.FINDING, Grade.REQUIRED)
    def test_ended_courses(self, connector: Connector[Any], known: Known) -> None:
        """A query for ended courses gives courses that have ended, the known one among them."""
        query = CourseQuery(ended_before=datetime.now(UTC))
        courses = run(connector, lambda: items(connector.courses(query)))
        assert known.ended in [course.id for course in courses], f"the known course {known.ended} is not among them"
        assert all(course.ended for course in courses), "a course that has not ended was listed as ended"

    @promise(Area.FINDING, Grade.REQUIRED)
    def test_queries_are_obeyed(self, connector: Connector[Any], known: Known) -> None:
        """A query by term, or by an early end, gives those courses and no others."""

        async def ask() -> tuple[Course, list[Course], list[Course]]:
            course = await course_of(connector, known)
            early = CourseQuery(ended_before=datetime(1971, 1, 1, tzinfo=UTC))
            terms = CourseQuery(term_ids=[course.term_id] if course.term_id else [])
            return course, await items(connector.courses(early)), await items(connector.courses(terms))

        course, early, of_term = run(connector, ask)
        late = [each.id for each in early if each.ended_at is not None and each.ended_at.year > 1971]
        assert not late, f"courses that ended after the date of the query: {late}"
        assert course.id in [each.id for each in of_term], f"course {course.id} is missing in its term {course.term_id}"

    @promise(Area.FINDING, Grade.REQUIRED)
    def test_course(self, connector: Connector[Any], known: Known) -> None:
        """A course is found by its id, and known to have ended."""
        course = run(connector, lambda: connector.course(known.ended))
        assert isinstance(course, Course), f"course({known.ended!r}) gave {course!r}"
        assert (course.id, course.ended) == (known.ended, True), "its id differs, or it has not ended"

    @promise(Area.FINDING, Grade.REQUIRED)
    @pytest.mark.parametrize("fault", [Fault.ERROR, Fault.UNREACHABLE, Fault.HTML, Fault.TRUNCATED])
    def test_no_course_is_overlooked(self, connector: Connector[Any], fault: Fault) -> None:
        """Where a list of courses cannot be read to its end, an error is raised: it is never a shorter list."""
        wire, whole = _listed(connector)
        hits = 0
        for place in places(wire.asked, self.positions):
            try:
                broken, ids = _listed(connector, at(place.identity, fault))
            except ConnectorError:
                hits += 1
                continue
            hits += any(each.identity == place.identity for each in broken.asked)
            assert set(whole) <= set(ids), f"{place.label}: {fault}: courses are missing, and no error was raised"
        if not hits:
            not_applicable("no request was asked a second time")


def unique(what: str, ids: Sequence[str]) -> None:
    """Make sure that ids are text, not empty, and come once."""
    twice = [id_ for id_, times in Counter(ids).items() if times > 1]
    assert not twice, f"{what} ids that come twice: {twice}"
    assert all(isinstance(id_, str) and id_ for id_ in ids), f"a {what} id is empty or no text"


def _listed(connector: Connector[Any], trick: Trick | None = None) -> tuple[Wire, list[str]]:
    spoilt, wire = wired(connector, trick)

    async def main() -> list[str]:
        wire.begin()
        return [course.id async for course in spoilt.courses(CourseQuery())]

    return wire, run(spoilt, main)
