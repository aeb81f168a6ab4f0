"""The OneRoster connector."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

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
    RetryPolicy,
    SettingsModel,
    Term,
    Unavailable,
)
from coursekeep_connectors.oneroster.calendar import (
    Calendar,
    Directory,
    account_of,
    course_of,
    session_of,
    taken,
)
from coursekeep_connectors.oneroster.check import check_oneroster
from coursekeep_connectors.oneroster.client import make_service_client
from coursekeep_connectors.oneroster.coverage import COVERAGE
from coursekeep_connectors.oneroster.export import read_class
from coursekeep_connectors.oneroster.roster import Collection, Roster
from coursekeep_connectors.oneroster.secrets import REDACTIONS
from coursekeep_connectors.oneroster.service import ServiceSource
from coursekeep_connectors.oneroster.settings import OneRosterSettings
from coursekeep_connectors.oneroster.tables import CsvSource

__all__ = ["OneRosterConnector"]

#: seconds for which the sessions and organisations of a service are remembered, so that a thousand courses are not
#: described with a thousand readings of them
_REMEMBERED = 120.0


class OneRosterConnector(Connector[OneRosterSettings]):
    """Reads classes, their people and their grades out of OneRoster 1.1 and 1.2: a service, or CSV files."""

    name: ClassVar[str] = "oneroster"
    title: ClassVar[str] = "OneRoster"
    Settings: ClassVar[type[SettingsModel]] = OneRosterSettings
    redactions: ClassVar[tuple[Redaction, ...]] = REDACTIONS
    coverage: ClassVar[tuple[Coverage, ...]] = (COVERAGE,)

    def __init__(
        self,
        settings: OneRosterSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        super().__init__(settings, transport=transport, retry=retry)
        self._zone = ZoneInfo(settings.time_zone)
        self._source: CsvSource | ServiceSource
        if settings.path is not None:
            self._source = CsvSource(settings.path, settings)
        else:
            self._source = ServiceSource(self.client, settings)
        self._directory: tuple[Roster, float, Directory] | None = None

    def make_client(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> LmsClient | None:
        """Make a client for a service; none for files."""
        if self.settings.base_url is None:
            return None
        return make_service_client(self.settings, transport=transport, retry=retry)

    def describe(self) -> dict[str, Any]:
        """Return the connector, and the service's address or the files' place."""
        settings = self.settings
        place = settings.base_url if settings.path is None else settings.path.absolute().as_uri()
        return {"connector": self.name, "base_url": place}

    async def check(self) -> AsyncGenerator[CheckStep]:
        """Yield the steps from address, or files, to grades."""
        async for step in check_oneroster(self._source, self.settings):
            yield step

    async def terms(self) -> AsyncGenerator[Term]:
        """Yield the academic sessions, without those to be deleted."""
        for term in (await self._calendar(await self._source.roster())).terms():
            yield term

    async def accounts(self) -> AsyncGenerator[Account]:
        """Yield the organisations: schools, their departments, the district."""
        for account in (await self._orgs(await self._source.roster())).values():
            yield account

    async def courses(self, query: CourseQuery) -> AsyncGenerator[Course]:
        """Yield the classes in the order of the source. A term takes the classes of all terms within it.

        Every condition is judged here: what services make of filters differs too much to rely on them.
        """
        roster = await self._source.roster()
        directory = await self._described(roster)
        if query.account is not None and not directory.orgs:
            await self._orgs(roster)  # raises what kept them from being read: a query that cannot be judged is not run
        directory.known(query)
        now = datetime.now(UTC)
        async with aclosing(roster.all(Collection.CLASSES)) as classes:
            async for item in classes:
                course = course_of(item, directory, now)
                if taken(course, item, query, directory):
                    yield course

    async def course(self, course_id: str) -> Course | None:
        """Return one class by its sourcedId; `sis:ID` means the same id."""
        roster = await self._source.roster()
        for id_ in dict.fromkeys((course_id, course_id.removeprefix("sis:"))):
            try:
                item = await roster.one(Collection.CLASSES, id_)
            except NotFound:
                continue
            return course_of(item, await self._described(roster), datetime.now(UTC))
        return None

    async def export(self, course: Course) -> AsyncGenerator[Part]:
        """Yield everything that the source knows of the class."""
        roster = await self._source.roster()
        item = await roster.one(Collection.CLASSES, course.id)
        async with aclosing(read_class(roster, item, self.settings)) as parts:
            async for part in parts:
                yield part

    async def _described(self, roster: Roster) -> Directory:
        """Return what courses are described with, read again after a while."""
        if self._directory is not None:
            known, read_at, directory = self._directory
            if known is roster and time.monotonic() - read_at < _REMEMBERED:
                return directory
        calendar = await self._calendar(roster)
        try:
            orgs = await self._orgs(roster)
        except (NoAccess, NotFound, Unavailable, MalformedAnswer):
            orgs = {}  # courses can be told without the names of their schools
        directory = Directory(calendar=calendar, orgs=orgs)
        self._directory = (roster, time.monotonic(), directory)
        return directory

    async def _calendar(self, roster: Roster) -> Calendar:
        async with aclosing(roster.all(Collection.SESSIONS)) as items:
            return Calendar([session_of(item, self._zone) async for item in items])

    async def _orgs(self, roster: Roster) -> dict[str, Account]:
        async with aclosing(roster.all(Collection.ORGS)) as items:
            accounts = [account_of(item) async for item in items]
        return {account.id: account for account in accounts}
