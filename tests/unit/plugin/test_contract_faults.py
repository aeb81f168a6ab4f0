"""The contract catches connectors that lose, invent or tell something when their LMS misbehaves."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Any, ClassVar

import httpx
import pytest
from fakes.contract_lms import KNOWN, SITE, Good, open_for
from pydantic import ConfigDict, Field
from pydantic.errors import PydanticInvalidForJsonSchema

from coursekeep import (
    NO_RETRY,
    BearerDialect,
    ConnectorError,
    ConnectorSettings,
    Course,
    CredentialsNeeded,
    Download,
    Expected,
    ForeignHost,
    Gap,
    GapReason,
    Kind,
    LmsClient,
    MalformedAnswer,
    NoAccess,
    NotFound,
    Record,
    RetryLater,
    RetryPolicy,
    standard_error,
)
from coursekeep.testing import ConnectorContract, Fault
from coursekeep.testing.names import _IDS

BROKEN = (AssertionError, pytest.fail.Exception, ConnectorError, PydanticInvalidForJsonSchema)


class Loose(Good):
    class Settings(ConnectorSettings):
        model_config = ConfigDict(extra="ignore", frozen=True)


class Formless(Good):
    class Settings(ConnectorSettings):
        hook: Callable[[], None] | None = Field(None, title="Hook", description="No form can ask for it.")


class Forgetful(Good):
    async def courses(self, query):
        with suppress(ConnectorError):
            async for course in super().courses(query):
                yield course


class Dismissive(Good):
    async def course(self, course_id):
        with suppress(ConnectorError):
            return await super().course(course_id)
        return None


class Stubborn(Good):
    """Makes a gap of everything."""

    async def export(self, course):
        try:
            async for part in super().export(course):
                yield part
        except ConnectorError as error:
            yield Expected(kind=Kind.PEOPLE, count=1)
            yield Gap(kind=Kind.PEOPLE, reason=GapReason.UNEXPLAINED, detail=str(error), count=None)


class Silent(Good):
    """Ends where it meets an error."""

    async def export(self, course):
        with suppress(NoAccess, MalformedAnswer, NotFound, RetryLater):
            async for part in super().export(course):
                if not isinstance(part, Gap | Expected):
                    yield part
        yield Expected(kind=Kind.FILES, count=0)


class Fickle(Good):
    """Asks something else each time, so that no fault can be put at a place."""

    async def export(self, course):
        await self.client.get(f"/courses/{course.id}", {"now": time.monotonic_ns()})
        yield Expected(kind=Kind.FILES, count=0)


class Misleading(Good):
    async def export(self, course):
        try:
            async for part in super().export(course):
                if isinstance(part, Gap) and part.count is None:
                    raise NotFound("somehow gone")
                yield part
        except RetryLater as error:
            raise CredentialsNeeded("a new token might help") from error


class Astray(Good):
    async def export(self, course):
        await self.client.get(f"/courses/{course.id}")
        try:
            await self.client.get("/me")
            yield Record(kind=Kind.SECTIONS, id="1", data={"name": "Morning"})
        except NoAccess as error:
            yield Gap(kind=Kind.PAGES, reason=GapReason.NO_ACCESS, detail=str(error), count=None)


class FirstPage(Good):
    async def export(self, course):
        body = (await self.client.get(f"/courses/{course.id}/people")).body
        for item in body:
            yield self.person(item)


class PageAtATime(Good):
    """Pages by itself, and ends in silence where a page cannot be read or comes again."""

    async def export(self, course):
        url, seen = f"{SITE}/courses/{course.id}/people", set()
        while url:
            try:
                answer = await self.client.get(url)
            except ConnectorError:
                return
            if str(answer.body) in seen:
                return
            seen.add(str(answer.body))
            for item in answer.body:
                yield self.person(item)
            url = httpx.Response(200, headers=answer.headers).links.get("next", {}).get("url")


class Impatient(Good):
    def make_client(self, **options: Any) -> LmsClient:
        return super().make_client(**{**options, "retry": NO_RETRY})


class Insistent(Good):
    def make_client(self, **options: Any) -> LmsClient:
        return super().make_client(**{**options, "retry": RetryPolicy(attempts=4, wait=0.0, longest=0.0)})


class Hasty(Good):
    """Takes no notice of Retry-After."""

    def make_client(self, **options: Any) -> LmsClient:
        class Dialect(BearerDialect):
            def error(self, response, where):
                if response.status_code == 429:
                    return RetryLater("later", throttled=True)
                return standard_error(response, where)

        return LmsClient.for_settings(self.settings, Dialect(self.settings.token), **options)


class Greedy(Good):
    async def export(self, course):
        async def ask() -> None:
            answer = await self.client.transport.handle_async_request(httpx.Request("GET", f"{SITE}/me"))
            await asyncio.sleep(0)
            await answer.aclose()

        await asyncio.gather(*(ask() for _ in range(9)))
        async for part in super().export(course):
            yield part


class Counting(Good):
    made: ClassVar[int] = 0

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        Counting.made += 1
        self.number = Counting.made

    def person(self, item):
        return Record(kind=Kind.PEOPLE, id=str(item["id"]), data={"name": f"{item['name']}, read by {self.number}"})


class Gossip(Good):
    async def export(self, course):
        try:
            async for part in super().export(course):
                yield part
        except RetryLater as error:
            raise RetryLater(f"it failed with {self.settings.token.get_secret_value()}") from error


class Follower(Good):
    """Follows wherever it is led, token in hand."""

    async def export(self, course):
        try:
            async for part in super().export(course):
                yield part
        except ForeignHost:
            await self._ask("http://elsewhere.invalid/courses")

    @asynccontextmanager
    async def open(self, file):
        await self._ask("http://elsewhere.invalid/file")
        yield Download(chunks=_chunks(b""), size=0, content_type=None, host="elsewhere.invalid")

    async def _ask(self, url: str) -> None:
        headers = self.client.dialect.authorization()
        answer = await self.client.transport.handle_async_request(httpx.Request("GET", url, headers=headers))
        await answer.aclose()


class Careless(Good):
    async def export(self, course):
        await self.client.get("/me", {"key": self.settings.token.get_secret_value()})
        async for part in super().export(course):
            yield part


class Undying(Good):
    async def export(self, course):
        try:
            async for part in super().export(course):
                yield part
        except asyncio.CancelledError:
            return


class Littering(Good):
    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.tasks: list[asyncio.Task[Any]] = []

    async def export(self, course):
        self.tasks.append(asyncio.create_task(asyncio.Event().wait()))
        async for part in super().export(course):
            yield part


class Hoarder(Good):
    async def export(self, course):
        parts = [part async for part in super().export(course)]
        for part in parts:
            yield part


class Holding(Good):
    async def export(self, course):
        held = []
        async for part in super().export(course):
            held.append(part)
            yield part


class Heavy(Good):
    @asynccontextmanager
    async def open(self, file):
        yield Download(chunks=_chunks(bytes(9 * 1024 * 1024)), size=None, content_type=None, host="lms.example")


class Unquoted(Good):
    async def course(self, course_id):
        try:
            item = (await self.client.get(f"/courses/{course_id}")).body
        except (NotFound, MalformedAnswer):
            return None
        return Course(id=item["id"], name=item["name"], ended=True) if isinstance(item, dict) else None


class Tidy(Good):
    def person(self, item):
        return Record(kind=Kind.PEOPLE, id=str(item["id"]), data={"name": item["name"].replace("/", "_")})


class Refusing(Good):
    async def export(self, course):
        async for part in super().export(course):
            hostile = getattr(part, "name", "") == "moss.txt" and course.id == "4"
            yield replace(part, name="..") if hostile else part

    @asynccontextmanager
    async def open(self, file):
        if file.name == "..":
            raise MalformedAnswer("what a name")
        async with super().open(file) as download:
            yield download


async def _chunks(*blocks: bytes):
    for block in blocks:
        yield block


@pytest.mark.parametrize(
    ("flawed", "test", "more"),
    [
        (Loose, "test_unknown_settings_are_refused", {}),
        (Formless, "test_settings_have_a_form", {}),
        (Good, "test_check_of_broken_settings", {"broken": [open_for(Good)]}),
        (Forgetful, "test_no_course_is_overlooked", {"fault": Fault.ERROR}),
        (Dismissive, "test_course_of_a_broken_lms", {"fault": Fault.FORBIDDEN}),
        (Stubborn, "test_token_withdrawn_during_export", {}),
        (Silent, "test_no_fault_is_silent", {"fault": Fault.FORBIDDEN}),
        (Fickle, "test_no_fault_is_silent", {"fault": Fault.ERROR}),
        (Misleading, "test_no_fault_is_silent", {"fault": Fault.FORBIDDEN}),
        (Misleading, "test_no_fault_is_silent", {"fault": Fault.ERROR}),
        (Silent, "test_lasting_fault_is_told", {"fault": Fault.HTML}),
        (Stubborn, "test_outage_is_no_gap", {"fault": Fault.ERROR}),
        (Astray, "test_gaps_name_what_is_missing", {}),
        (FirstPage, "test_every_page_is_asked_for", {}),
        (FirstPage, "test_counts_are_right", {}),
        (PageAtATime, "test_lost_page_is_told", {"fault": Fault.ERROR}),
        (PageAtATime, "test_pages_in_a_circle_end", {}),
        (Impatient, "test_passing_faults_change_nothing", {"fault": Fault.TRUNCATED}),
        (Insistent, "test_retries_follow_the_policy", {}),
        (Hasty, "test_retry_after_is_obeyed", {}),
        (Hasty, "test_throttling_is_no_gap", {}),
        (Stubborn, "test_throttling_is_no_gap", {}),
        (Greedy, "test_limit_of_requests_is_kept", {}),
        (Counting, "test_export_does_not_depend_on_the_process", {}),
        (Gossip, "test_echoes_are_not_told", {}),
        (Follower, "test_secrets_go_to_no_other_host", {}),
        (Follower, "test_files_elsewhere_get_no_secret", {}),
        (Careless, "test_addresses_hold_no_secret", {}),
        (Undying, "test_cancelled_at_any_request", {}),
        (Littering, "test_cancelled_at_any_request", {}),
        (Littering, "test_left_export_stops", {}),
        (Hoarder, "test_first_part_comes_early", {}),
        (Hoarder, "test_parts_are_made_when_needed", {}),
        (Holding, "test_parts_are_made_when_needed", {}),
        (Heavy, "test_files_come_in_blocks", {}),
        (Unquoted, "test_hostile_ids_find_nothing", {"id_": "{}?x=1"}),
        (Tidy, "test_hostile_names_are_data", {}),
        (Refusing, "test_hostile_files_can_be_opened", {}),
    ],
)
def test_flaw_is_caught(flawed, test, more):
    """Each promise fails for a connector that breaks it, and holds for the good one."""
    with pytest.raises(BROKEN):
        _hold(flawed, test, more)
    if not more.get("broken"):
        _hold(Good, test, more)


def _hold(kind, test, more):
    arguments = {"connector": open_for(kind), "known": KNOWN, "broken": [], **more}
    method = getattr(ConnectorContract(), test)
    wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]
    try:
        method(**{name: arguments[name] for name in wanted})
    except pytest.skip.Exception as error:
        raise RuntimeError(f"{test} was not asked of {kind.__name__}: {error}") from error


def test_hostile_ids_are_many():
    """The ids that are tried escape paths, queries, fragments and encodings, and are of any length."""
    assert {"..", "", "{}?x=1", "{}#x", "%2e%2e/{}"} <= set(_IDS)
