"""Places in answers and in addresses: where a value stands in JSON, and where one goes in a path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, Final
from urllib.parse import quote

from coursekeep.errors import MalformedAnswer

__all__ = [
    "ABSENT",
    "Absent",
    "Json",
    "Params",
    "Place",
    "fill",
    "fill_params",
    "look",
    "named",
    "names_in",
    "steps",
    "texts_of",
    "without",
]

#: an object of an LMS's answer
Json = Mapping[str, Any]

#: where a value stands in an object: `"mail"`, `"author.id"` for one inside another, or a tuple of keys where a key
#: itself holds a dot. A `?` at the end says that the LMS may leave it out.
Place = str | tuple[str, ...]

#: parameters of an address; several values give the parameter several times
Params = Mapping[str, str | Sequence[str]]

_NAMES = re.compile(r"\{([^{}]*)\}")


class Absent(Enum):
    """What stands at a place that an object does not have; not the same as null."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT


def steps(place: Place) -> tuple[str, ...]:
    """Return the keys of a place, from the outermost inwards."""
    return place if isinstance(place, tuple) else tuple(place.removesuffix("?").split("."))


def named(place: Place) -> str:
    """Name a place for people."""
    return ".".join(steps(place))


def look(body: Any, place: Place) -> Any:
    """Return what stands at a place, `ABSENT` where there is no such place; null inside of null is null."""
    for key in steps(place):
        if body is None:
            return None
        if not isinstance(body, Mapping) or key not in body:
            return ABSENT
        body = body[key]
    return body


def without(body: Json, place: Place) -> dict[str, Any]:
    """Return a copy of an object that lacks one place; of a list on the way, each object lacks it."""
    first, *rest = steps(place)
    copy = dict(body)
    if first in copy:
        inner = copy.pop(first)
        if rest:
            copy[first] = _inside(inner, tuple(rest))
    return copy


def _inside(value: Any, place: tuple[str, ...]) -> Any:
    if isinstance(value, list):
        return [_inside(each, place) for each in value]
    return without(value, place) if isinstance(value, Mapping) else value


def names_in(template: str) -> list[str]:
    """Return the names that stand in braces."""
    return _NAMES.findall(template)


def fill_params(params: Params, values: Mapping[str, str]) -> dict[str, list[str]]:
    """Put values in the place of names in braces of parameters, each of which may be given several times."""
    return {
        name: [fill(each, values, quoted=False) for each in ((given,) if isinstance(given, str) else given)]
        for name, given in params.items()
    }


def texts_of(params: Params) -> Iterator[str]:
    """Yield every value of parameters."""
    for given in params.values():
        yield from (given,) if isinstance(given, str) else given


def fill(template: str, values: Mapping[str, str], *, quoted: bool = True) -> str:
    """Put values in the place of names in braces; `quoted` makes each one segment of a path, whatever is in it.

    Raises `MalformedAnswer` where a value cannot be a segment.
    """
    return _NAMES.sub(lambda found: _segment(values[found[1]], found[1]) if quoted else values[found[1]], template)


def _segment(value: str, name: str) -> str:
    if value.strip() in ("", ".", ".."):
        raise MalformedAnswer(f"{value!r} stands for {name} and cannot be part of an address")
    return quote(value, safe="", errors="surrogatepass")
