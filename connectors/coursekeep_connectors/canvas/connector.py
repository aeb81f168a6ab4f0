"""The Canvas connector."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, ClassVar
from urllib.parse import quote

import httpx

from coursekeep import (
    Account,
    CheckStep,
    Connector,
    Course,
    CourseQuery,
    Coverage,
    LmsClient,
    MalformedAnswer,
    NoAccess,
    NotFound,
    Part,
    Redaction,
    RemoteFile,
    RetryPolicy,
    SettingsModel,
    Term,
    Unavailable,
)
from coursekeep_connectors.canvas.check import check_canvas
from coursekeep_connectors.canvas.client import make_canvas_client
from coursekeep_connectors.canvas.courses import (
    account_of,
    address_of,
    course_of,
    is_stub,
    nameless,
    student_ends,
    taken,
    term_of,
)
from coursekeep_connectors.canvas.coverage import COVERAGE
from coursekeep_connectors.canvas.export import read_course
from coursekeep_connectors.canvas.files import auth_of
from coursekeep_connectors.canvas.reading import MOST, Reading
from coursekeep_connectors.canvas.redactions import REDACTIONS
from coursekeep_connectors.canvas.settings import CanvasSettings
from coursekeep_connectors.canvas.shell import COURSE_INCLUDES
from coursekeep_connectors.canvas.values import Json, text

__all__ = ["CanvasConnector"]

_LIST_INCLUDES = [("include[]", name) for name in ("term", "concluded", "account")]


class CanvasConnector(Connector[CanvasSettings]):
    """Reads courses out of Canvas LMS, hosted by Instructure or by the institution."""

    name: ClassVar[str] = "canvas"
    title: ClassVar[str] = "Canvas LMS"
    Settings: ClassVar[type[SettingsModel]] = CanvasSettings
    redactions: ClassVar[tuple[Redaction, ...]] = REDACTIONS
    coverage: ClassVar[tuple[Coverage, ...]] = (COVERAGE,)

    def __init__(
        self,
        settings: CanvasSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        self._retry = retry or RetryPolicy()
        super().__init__(settings, transport=transport, retry=self._retry)

    def make_client(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> LmsClient:
        """Make a client that speaks Canvas's dialect."""
        return make_canvas_client(self.settings, transport=transport, retry=retry)

    async def check(self) -> AsyncGenerator[CheckStep, None]:
        """Yield the steps from address to grades."""
        async for step in check_canvas(self.client, self.settings):
            yield step

    async def terms(self) -> AsyncGenerator[Term, None]:
        """Yield the active terms of the root account."""
        async for item in self._terms():
            yield term_of(item)

    async def accounts(self) -> AsyncGenerator[Account, None]:
        """Yield the account of the settings and all below it; not those above, which hold every course anyway."""
        top = account_of((await self.client.get(f"/api/v1/accounts/{quote(self.settings.account, safe=':')}")).body)
        yield top
        url = f"/api/v1/accounts/{quote(top.id)}/sub_accounts"
        async for item in self.client.items(url, [MOST, ("recursive", "true")]):
            yield account_of(item)

    async def courses(self, query: CourseQuery) -> AsyncGenerator[Course, None]:
        """Yield the courses of the account and its sub-accounts, term by term where terms are asked for.

        Whether a course has ended is decided here, course by course. Canvas's own filter ``completed=true`` is not
        even used to shorten the list: it knows a term's end, but not its other end for students, so it could lose
        a course that has ended; and in most accounts nearly all courses have ended anyway.
        """
        params = [MOST, *_LIST_INCLUDES]
        if query.text is not None:
            if len(query.text.strip()) < 2:
                raise ValueError("search for at least 2 characters; Canvas refuses shorter texts")
            params.append(("search_term", query.text.strip()))
        url = f"/api/v1/accounts/{quote(query.account or self.settings.account, safe=':')}/courses"
        now, seen, overrides = datetime.now(UTC), set[str](), None
        for term_id in query.term_ids or (None,):
            term = [] if term_id is None else [("enrollment_term_id", _term_address(term_id))]
            async for item in self.client.items(url, [*params, *term]):
                if overrides is None and isinstance(item, dict) and "concluded" not in item and not is_stub(item):
                    overrides = await self._student_ends()
                course = self._listed(item, now, overrides)
                if course.id not in seen and taken(course, query):
                    seen.add(course.id)
                    yield course

    def _listed(self, item: Any, now: datetime, overrides: Mapping[str, datetime] | None) -> Course:
        """Map one course of a list. One that makes no sense becomes an item that fails, and does not end the list."""
        try:
            return course_of(item, base_url=self.settings.base_url, now=now, overrides=overrides)
        except MalformedAnswer:
            return nameless(item)

    async def course(self, course_id: str) -> Course | None:
        """Return one course by Canvas id, or by SIS id as `sis:...`."""
        address = address_of(course_id)
        if address is None:
            return None
        try:
            item = await self._course(address)
        except NotFound:
            return None
        overrides = await self._student_ends() if "concluded" not in item else None
        return course_of(item, base_url=self.settings.base_url, now=datetime.now(UTC), overrides=overrides)

    async def export(self, course: Course) -> AsyncGenerator[Part, None]:
        """Yield every part of the course."""
        item = await self._course(course.id)
        reading = Reading(self.client, course, self.settings, self._retry)
        async with aclosing(read_course(reading, item)) as parts:
            async for part in parts:
                yield part

    async def refresh_file(self, file: RemoteFile) -> RemoteFile | None:
        """Read the file object again: its address and signature may have expired."""
        if not file.id.isascii() or not file.id.replace("~", "").isdigit():
            return None
        try:
            item = (await self.client.get(f"/api/v1/files/{file.id}")).body
        except (NoAccess, NotFound, Unavailable, MalformedAnswer):
            return None
        url = item.get("url") if isinstance(item, dict) else None
        if not isinstance(url, str) or not url:
            return None
        return replace(file, url=url, auth=auth_of(url, self.settings.base_url))

    async def _course(self, address: str) -> Json:
        """Read a course's own object; raises `NoAccess` where Canvas gives only a stub of it."""
        params = [("include[]", name) for name in COURSE_INCLUDES]
        answer = await self.client.get(f"/api/v1/courses/{address}", params)
        if not isinstance(answer.body, dict):
            raise MalformedAnswer("Canvas's description of the course is no object", where=answer.where)
        item: Json = answer.body
        if is_stub(item):
            detail = "Canvas withholds the course from this token's user because of the dates of an enrolment in it"
            raise NoAccess(f"{detail}; use the token of an account administrator", where=answer.where)
        return item

    async def _terms(self) -> AsyncGenerator[Json, None]:
        params = [MOST, ("workflow_state[]", "active"), ("include[]", "overrides")]
        url = f"/api/v1/accounts/{await self._root()}/terms"
        async for item in self.client.items(url, params, key="enrollment_terms"):
            if not isinstance(item, dict):
                raise MalformedAnswer("Canvas's list of terms holds something other than objects", where=f"GET {url}")
            yield item

    async def _root(self) -> str:
        """Return the root account, the only one that has terms."""
        account: Any = (await self.client.get(f"/api/v1/accounts/{quote(self.settings.account, safe=':')}")).body
        if not isinstance(account, dict):
            raise MalformedAnswer("Canvas's description of the account is no object")
        return text(account.get("root_account_id")) or text(account.get("id")) or self.settings.account

    async def _student_ends(self) -> Mapping[str, datetime]:
        """Return the terms' other ends for students, by term; none where the terms may not be read."""
        ends: dict[str, datetime] = {}
        try:
            async for item in self._terms():
                end = student_ends(item)
                if end is not None:
                    ends[str(item.get("id"))] = end
        except (NoAccess, NotFound):
            return {}
        return ends


def _term_address(term_id: str) -> str:
    return f"sis_term_id:{term_id.removeprefix('sis:')}" if term_id.startswith("sis:") else term_id
