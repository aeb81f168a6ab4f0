"""A OneRoster service as a roster, of version 1.1 or 1.2."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from coursekeep import ConnectorError, LmsClient, MalformedAnswer, NoAccess, NotFound, Unavailable, segment
from coursekeep_connectors.oneroster.client import total_of
from coursekeep_connectors.oneroster.roster import Batch, Collection, Item, Missing, Roster
from coursekeep_connectors.oneroster.settings import OneRosterSettings, Version
from coursekeep_connectors.oneroster.values import Json, ref, text

__all__ = ["ServiceRoster", "ServiceSource", "base_of"]

_BASES: Mapping[Version, tuple[str, str]] = {
    Version.V1_2: ("/ims/oneroster/rostering/v1p2", "/ims/oneroster/gradebook/v1p2"),
    Version.V1_1: ("/ims/oneroster/v1p1", "/ims/oneroster/v1p1"),
}
_GRADEBOOK = frozenset({Collection.CATEGORIES, Collection.LINE_ITEMS, Collection.RESULTS, Collection.SCORE_SCALES})
#: how one object is wrapped
_ONE: Mapping[Collection, str] = {
    Collection.SESSIONS: "academicSession",
    Collection.ORGS: "org",
    Collection.COURSES: "course",
    Collection.CLASSES: "class",
    Collection.USERS: "user",
    Collection.DEMOGRAPHICS: "demographics",
    Collection.CATEGORIES: "category",
}
_DENIED = (NoAccess, NotFound, MalformedAnswer, Unavailable)

Belongs = Callable[[Json], bool]


def base_of(version: Version, collection: Collection) -> str:
    """Return where a collection lies in a version."""
    return _BASES[version][1 if collection in _GRADEBOOK else 0]


class ServiceSource:
    """The service, its version found out once."""

    def __init__(self, client: LmsClient, settings: OneRosterSettings) -> None:
        self.client = client
        self._settings = settings
        self._lock = asyncio.Lock()
        self._roster: ServiceRoster | None = None

    async def roster(self) -> ServiceRoster:
        """Return the service in its version.

        Raises `MalformedAnswer` where no version answers; else as `LmsClient.get`.
        """
        async with self._lock:
            if self._roster is None:
                version = await self._version()
                self._roster = ServiceRoster(self.client, version, self._settings.page_size)
            return self._roster

    async def _version(self) -> Version:
        wanted = self._settings.version
        candidates = (Version.V1_2, Version.V1_1) if wanted is Version.AUTO else (wanted,)
        refused: list[ConnectorError] = []
        for version in candidates:
            url = f"{base_of(version, Collection.SESSIONS)}/{Collection.SESSIONS}"
            try:
                body = (await self.client.get(url, {"limit": "1"})).body
            except _DENIED as error:
                refused.append(error)
                continue
            if isinstance(body, dict) and isinstance(body.get(Collection.SESSIONS), list):
                return version
            refused.append(MalformedAnswer("the answer holds no academicSessions", where=f"GET {url}"))
        said = "; ".join(str(error) for error in refused)
        denied = next((error for error in refused if isinstance(error, NoAccess)), None)
        if denied is not None:
            raise NoAccess(f"the credentials may not read academic sessions: {said}")
        raise MalformedAnswer(f"no OneRoster service answers at this address; check base_url and version: {said}")


class ServiceRoster(Roster):
    """The service. Everything is asked for anew; it may change between two answers."""

    def __init__(self, client: LmsClient, version: Version, page_size: int) -> None:
        self._client = client
        self._version = version
        self._page_size = page_size

    @property
    def version(self) -> str:
        return str(self._version)

    def about(self) -> Json | None:
        return None

    async def all(self, collection: Collection) -> AsyncGenerator[Item]:
        async with aclosing(self._list(collection, self._url(collection))) as batches:
            async for batch in batches:
                for item in batch.items:
                    if text(item.body.get("sourcedId")) is None:
                        raise MalformedAnswer("an object of the list has no sourcedId", where=item.where)
                    yield item

    async def one(self, collection: Collection, id_: str) -> Item:
        url = f"{self._url(collection)}/{segment(id_)}"
        answer = await self._client.get(url)
        body = answer.body.get(_ONE[collection]) if isinstance(answer.body, dict) else None
        if not isinstance(body, dict):
            raise MalformedAnswer(f"the answer has no {_ONE[collection]!r}", where=answer.where)
        if text(body.get("sourcedId")) != id_:
            raise MalformedAnswer("the service answered with another object than the one asked for", where=answer.where)
        return Item(body=body, raw=body, where=answer.where)

    async def of_class(
        self, collection: Collection, class_: Json, line_items: Sequence[str] = ()
    ) -> AsyncGenerator[Batch]:
        if collection is Collection.SCORE_SCALES and self._version is Version.V1_1:
            raise Unavailable("OneRoster 1.1 has no score scales")
        nested = self._nested(collection, class_)
        belongs = _belongs(collection, str(class_.get("sourcedId")), frozenset(line_items))
        if nested is not None:
            try:
                async with aclosing(self._list(collection, nested, belongs=belongs, counted=True)) as batches:
                    async for batch in batches:
                        yield batch
            except NotFound:
                # Not every service has the calls below a class; but the class itself may have vanished meanwhile.
                await self.one(Collection.CLASSES, str(class_.get("sourcedId")))
            except Unavailable:
                pass
            else:
                return
        async with aclosing(self._filtered(collection, class_, belongs)) as batches:
            async for batch in batches:
                yield batch

    async def _filtered(self, collection: Collection, class_: Json, belongs: Belongs) -> AsyncGenerator[Batch]:
        """Read the collection itself, by a filter where the service takes one, and choose here in any case."""
        params: list[tuple[str, str]] = []
        class_id = str(class_.get("sourcedId"))
        if collection is not Collection.RESULTS and "'" not in class_id:
            params.append(("filter", f"class.sourcedId='{class_id}'"))
            try:
                await self._client.get(self._url(collection), [*params, ("limit", "1")])
            except NotFound as error:
                raise Unavailable(f"the service has no {collection}", where=error.where) from error
            except MalformedAnswer:
                params.clear()
        try:
            async with aclosing(self._list(collection, self._url(collection), params, belongs=belongs)) as batches:
                async for batch in batches:
                    yield batch
        except NotFound as error:
            raise Unavailable(f"the service has no {collection}", where=error.where) from error

    async def people(self, class_: Json, wanted: Sequence[str]) -> AsyncGenerator[Item | Missing]:
        """Yield the class's students and teachers as the service lists them, then the others one by one."""
        met: set[str] = set()
        place = f"{self._url(Collection.CLASSES)}/{segment(str(class_.get('sourcedId')))}"
        for group in ("students", "teachers"):
            try:
                async with aclosing(self._list(Collection.USERS, f"{place}/{group}")) as batches:
                    async for batch in batches:
                        for item in batch.items:
                            met.add(str(item.body.get("sourcedId")))
                            yield replace(item, of_class=True)
            except _DENIED:
                continue  # whoever is enrolled is asked for below, and missed by name
        for id_ in wanted:
            if id_ in met:
                continue
            try:
                yield await self.one(Collection.USERS, id_)
            except _DENIED as error:
                yield Missing(id=id_, error=error)

    def _url(self, collection: Collection) -> str:
        return f"{base_of(self._version, collection)}/{collection}"

    def _nested(self, collection: Collection, class_: Json) -> str | None:
        """Return the call that lists what belongs to a class; None where there is none."""
        place = f"{base_of(self._version, collection)}/classes/{segment(str(class_.get('sourcedId')))}"
        if collection is not Collection.ENROLLMENTS:
            return f"{place}/{collection}"
        school = ref(class_, "school")
        if school is None:
            return None
        base = base_of(self._version, collection)
        return f"{base}/schools/{segment(school)}{place.removeprefix(base)}/{collection}"

    async def _list(
        self,
        collection: Collection,
        url: str,
        params: Sequence[tuple[str, str]] = (),
        *,
        belongs: Belongs | None = None,
        counted: bool = False,
    ) -> AsyncGenerator[Batch]:
        """Read a list to its end, each id once. A service that gives the same page again is caught."""
        seen: set[str] = set()
        sizes = [("limit", str(self._page_size)), ("offset", "0")]
        where = f"GET {url}"
        async with aclosing(self._client.pages(url, [*params, *sizes], key=str(collection))) as pages:
            async for page in pages:
                fresh = [each for each in map(_object, page.items) if _is_fresh(each, seen)]
                if page.items and not fresh:
                    if len(page.items) != self._page_size:
                        return  # the service takes no notice of offsets, and gave the whole list at once
                    raise MalformedAnswer("the service gives the same page again and again", where=where)
                items = [Item(body=each, raw=each, where=where) for each in fresh if belongs is None or belongs(each)]
                yield Batch(items=items, total=total_of(page.headers) if counted else None)


def _object(value: Any) -> Json:
    if not isinstance(value, dict):
        raise MalformedAnswer("a list of the service holds something other than objects")
    return value


def _is_fresh(item: Json, seen: set[str]) -> bool:
    id_ = item.get("sourcedId")
    if not isinstance(id_, str):
        return True
    if id_ in seen:
        return False
    seen.add(id_)
    return True


def _belongs(collection: Collection, class_id: str, line_items: frozenset[str]) -> Belongs:
    """Tell what belongs to a class. What names no class was listed under it, and is believed."""

    def by_class(item: Json) -> bool:
        return ref(item, "class") in (class_id, None)

    def by_line_item(item: Json) -> bool:
        return ref(item, "lineItem") in line_items or ref(item, "class") == class_id

    return by_line_item if collection is Collection.RESULTS else by_class
