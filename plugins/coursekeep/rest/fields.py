"""Fields: which of an LMS's become which of Coursekeep's, as declarations that are checked and then compiled.

A field map names Coursekeep's fields and, for each, where its value comes from::

    fields={
        "title": "name",                                   # a place in the object
        "editor_id": "author.id?",                         # inside another; the LMS may leave it out
        "discussion_id": Parent("id"),                     # of the object that the list belongs to
        "role": Choice("type", {"S": "student", "T": "teacher"}, other="other"),
        "file_ids": Each("attachments", "id"),
        "published": lambda item: item["state"] == "live",  # anything else
    }

Numbers become text where Coursekeep's field is text, as ids are. Times without a zone get the connector's, if it has
one. A value that is missing or makes no sense is a doubt: it stands as null, and is told as a gap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from datetime import UTC, datetime
from enum import Enum
from types import UnionType
from typing import Any, Final, get_args, get_origin
from zoneinfo import ZoneInfo

from coursekeep.rest.places import ABSENT, Json, Place, look, steps

__all__ = [
    "NONSENSE",
    "Choice",
    "Constant",
    "Doubt",
    "Each",
    "Field",
    "From",
    "Parent",
    "Shape",
    "Source",
    "Whole",
    "as_text",
    "compiled",
    "complaint",
    "moment",
    "shape_of",
]

#: what a function raises when an object of the LMS is not what it should be
NONSENSE = (LookupError, TypeError, ValueError, AttributeError, OverflowError)


class Doubt(ValueError):
    """A value is missing or makes no sense. The message never holds the value, which may be personal."""


@dataclass(frozen=True, kw_only=True, slots=True)
class From:
    """What a value can come from: an object, and the one that its list belongs to."""

    item: Json
    #: of a parent, the places that declarations name
    parent: Mapping[tuple[str, ...], Any]


@dataclass(frozen=True)
class Constant:
    """The same value for every record."""

    value: Any


@dataclass(frozen=True)
class Whole:
    """The whole object, as the LMS gave it."""


@dataclass(frozen=True)
class Parent:
    """A place in the object of the parent stream that the list belongs to."""

    at: Place


@dataclass(frozen=True)
class Each:
    """All objects of a list inside the object, or one place of each."""

    at: Place
    of: Place | None = None


class _Refused(Enum):
    """What becomes of a word that a `Choice` does not know, where it says nothing else."""

    REFUSED = "refused"


_REFUSED: Final = _Refused.REFUSED


@dataclass(frozen=True)
class Choice:
    """A word of Coursekeep's for each word of the LMS's."""

    at: Place
    words: Mapping[Any, Any]
    _: KW_ONLY
    #: for words that are not in the map, None for null; without it such a word is a gap, and null stays null
    other: Any = _REFUSED


#: where the value of a field comes from
Source = Place | Constant | Whole | Parent | Each | Choice | Callable[[Json], Any]


class Shape(Enum):
    """What a field of Coursekeep's holds, as far as values are fitted to it."""

    TEXT = "text"
    TEXTS = "texts"
    TIME = "time"
    OTHER = "other"


@dataclass(frozen=True, kw_only=True, slots=True)
class Field:
    """One field, compiled."""

    name: str
    shape: Shape
    read: Callable[[From], Any]
    #: whether the LMS may leave it out
    optional: bool

    def value(self, source: From, zone: ZoneInfo | None) -> Any:
        """Return the value, fitted; None where there is none. Raises one of `NONSENSE`, without the value in it."""
        found = self.read(source)
        if found is ABSENT:
            if self.optional:
                return None
            raise Doubt("is missing from what the LMS answered")
        if self.shape is Shape.TEXT:
            return as_text(found)
        if self.shape is Shape.TEXTS and isinstance(found, list):
            return [as_text(each) for each in found]
        if self.shape is Shape.TIME:
            return moment(found, zone)
        return found


def compiled(name: str, source: Source, shape: Shape) -> Field:
    """Compile one field of a map."""
    place = source.at if isinstance(source, Parent | Each | Choice) else source
    optional = isinstance(place, str) and place.endswith("?")
    return Field(name=name, shape=shape, read=_reader(source), optional=optional)


def _reader(source: Source) -> Callable[[From], Any]:
    match source:
        case Constant(value):
            return lambda given: value
        case Whole():
            return lambda given: dict(given.item)
        case Parent(at):
            return lambda given: given.parent.get(steps(at), ABSENT)
        case Each(at, of):
            return lambda given: _each(given.item, at, of)
        case Choice():
            return lambda given: _choose(given.item, source)
        case str() | tuple():
            return lambda given: look(given.item, source)
    return lambda given: source(given.item)


def _each(item: Json, at: Place, of: Place | None) -> Any:
    found = look(item, at)
    if found is ABSENT or found is None:
        return found
    if not isinstance(found, list):
        raise Doubt("is no list")
    return found if of is None else [_present(look(each, of)) for each in found]


def _present(value: Any) -> Any:
    if value is ABSENT:
        raise Doubt("is missing in an object of the list")
    return value


def _choose(item: Json, choice: Choice) -> Any:
    found = look(item, choice.at)
    if found is ABSENT:
        return found
    try:
        return choice.words[found]
    except (KeyError, TypeError):
        if choice.other is not _REFUSED:
            return choice.other
        if found is None:
            return None
        raise Doubt("is none of the words that the connector knows") from None


def as_text(value: Any) -> Any:
    """Return whole numbers as text, and anything else as it is."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def moment(value: Any, zone: ZoneInfo | None) -> datetime | None:
    """Return a moment; None for null, an empty text and 0. Other numbers are seconds since 1970.

    Raises `Doubt` for what is no time, or has no zone where the connector has none either.
    """
    if value is None or value == "":
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return datetime.fromtimestamp(value, UTC) if value else None
    if not isinstance(value, str):
        raise Doubt("is no time")
    try:
        found = datetime.fromisoformat(value.strip())
    except ValueError:
        raise Doubt("is no time of the form that ISO 8601 demands") from None
    if found.tzinfo is not None:
        return found
    if zone is None:
        raise Doubt("is a time without its zone; set time_zone in the connector")
    return found.replace(tzinfo=zone)


def shape_of(annotation: Any) -> Shape:
    """Say what a field with this annotation holds."""
    if annotation is str:
        return Shape.TEXT
    if annotation is datetime:
        return Shape.TIME
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is list and inside == (str,):
        return Shape.TEXTS
    if origin is UnionType or str(origin) in ("typing.Union", "<class 'typing.Union'>"):
        return next((shape for shape in map(shape_of, inside) if shape is not Shape.OTHER), Shape.OTHER)
    if hasattr(annotation, "__metadata__"):
        return shape_of(inside[0])
    return Shape.OTHER


def complaint(error: Exception) -> str:
    """Say what is wrong with a value, without the value: errors of functions that authors wrote may quote it."""
    return str(error) if isinstance(error, Doubt) else f"makes no sense ({type(error).__name__})"
