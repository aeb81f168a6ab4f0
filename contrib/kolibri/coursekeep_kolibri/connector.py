"""The Kolibri connector."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import ClassVar

import httpx

from coursekeep import (
    Account,
    CheckStep,
    Connector,
    Course,
    CourseQuery,
    Coverage,
    LmsClient,
    NotFound,
    Part,
    Redaction,
    RetryPolicy,
    SettingsModel,
    Term,
)
from coursekeep_kolibri.check import check_kolibri
from coursekeep_kolibri.client import make_kolibri_client
from coursekeep_kolibri.coverage import COVERAGE
from coursekeep_kolibri.export import read_class
from coursekeep_kolibri.finding import Classes
from coursekeep_kolibri.reading import Reading
from coursekeep_kolibri.session import Session
from coursekeep_kolibri.settings import KolibriSettings
from coursekeep_kolibri.summary import ClassSummaries

__all__ = ["KolibriConnector"]

REDACTIONS = (
    Redaction(
        name="kolibri_sign_in",
        reason="Pictures that learners sign in with and the PIN of a device open Kolibri to whoever reads them.",
        keys=frozenset({"picture_password", "pin_code"}),
    ),
)


class KolibriConnector(Connector[KolibriSettings]):
    """Reads classes, their people, lessons, quizzes and logs out of Kolibri."""

    name: ClassVar[str] = "kolibri"
    title: ClassVar[str] = "Kolibri"
    Settings: ClassVar[type[SettingsModel]] = KolibriSettings
    redactions: ClassVar[tuple[Redaction, ...]] = REDACTIONS
    coverage: ClassVar[tuple[Coverage, ...]] = (COVERAGE,)

    def make_client(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> LmsClient:
        """Make the client, with a session that it signs in for when it first asks."""
        self._session = Session(self.settings, transport=transport, retry=retry)
        client = make_kolibri_client(self.settings, self._session, transport=transport, retry=retry)
        self._summaries = ClassSummaries(client)
        return client

    @property
    def _classes(self) -> Classes:
        return Classes(self.client, self._session, self.settings.ended_classes)

    async def check(self) -> AsyncGenerator[CheckStep]:
        """Yield the steps from address to the logs of a class."""
        async for step in check_kolibri(self._session, self._classes, self._summaries):
            yield step

    async def terms(self) -> AsyncGenerator[Term]:
        """Yield nothing: Kolibri has no terms."""
        nothing: tuple[Term, ...] = ()
        for term in nothing:
            yield term

    async def accounts(self) -> AsyncGenerator[Account]:
        """Yield the facilities."""
        for facility in await self._classes.facilities():
            yield facility

    async def courses(self, query: CourseQuery) -> AsyncGenerator[Course]:
        """Yield the classes of the facility that the user may read, by id."""
        async with aclosing(self._classes.listed(query)) as courses:
            async for course in courses:
                yield course

    async def course(self, course_id: str) -> Course | None:
        """Return one class by its id; Kolibri has no other."""
        try:
            return await self._classes.one(course_id)
        except NotFound:
            return None

    async def export(self, course: Course) -> AsyncGenerator[Part]:
        """Yield everything that the user may read of the class."""
        reading = Reading(self.client, await self._classes.item(course.id), self.settings)
        async with aclosing(read_class(reading, self._summaries)) as parts:
            async for part in parts:
                yield part
        # Kolibri leaves out what may not be read, without a word. Where the class can still be read, so could it all
        # along; where it cannot, this raises, and nobody takes the rest for all there is.
        await self._classes.item(course.id)
