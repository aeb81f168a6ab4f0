"""When has a Canvas course ended? The rule as a pure function.

1. A concluded course (state ``completed``) has ended.
2. Else its own end date counts where the course restricts enrolments to its dates, both ways: an earlier one ends the
   course before its term, a later one keeps it open after its term.
3. Else the end of its term counts; of the term's dates for students, where the term has such.
4. Without any date a course never ends.

Canvas says the same of itself with ``include[]=concluded``. Its word is preferred, because it knows its own rule;
ours says from which moment, and stands in where Canvas does not answer. Canvas's list filter ``completed=true`` is
never trusted: it ignores the restriction of rule 2, and the terms' dates by role of rule 3.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

__all__ = ["CourseDates", "Ending", "ending"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CourseDates:
    """What Canvas says that bears on the end of a course."""

    state: str | None = None
    #: the course's own end
    end_at: datetime | None = None
    #: restrict_enrollments_to_course_dates
    restricted: bool = False
    term_end_at: datetime | None = None
    #: the term's other end for students, if it has one
    term_student_end_at: datetime | None = None
    #: Canvas's own answer; None where it gave none
    concluded: bool | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """Whether a course has ended, and since when (or when it will)."""

    ended: bool
    at: datetime | None


def ending(dates: CourseDates, now: datetime) -> Ending:
    """Decide whether a course has ended at `now`."""
    effective = _effective_end(dates)
    if dates.state == "completed":
        return Ending(ended=True, at=_concluded_at(dates, effective, now))
    passed = effective is not None and effective < now
    ended = passed if dates.concluded is None else dates.concluded
    # A moment that contradicts Canvas's word is no better than none.
    return Ending(ended=ended, at=effective if ended == passed else None)


def _effective_end(dates: CourseDates) -> datetime | None:
    if dates.restricted and dates.end_at is not None:
        return dates.end_at
    if dates.concluded is not None:
        # Canvas's own answer about a course looks at the term as such, not at its dates by role.
        return dates.term_end_at
    return dates.term_student_end_at or dates.term_end_at


def _concluded_at(dates: CourseDates, effective: datetime | None, now: datetime) -> datetime | None:
    """Give the best known moment of a conclusion by hand: Canvas then sets the course's end, restricted or not."""
    return next((end for end in (dates.end_at, effective) if end is not None and end <= now), None)
