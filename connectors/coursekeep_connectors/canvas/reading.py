"""What the areas of a course's export share: the course's address, what was seen so far, counting, and guards.

An area is an asynchronous generator of parts. It reads lists through `Reading.pages`, which also hands out Canvas's
answer for `native/api`, maps items through `Reading.mapped`, and is run under `Reading.guarded`, which turns what the
LMS denies or garbles into gaps. Memory holds ids, never contents.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from coursekeep import (
    Course,
    Gap,
    Kind,
    LmsClient,
    MalformedAnswer,
    NoAccess,
    NotFound,
    Part,
    RawPage,
    Record,
    RetryPolicy,
    Unavailable,
)
from coursekeep.tally import Parts, Tally, id_of, reason_of
from coursekeep_connectors.canvas.settings import CanvasSettings
from coursekeep_connectors.canvas.values import Json, text

__all__ = ["MOST", "Mapper", "Params", "Parts", "Reading", "Space"]

#: page size to ask for; Canvas clamps it to its own maximum
MOST = ("per_page", "100")

Params = Sequence[tuple[str, str]]
Mapper = Callable[[Json], Record]


@dataclass(frozen=True, kw_only=True, slots=True)
class Space:
    """Where files, pages and discussions live: the course itself, or one of its groups."""

    base: str
    #: id of the group; None for the course
    group_id: str | None = None

    def endpoint(self, name: str) -> str:
        """Name a raw answer after its space."""
        return name if self.group_id is None else f"group_{name}"


class Reading(Tally):
    """One export of one course in progress."""

    def __init__(self, client: LmsClient, course: Course, settings: CanvasSettings, retry: RetryPolicy) -> None:
        super().__init__()
        self.client = client
        self.course = course
        self.settings = settings
        self.retry = retry
        self.base = f"/api/v1/courses/{course.id}"
        self.space = Space(base=self.base)
        #: at most this many requests of one course at once
        self.width = min(4, settings.max_concurrency)
        self.people: set[str] = set()
        self.students: set[str] = set()
        self.files: set[str] = set()
        self.topics: set[str] = set()
        #: page ids by slug, for module items, which know only the slug
        self.page_ids: dict[str, str] = {}
        #: people met in other places than the list of users, with what was said about them there
        self.referred: dict[str, Json] = {}

    # -- counting

    def refer(self, person_id: object, **said: object) -> None:
        """Note that a person has to do with the course; the first that says a name is kept."""
        found = text(person_id)
        if not found or found in self.people or not found.isascii() or not found.replace("~", "").isdigit():
            return
        known = self.referred.setdefault(found, {})
        for key, value in said.items():
            if value is not None and known.get(key) is None:
                known[key] = value

    # -- reading

    async def pages(
        self,
        url: str,
        params: Params = (),
        *,
        endpoint: str,
        key: str | None = None,
        of: str | None = None,
        once: bool = True,
    ) -> AsyncGenerator[tuple[RawPage, list[Json]], None]:
        """Read a list page by page; items that come again, because data moved while paging, are left out if `once`."""
        seen: set[str] = set()
        async for page in self.client.pages(url, [MOST, *params], key=key):
            items = [item for item in page.items if isinstance(item, dict)]
            if len(items) != len(page.items):
                raise MalformedAnswer("a list of Canvas's holds something other than objects", where=f"GET {url}")
            if once:
                items = [item for item in items if _fresh(item, seen)]
            yield self.raw(endpoint, items, of=None if of is None else f"{of}-{page.number}"), items

    async def get(self, url: str, params: Params = ()) -> Json:
        """Read one object."""
        body = (await self.client.get(url, params)).body
        if not isinstance(body, dict):
            raise MalformedAnswer("an object was expected", where=f"GET {url}")
        return body

    # -- mapping

    def mapped(self, kind: Kind, item: Json, mapper: Mapper, *, basis: str = "listed") -> Iterator[Part]:
        """Map one object to its record, or to a gap where it makes no sense; counts it as expected."""
        yield self.record_or_gap(kind, item, mapper, basis=basis)

    async def listed(
        self, kind: Kind, url: str, mapper: Mapper, *, endpoint: str, params: Params = (), key: str | None = None
    ) -> Parts:
        """Read a list whose items each make one record."""
        self.expect(kind, 0)
        async for raw, items in self.pages(url, params, endpoint=endpoint, key=key):
            yield raw
            for item in items:
                for part in self.mapped(kind, item, mapper):
                    yield part

    # -- guards

    async def guarded(
        self, parts: Parts, *kinds: Kind, of: str | None = None, count: int | None = None, listing: bool = False
    ) -> Parts:
        """Yield the parts; what the LMS denies, lacks or garbles becomes one gap per kind, and the rest goes on.

        With `of` the guard is for one object (or, with `listing`, for a list of that object's), else for a list of
        the course's. A list that is switched off is empty, not a gap. Credentials and outages are not caught.
        """
        try:
            async with aclosing(parts) as stream:
                async for part in stream:
                    yield part
        except (Unavailable, NoAccess, NotFound, MalformedAnswer) as error:
            if isinstance(error, Unavailable) and (listing or of is None):
                for kind in kinds:
                    self.expect(kind, 0, "switched off in the course")
                return
            if isinstance(error, NotFound) and of is None:
                await self.confirm()
            reason = reason_of(error)
            for kind in kinds:
                yield Gap(kind=kind, reason=reason, id=of, detail=str(error), count=count)

    async def confirm(self) -> None:
        """Make sure that the course is still there; raises `NotFound` where it vanished during the export."""
        try:
            await self.client.get(self.base)
        except NotFound as error:
            raise NotFound("the course vanished while it was being read", where=error.where, status=404) from error
        except (NoAccess, MalformedAnswer):
            return


def _fresh(item: Mapping[str, Any], seen: set[str]) -> bool:
    key = id_of(item)
    if key is None:
        return True
    if key in seen:
        return False
    seen.add(key)
    return True
