"""Read single values out of Canvas's JSON: strict about shape, so that a lie becomes a gap and not a wrong datum."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = ["Json", "ident", "objects", "person", "pick", "text", "texts", "whole"]

Json = dict[str, Any]


def text(value: object) -> str | None:
    """Return ids and texts as text, None as None.

    Ids may exceed 2^53 and come as number or text, depending on Canvas.
    """
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    raise TypeError(f"an id or text was expected, not {type(value).__name__}")


def ident(item: Mapping[str, Any], key: str = "id") -> str:
    """Return the id that an object must have."""
    found = text(item.get(key))
    if not found:
        raise ValueError(f"no {key}")
    return found


def person(value: object) -> str | None:
    """Return a person's id; None for the negative or zero ids by which Canvas marks automatic graders."""
    found = text(value)
    return found if found and not found.startswith("-") and found != "0" else None


def whole(value: object) -> int | None:
    """Return a whole number, also where Canvas writes it as 300.0."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
        raise TypeError("a whole number was expected")
    return int(value)


def texts(value: object) -> list[str]:
    """Return a list of ids or texts; an absent one is empty."""
    return [found for found in map(text, _sequence(value)) if found is not None]


def objects(value: object) -> list[Json]:
    """Return a list of objects; an absent one is empty."""
    found = list(_sequence(value))
    if not all(isinstance(item, dict) for item in found):
        raise TypeError("a list of objects was expected")
    return found


def pick(item: Mapping[str, Any], *keys: str) -> Json:
    """Return those of the named fields that the object has and that say something."""
    return {key: item[key] for key in keys if item.get(key) is not None}


def _sequence(value: object) -> Iterable[Any]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise TypeError("a list was expected")
    return value
