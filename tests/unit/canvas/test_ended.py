"""The rule by which a Canvas course has ended, as a table."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from coursekeep import Course, CourseQuery, EndOf
from coursekeep_connectors.canvas.courses import taken
from coursekeep_connectors.canvas.ended import CourseDates, Ending, ending

NOW = datetime(2026, 9, 1, tzinfo=UTC)
PAST = datetime(2026, 6, 30, tzinfo=UTC)
EARLIER = datetime(2026, 5, 31, tzinfo=UTC)
TERM = EndOf.TERM
FUTURE = datetime(2026, 12, 31, tzinfo=UTC)

TABLE = {
    "concluded by hand, no dates": (CourseDates(state="completed"), Ending(ended=True, at=None)),
    "concluded by hand, own end past": (CourseDates(state="completed", end_at=PAST), Ending(ended=True, at=PAST)),
    "concluded by hand before its term ends": (
        CourseDates(state="completed", term_end_at=FUTURE),
        Ending(ended=True, at=None),
    ),
    "concluded by hand wins over Canvas's no": (
        CourseDates(state="completed", concluded=False),
        Ending(ended=True, at=None),
    ),
    "restricted own end past": (
        CourseDates(state="available", end_at=PAST, restricted=True),
        Ending(ended=True, at=PAST),
    ),
    "restricted own end keeps it open after its term": (
        CourseDates(state="available", end_at=FUTURE, restricted=True, term_end_at=PAST),
        Ending(ended=False, at=FUTURE),
    ),
    "restricted own end ends it before its term": (
        CourseDates(state="available", end_at=PAST, restricted=True, term_end_at=FUTURE),
        Ending(ended=True, at=PAST),
    ),
    "own end without the restriction does not count": (
        CourseDates(state="available", end_at=PAST),
        Ending(ended=False, at=None),
    ),
    "own end without the restriction, term over": (
        CourseDates(state="available", end_at=FUTURE, term_end_at=PAST),
        Ending(ended=True, at=PAST),
    ),
    "restriction without an end falls back to the term": (
        CourseDates(state="available", restricted=True, term_end_at=PAST),
        Ending(ended=True, at=PAST),
    ),
    "no date at all never ends": (CourseDates(state="available"), Ending(ended=False, at=None)),
    "unpublished in an ended term has ended": (
        CourseDates(state="unpublished", term_end_at=PAST),
        Ending(ended=True, at=PAST),
    ),
    "term's end for students comes before the term's": (
        CourseDates(state="available", term_end_at=FUTURE, term_student_end_at=EARLIER),
        Ending(ended=True, at=EARLIER),
    ),
    "term's end for students keeps it open": (
        CourseDates(state="available", term_end_at=PAST, term_student_end_at=FUTURE),
        Ending(ended=False, at=FUTURE),
    ),
    "Canvas's own yes is preferred": (
        CourseDates(state="available", concluded=True),
        Ending(ended=True, at=None),
    ),
    "Canvas's own no is preferred": (
        CourseDates(state="available", term_end_at=PAST, concluded=False),
        Ending(ended=False, at=None),
    ),
    "Canvas's yes with our moment": (
        CourseDates(state="available", term_end_at=PAST, concluded=True),
        Ending(ended=True, at=PAST),
    ),
    "ending this very moment is not over": (
        CourseDates(state="available", term_end_at=NOW),
        Ending(ended=False, at=NOW),
    ),
}


@pytest.mark.parametrize(("dates", "expected"), TABLE.values(), ids=TABLE.keys())
def test_rule(dates: CourseDates, expected: Ending) -> None:
    """Whether a course has ended follows Canvas's rule, and the moment is one that agrees with it."""
    assert ending(dates, NOW) == expected


@pytest.mark.parametrize(
    ("course", "query", "expected"),
    [
        ({"ended": True, "ended_at": EARLIER}, {"ended_before": PAST}, True),
        ({"ended": True, "ended_at": PAST}, {"ended_before": PAST}, False),
        ({"ended": True, "ended_at": None}, {"ended_before": PAST}, True),
        ({"ended": False, "ended_at": EARLIER}, {"ended_before": PAST}, False),
        ({"ended": False}, {}, True),
        ({"ended": True, "ended_at": EARLIER, "term_end_at": FUTURE}, {"ended_before": PAST, "ended_by": TERM}, False),
        ({"ended": True, "ended_at": FUTURE, "term_end_at": EARLIER}, {"ended_before": PAST, "ended_by": TERM}, True),
        ({"ended": True, "term_end_at": None}, {"ended_before": PAST, "ended_by": TERM}, True),
        ({"ended": False, "state": "access_restricted_by_date"}, {"ended_before": PAST}, True),
    ],
)  # fmt: skip
def test_ended_before(course: dict[str, object], query: dict[str, object], expected: bool) -> None:
    """Only courses that have ended are taken, also those whose end is unknown, and those that cannot be judged."""
    made = Course(id="1", name="x", **course)  # type: ignore[arg-type]

    assert taken(made, CourseQuery(**query)) is expected  # type: ignore[arg-type]
