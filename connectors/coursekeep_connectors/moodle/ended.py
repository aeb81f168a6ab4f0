"""When has a Moodle course ended? The rule as a pure function.

1. A course with an end date has ended once that is past. An end date of 0 is none.
2. Else the end of its term counts, where the operator has told it: Moodle has no terms.
3. Else, where the operator asks for it, a course whose settings nobody has changed for so many days.
4. Else it has not ended: Moodle does not say so, and nothing is guessed.

Whether a course is hidden says nothing: some institutions hide what has ended, others what has not begun.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

__all__ = ["CourseDates", "Ending", "ending"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CourseDates:
    """What bears on the end of a course."""

    end_at: datetime | None = None
    term_end_at: datetime | None = None
    #: when its settings were last changed
    changed_at: datetime | None = None
    #: days without change after which it counts as ended; 0 means never
    idle_days: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Ending:
    """Whether a course has ended, and since when (or when it will)."""

    ended: bool
    at: datetime | None


def ending(dates: CourseDates, now: datetime) -> Ending:
    """Decide whether a course has ended at `now`."""
    end = dates.end_at or dates.term_end_at
    if end is None and dates.idle_days and dates.changed_at is not None:
        end = dates.changed_at + timedelta(days=dates.idle_days)
        # It ends only if nothing happens until then, so a moment to come is no end.
        return Ending(ended=end <= now, at=end if end <= now else None)
    return Ending(ended=end is not None and end <= now, at=end)
