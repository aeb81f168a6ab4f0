"""What a OneRoster source can be asked, whether it is a service or a zip of CSV files.

An `Item` is one object in the shape that OneRoster's REST binding gives it, beside what the source said in its own
words. Mapping knows only items; where they come from is known to `service` and `tables`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from coursekeep import ConnectorError
from coursekeep_connectors.oneroster.values import Json

__all__ = ["Batch", "Collection", "Item", "Missing", "Roster"]


class Collection(StrEnum):
    """The collections of OneRoster that are read, by their names in addresses and files."""

    SESSIONS = "academicSessions"
    ORGS = "orgs"
    COURSES = "courses"
    CLASSES = "classes"
    USERS = "users"
    ENROLLMENTS = "enrollments"
    DEMOGRAPHICS = "demographics"
    CATEGORIES = "categories"
    LINE_ITEMS = "lineItems"
    RESULTS = "results"
    SCORE_SCALES = "scoreScales"


@dataclass(frozen=True, kw_only=True, slots=True)
class Item:
    """One object."""

    #: as in OneRoster's REST binding
    body: Json
    #: as the source gave it
    raw: Json
    #: file and line, or the call
    where: str
    #: True of a user whom the source itself lists as student or teacher of the class
    of_class: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Batch:
    """Some objects of a list, in the order of the source."""

    items: Sequence[Item]
    #: how many the source says the whole list has; None where it does not say
    total: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Missing:
    """An object that was asked for in vain."""

    id: str
    error: ConnectorError


class Roster(ABC):
    """A source at one moment. Raises `Unavailable` for collections that it does not offer."""

    @property
    @abstractmethod
    def version(self) -> str:
        """The OneRoster version, for people."""

    @abstractmethod
    def about(self) -> Json | None:
        """Return what the source says of itself, for the package; None where it says nothing."""

    @abstractmethod
    def all(self, collection: Collection) -> AsyncGenerator[Item]:
        """Yield every object of a collection, each id once."""

    @abstractmethod
    async def one(self, collection: Collection, id_: str) -> Item:
        """Return one object. Raises `NotFound`."""

    @abstractmethod
    def of_class(self, collection: Collection, class_: Json, line_items: Sequence[str] = ()) -> AsyncGenerator[Batch]:
        """Yield what belongs to a class: enrolments, line items, results of these line items, categories, scales."""

    @abstractmethod
    def people(self, class_: Json, wanted: Sequence[str]) -> AsyncGenerator[Item | Missing]:
        """Yield the users with these ids, and any others that the source itself counts to the class."""

    def attached(self, owner: Collection, ids: Sequence[str]) -> AsyncGenerator[tuple[str, list[dict[str, Any]]]]:
        """Yield further rows about objects, by the name of their file, that no record has a place for."""
        return _nothing()


async def _nothing() -> AsyncGenerator[tuple[str, list[dict[str, Any]]]]:
    nothing: tuple[tuple[str, list[dict[str, Any]]], ...] = ()
    for each in nothing:
        yield each
