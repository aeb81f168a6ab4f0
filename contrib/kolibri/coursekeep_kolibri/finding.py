"""Classes as courses: which there are, which of them a query means, and whether one is missing or withheld."""

from __future__ import annotations

import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any

from coursekeep import Account, Course, CourseQuery, LmsClient, MalformedAnswer, NoAccess, NotFound
from coursekeep_kolibri.ledger import Item
from coursekeep_kolibri.session import Session

__all__ = ["Classes", "described", "is_id"]

_ID = re.compile(r"[0-9a-f]{32}")


def is_id(text: str) -> bool:
    """Tell whether a text has the form of Kolibri's ids."""
    return _ID.fullmatch(text) is not None


def described(item: Item, facility: Account, ended: Sequence[str]) -> Course:
    """Describe a class as a course; it has ended where the operator's patterns say so, at an unknown moment."""
    id_, name = str(item["id"]), str(item["name"])
    over = any(pattern == id_ or _fits(name, pattern) for pattern in ended)
    return Course(id=id_, name=name, account_id=facility.id, account_name=facility.name, ended=over)


def _fits(name: str, pattern: str) -> bool:
    """Tell whether a pattern describes a name; no sign but `*` means anything but itself."""
    described_by = ".*".join(re.escape(part) for part in pattern.casefold().split("*"))
    return re.fullmatch(described_by, name.casefold(), re.DOTALL) is not None


class Classes:
    """Finds the classes that the signed-in user may read."""

    def __init__(self, client: LmsClient, session: Session, ended: Sequence[str]) -> None:
        self._client = client
        self._session = session
        self._ended = ended

    async def facilities(self) -> list[Account]:
        """Return the facilities of the server."""
        answer = await self._client.get("/api/auth/facility/")
        return [Account(id=str(one["id"]), name=str(one["name"])) for one in _objects(answer.body, answer.where)]

    async def facility(self, id_: str) -> Mapping[str, Any]:
        """Return a facility as Kolibri describes it. Raises `NotFound`."""
        answer = await self._client.get(f"/api/auth/facility/{id_}/")
        return _object(answer.body, answer.where)

    async def listed(self, query: CourseQuery) -> AsyncGenerator[Course]:
        """Yield the classes for a query, by id. Raises `NotFound` where its term or facility does not exist."""
        if query.term_ids:
            raise NotFound("Kolibri has no terms; choose classes by id or by name")
        own = await self._session.facility_id()
        known = {one.id: one for one in await self.facilities()}
        facility = known.get(query.account or own)
        if facility is None:
            raise NotFound(f"Kolibri has no facility {query.account or own!r}")
        answer = await self._client.get("/api/auth/classroom/", {"parent": facility.id})
        wanted = (query.text or "").casefold()
        for item in sorted(_objects(answer.body, answer.where), key=lambda item: str(item["id"])):
            course = described(item, facility, self._ended)
            if wanted in course.name.casefold() and query.end_fits(course):
                yield course

    async def one(self, id_: str) -> Course:
        """Return the description of a class. Raises as `item`."""
        item = await self.item(id_)
        try:
            facility = await self.facility(str(item["parent"]))
        except NotFound as error:  # not the class, and so nothing that says that the class is missing
            raise MalformedAnswer("Kolibri names no facility for the class", where=error.where) from error
        return described(item, Account(id=str(facility["id"]), name=str(facility["name"])), self._ended)

    async def item(self, id_: str) -> Item:
        """Return a class as Kolibri gives it. Raises `NotFound`, and `NoAccess` where it may not be read."""
        where = f"class {id_}"
        if not is_id(id_):
            raise NotFound("ids of Kolibri's classes have 32 signs of 0-9 and a-f", where=where)
        try:
            answer = await self._client.get(f"/api/auth/classroom/{id_}/")
        except NotFound:
            if await self._exists(id_):
                raise NoAccess(
                    "Kolibri knows this id, but the user may not read it; make the user a coach of its facility",
                    where=where,
                ) from None
            raise
        return _object(answer.body, answer.where)

    async def _exists(self, id_: str) -> bool:
        """Tell whether a class or group has this id.

        Kolibri answers 404 for what may not be read as for what is not there. A list that is filtered by an id tells
        them apart: it refuses one that is no facility's, class's or group's.
        """
        try:
            await self._client.get("/api/auth/facilityuser/", {"member_of": id_, "page_size": 1})
        except MalformedAnswer as error:
            if error.status == 400:
                return False
            raise
        return not await self._is_read_as("facility", id_) and not await self._is_read_as("learnergroup", id_)

    async def _is_read_as(self, sort: str, id_: str) -> bool:
        try:
            await self._client.get(f"/api/auth/{sort}/{id_}/")
        except NotFound:
            return False
        return True


def _object(body: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(body, dict) or "id" not in body or "name" not in body:
        raise MalformedAnswer("the answer is no object with id and name", where=where)
    return body


def _objects(body: Any, where: str) -> list[Mapping[str, Any]]:
    if not isinstance(body, list):
        raise MalformedAnswer("the answer is no list", where=where)
    return [_object(item, where) for item in body]
