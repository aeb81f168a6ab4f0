"""Read single values out of Moodle's JSON: strict about shape, so that a lie becomes a gap and not a wrong datum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

__all__ = ["Json", "ident", "moment", "number", "objects", "person", "pick", "text", "texts", "truth", "whole"]

Json = dict[str, Any]


def text(value: object) -> str | None:
    """Return ids and texts as text, None as None."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"an id or text was expected, not {type(value).__name__}")


def ident(item: Mapping[str, Any], key: str = "id") -> str:
    """Return the id that an object must have. Moodle's ids begin at 1."""
    found = text(item.get(key))
    if not found or found == "0":
        raise ValueError(f"no {key}")
    return found


def person(value: object) -> str | None:
    """Return a person's id; None for 0 and below, by which Moodle says that there is none."""
    found = text(value)
    return found if found and found != "0" and not found.startswith("-") else None


def whole(value: object) -> int | None:
    """Return a whole number, also where it comes as text."""
    if value is None or value == "":
        return None
    if isinstance(value, str):
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise TypeError("a whole number was expected")
    return int(value)


def number(value: object) -> float | None:
    """Return a number; Moodle writes grades as text with five decimals."""
    if value is None or value == "":
        return None
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError("a number was expected")
    return float(value)


def truth(value: object) -> bool | None:
    """Return a yes or no, which Moodle writes as 1 and 0 as often as true and false."""
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return value
    if value in (0, 1, "0", "1"):
        return value in (1, "1")
    raise TypeError("yes or no was expected")


def moment(value: object) -> datetime | None:
    """Return a time, which Moodle counts in seconds; 0 and below mean that there is none."""
    seconds = whole(value)
    if seconds is None or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, OSError) as error:
        raise ValueError("a time beyond all calendars") from error


def texts(value: object) -> list[str]:
    """Return a list of ids or texts; an absent one is empty."""
    return [found for found in map(text, _sequence(value)) if found is not None]


def objects(value: object) -> list[Json]:
    """Return a list of objects; an absent one is empty, and so is `{}`, which PHP does not tell from `[]`."""
    found = list(_sequence(value))
    if not all(isinstance(item, dict) for item in found):
        raise TypeError("a list of objects was expected")
    return found


def pick(item: Mapping[str, Any], *keys: str) -> Json:
    """Return those of the named fields that the object has and that say something."""
    return {key: item[key] for key in keys if item.get(key) not in (None, "", [], {})}


def _sequence(value: object) -> Iterable[Any]:
    if value is None or value == {}:
        return []
    if isinstance(value, dict) and all(key.isdigit() for key in value):
        return value.values()  # a list with holes becomes an object in PHP's JSON
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value
