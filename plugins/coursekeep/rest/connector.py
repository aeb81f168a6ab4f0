"""A connector that is mostly declaration: what an LMS has, and where."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import Any, ClassVar, TypeVar
from zoneinfo import ZoneInfo

import httpx
from pydantic import SecretStr

from coursekeep.connector import Connector, HttpSettings
from coursekeep.dialect import Dialect
from coursekeep.http import LmsClient
from coursekeep.records import CheckStep, Course, CourseQuery, Gap, GapReason, Part, Term
from coursekeep.rest.auth import Auth, BearerAuth
from coursekeep.rest.catalogue import Catalogue
from coursekeep.rest.check import Check
from coursekeep.rest.declared import check_declaration
from coursekeep.rest.export import Export
from coursekeep.rest.listing import Courses, Terms
from coursekeep.rest.lists import Lists
from coursekeep.rest.mapping import mapper_for
from coursekeep.rest.paging import LinkHeader, Paging
from coursekeep.rest.places import look, steps
from coursekeep.rest.streams import Endpoint, Unread
from coursekeep.retry import RetryPolicy

__all__ = ["RestConnector"]

#: lists of one course that are asked for at once
_WIDTH = 4

H = TypeVar("H", bound=HttpSettings)


class RestConnector(Connector[H]):
    """Base of connectors that declare what their LMS has.

    Subclass it with its settings, `class Slate(RestConnector[ConnectorSettings])`, and give the declarations below.
    A declaration that cannot be meant so raises `DeclarationError` where the class is written. Every method may be
    overridden where declaration is not enough.
    """

    #: how the LMS is told who asks
    auth: ClassVar[Auth] = BearerAuth()
    #: how its lists are paged
    paging: ClassVar[Paging] = LinkHeader()
    #: path of something small that any good credentials may read; the check asks for it first
    probe: ClassVar[str | None] = None
    #: zone of times that name none, such as `Europe/Berlin`; without it such times are refused
    time_zone: ClassVar[str | None] = None
    term_list: ClassVar[Terms | None] = None
    course_list: ClassVar[Courses]
    #: parents before what belongs to them
    streams: ClassVar[Sequence[Endpoint]] = ()
    #: what the LMS has and the connector does not read
    unread: ClassVar[Sequence[Unread]] = ()

    def __init_subclass__(cls, *, abstract: bool = False, **keywords: Any) -> None:
        """Check the declarations, unless the class is a base of others. Raises `DeclarationError`."""
        super().__init_subclass__(**keywords)
        if not abstract:
            check_declaration(cls)

    def __init__(
        self,
        settings: H,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        super().__init__(settings, transport=transport, retry=retry)
        self._zone = None if self.time_zone is None else ZoneInfo(self.time_zone)
        named = _named(settings)
        self._lists = Lists(self.client, self.paging, named)
        self._catalogue = Catalogue(
            self.client,
            terms=self.term_list,
            courses=self.course_list,
            paging=self.paging,
            settings=named,
            zone=self._zone,
        )

    def dialect(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> Dialect:
        """Make what authenticates, and judges errors. Override it where the LMS errs in a way of its own."""
        return self.auth.dialect(self.settings, retry=retry, transport=transport)

    def make_client(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> LmsClient:
        """Make the client that the settings and `dialect` describe."""
        dialect = self.dialect(transport=transport, retry=retry)
        # Set on the object: a wrapper would hide what else a dialect may be, such as one that renews credentials.
        dialect.next_page = self._next_page  # type: ignore[method-assign]
        return LmsClient.for_settings(self.settings, dialect, retry=retry, transport=transport)

    def _next_page(self, response: httpx.Response, body: Any) -> str | None:
        """Page as declared also where the client is asked by hand: whatever list of those declared the answer holds."""
        declared = (self.term_list, self.course_list, *self.streams)
        keys = [() if each.key is None else steps(each.key) for each in declared if each is not None]
        found = (look(body, key) for key in ((), *keys))
        items = next((each for each in found if isinstance(each, list)), None)
        return None if items is None else self.paging.following(response, body, items)

    async def check(self) -> AsyncGenerator[CheckStep]:
        """Yield a step for address and credentials, terms, courses, and each stream."""
        base_url = self.settings.base_url
        check = Check(
            self.client,
            probe=self.probe,
            catalogue=self._catalogue,
            lists=self._lists,
            streams=self.streams,
            mappers={stream.name: mapper_for(stream, self._zone, base_url) for stream in self.streams},
        )
        async with aclosing(check.steps()) as steps:
            async for step in steps:
                yield step

    async def terms(self) -> AsyncGenerator[Term]:
        """Yield the terms of `term_list`."""
        async with aclosing(self._catalogue.terms()) as terms:
            async for term in terms:
                yield term

    async def courses(self, query: CourseQuery) -> AsyncGenerator[Course]:
        """Yield the courses of `course_list` that meet a query."""
        async with aclosing(self._catalogue.courses(query)) as courses:
            async for course in courses:
                yield course

    async def course(self, course_id: str) -> Course | None:
        """Return one course by its id, or by its SIS id with `sis:`."""
        return await self._catalogue.course(course_id)

    async def export(self, course: Course) -> AsyncGenerator[Part]:
        """Yield what the streams give, one after another, and what is not read."""
        export = Export(
            course,
            self.streams,
            catalogue=self._catalogue,
            lists=self._lists,
            zone=self._zone,
            base_url=self.settings.base_url,
            width=min(_WIDTH, self.settings.max_concurrency),
        )
        async with aclosing(export.parts()) as parts:
            async for part in parts:
                yield part
        for left_out in self.unread:
            yield Gap(kind=left_out.kind, reason=GapReason.NOT_READ, detail=left_out.what, count=None)


def _named(settings: HttpSettings) -> dict[str, str]:
    """Return the settings by their names in templates; secrets have no place in an address."""
    values = {name: getattr(settings, name) for name in type(settings).model_fields}
    return {f"settings.{name}": _text(value) for name, value in values.items() if not isinstance(value, SecretStr)}


def _text(value: object) -> str:
    """Return a setting as it stands in an address; what is not set is empty, and no part of a path."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
