"""Values of OneRoster's objects: references, days, flags and numbers, read without guessing."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

__all__ = ["Json", "begins", "ends", "flag", "moment", "number", "ref", "refs", "text", "words"]

Json = dict[str, Any]

_TRUTH = {"true": True, "1": True, "false": False, "0": False}


def text(value: object) -> str | None:
    """Return text without blanks around it; None for nothing. Numbers become text, anything else raises TypeError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise TypeError(f"text was expected, not {type(value).__name__}")
    return str(value).strip() or None


def words(value: object) -> str | None:
    """Return what somebody wrote, as it stands, blanks around it too; None for nothing. Raises as `text`."""
    return None if text(value) is None else str(value)


def ref(item: Mapping[str, Any], key: str) -> str | None:
    """Return the sourcedId that a reference names."""
    return _id_of(item.get(key))


def refs(item: Mapping[str, Any], key: str) -> list[str]:
    """Return the sourcedIds of a list of references, each once."""
    found = item.get(key)
    values = found if isinstance(found, list) else [] if found is None else [found]
    return list(dict.fromkeys(id_ for id_ in map(_id_of, values) if id_ is not None))


def begins(value: object, zone: ZoneInfo) -> datetime | None:
    """Return the moment at which a day begins. Raises ValueError for what is no date."""
    return _moment(value, zone, time(0, 0, 0))


def ends(value: object, zone: ZoneInfo) -> datetime | None:
    """Return the last second of a day: OneRoster's end dates are inclusive. Raises ValueError for what is no date."""
    return _moment(value, zone, time(23, 59, 59))


def moment(value: object) -> datetime | None:
    """Return a moment that is given with its time and zone; None for a mere day, or a time of unknown zone."""
    written = text(value)
    if written is None or len(written) <= len("2025-01-01"):
        return None
    try:
        found = datetime.fromisoformat(written)
    except ValueError:
        return None
    return None if found.tzinfo is None else found.astimezone(UTC)


def flag(value: object) -> bool | None:
    """Return a flag; OneRoster writes them as text. Raises ValueError for what is none."""
    if value is None or isinstance(value, bool):
        return value
    written = (text(value) or "").lower()
    if not written:
        return None
    if written not in _TRUTH:
        raise ValueError("true or false was expected")
    return _TRUTH[written]


def number(value: object) -> float | None:
    """Return a number. Raises ValueError for what is none."""
    written = text(value)
    if written is None:
        return None
    found = float(written)
    if found != found or found in (float("inf"), float("-inf")):  # not-a-number differs from itself
        raise ValueError("a finite number was expected")
    return found


def _id_of(value: object) -> str | None:
    found = value.get("sourcedId") if isinstance(value, dict) else None
    return text(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def _moment(value: object, zone: ZoneInfo, of_day: time) -> datetime | None:
    written = text(value)
    if written is None:
        return None
    if len(written) <= len("2025-01-01"):
        return datetime.combine(date.fromisoformat(written), of_day, zone).astimezone(UTC)
    found = datetime.fromisoformat(written)
    return (found.replace(tzinfo=zone) if found.tzinfo is None else found).astimezone(UTC)
