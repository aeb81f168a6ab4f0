"""Small readings of texts. What cannot be read is None: nothing is invented."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

from dateutil.parser import isoparse

__all__ = ["flag", "moment", "number", "shown", "stamp", "whole"]

#: the last second that a datetime can hold
_LAST = 253_402_300_799


def shown(moment_: datetime | None) -> str | None:
    """Return a time as records have it."""
    return None if moment_ is None else moment_.isoformat().replace("+00:00", "Z")


def moment(text: str | None) -> datetime | None:
    """Return an ISO time; one without zone is UTC, as Canvas writes them. None where it is none."""
    if text is None or not text.strip():
        return None
    try:
        found = isoparse(text.strip())
    except (ValueError, OverflowError):
        return None
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def stamp(text: str | None) -> datetime | None:
    """Return a time in seconds since 1970, as Moodle writes them; None for 0, which means none, and for no number."""
    seconds = whole(text)
    if not seconds or not 0 < seconds <= _LAST:
        return None
    return datetime.fromtimestamp(seconds, UTC)


def number(text: Any) -> float | None:
    """Return a number; None where it is none."""
    try:
        found = float(text)
    except (TypeError, ValueError):
        return None
    return found if math.isfinite(found) else None


def whole(text: Any) -> int | None:
    """Return a whole number; None where it is none."""
    try:
        return int(str(text).strip())
    except ValueError:
        return None


def flag(text: str | None) -> bool | None:
    """Return what `true`, `false`, `1` and `0` say; None for all else."""
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").strip().lower())
