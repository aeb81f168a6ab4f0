"""The connector contract passes a good connector, and catches each flaw that it is there for."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fakes.contract_lms import KNOWN, PAST, SECRET, SITE, Good, open_for
from pydantic import Field

from coursekeep import (
    CheckStep,
    ConnectorError,
    ConnectorSettings,
    Course,
    Coverage,
    Expected,
    Kind,
    RawPage,
    Record,
    RemoteFile,
    Term,
)
from coursekeep.testing import ConnectorContract, Export, collect


def says(*captured: Kind) -> type[Good]:
    """Make a connector that says it captures these kinds, and that the LMS has no others."""
    rest = {kind: "no such thing" for kind in Kind if kind not in captured}

    class Saying(Good):
        coverage = (Coverage(of="Good", captured=dict.fromkeys(captured, ""), not_offered=rest),)

    return Saying


class TestGood(ConnectorContract):
    @pytest.fixture
    def connector(self) -> Good:
        return open_for(says(Kind.PEOPLE, Kind.FILES, Kind.PAGES))

    @pytest.fixture
    def known(self):
        return KNOWN


def with_part(*more) -> type[Good]:
    """Make a connector whose export has further parts."""

    class Flawed(Good):
        async def export(self, course):
            async for part in Good.export(self, course):
                yield part
            for part in more:
                yield part

    return Flawed


class OpenSettings(ConnectorSettings):
    api_token: str = Field("", title="Other token", description="Not marked as a secret.")


class BareSettings(ConnectorSettings):
    account: str = ""


class OpenSecret(Good):
    Settings = OpenSettings


class BareSetting(Good):
    Settings = BareSettings


class Talkative(Good):
    def describe(self):
        return {"connector": "good", "token": self.settings.token.get_secret_value()}


class Nameless(Good):
    def describe(self):
        return {"connector": "other"}


class Misnamed(Good):
    name = "Good LMS"


class Fragile(Good):
    async def check(self):
        await self.client.get("/me")
        yield CheckStep(name="address", ok=True)


class Blind(Good):
    async def check(self):
        yield CheckStep(name="address", ok=True)


class Helpless(Good):
    async def check(self):
        async for step in super().check():
            yield replace(step, remedy="")


class Doubled(Good):
    async def terms(self):
        yield Term(id="5", name="Winter")
        yield Term(id="5", name="Winter")


class Eager(Good):
    async def courses(self, query):
        yield Course(id="1", name="Botany", ended=True, ended_at=PAST)
        yield Course(id="2", name="Optics")


class Restless(Eager):
    turn = 0

    async def courses(self, query):
        courses = [course async for course in super().courses(query)]
        self.turn += 1
        for course in courses[:: (-1) ** self.turn]:
            yield course


class Lazy(Eager):
    async def check(self):
        yield CheckStep(name="address", ok=False, detail="somehow", remedy="Try again.")


class Confused(Good):
    async def course(self, course_id):
        course = await super().course(course_id)
        return course and replace(course, ended=False)


class Trusting(Good):
    async def course(self, course_id):
        return Course(id=course_id, name="Botany", ended=True, ended_at=PAST)


class Credulous(Trusting):
    async def export(self, course):
        yield Expected(kind=Kind.PEOPLE, count=0)


class Moody(Good):
    calls = 0

    async def export(self, course):
        self.calls += 1
        async for part in super().export(course):
            yield part
        yield Record(kind=Kind.PAGES, id="9", data={"title": str(self.calls)})


class Clinging(Good):
    async def export(self, course):
        await self.client.governor.acquire()
        async for part in super().export(course):
            yield part


PERSON = Record(kind=Kind.PEOPLE, id="7", data={"name": "Another"})
MISSPELT = Record(kind=Kind.PEOPLE, id="9", data={"nmae": "Person 9"})
DOUBLE_ID = Record(kind=Kind.PEOPLE, id="9", data={"id": "9"})
FRAMEWORK = Record(kind=Kind.FILES, id="9", data={"group": "course", "name": "x"})
SAME_FILE = RemoteFile(group="pages", id="4", name="other.txt", url=f"{SITE}/files/9")
NO_ADDRESS = RemoteFile(group="pages", id="9", name="other.txt", url="/files/9")


@pytest.mark.parametrize(
    ("flawed", "test"),
    [
        (Misnamed, "test_names"),
        (BareSetting, "test_settings_explain_themselves"),
        (OpenSecret, "test_secrets_are_secret"),
        (Talkative, "test_secrets_are_not_told"),
        (Nameless, "test_description"),
        (Doubled, "test_terms"),
        (Restless, "test_courses"),
        (Eager, "test_ended_courses"),
        (Eager, "test_queries_are_obeyed"),
        (Confused, "test_course"),
        (Lazy, "test_check_passes"),
        (Trusting, "test_missing_course"),
        (with_part(PERSON), "test_records_are_valid"),
        (with_part(MISSPELT), "test_records_are_valid"),
        (with_part(DOUBLE_ID), "test_records_are_valid"),
        (with_part(FRAMEWORK), "test_records_are_valid"),
        (with_part(SAME_FILE), "test_files_can_be_asked_for"),
        (with_part(NO_ADDRESS), "test_files_can_be_asked_for"),
        (with_part(RawPage(endpoint="a/b", number=1, body=[])), "test_raw_pages_can_be_kept"),
        (with_part(Expected(kind=Kind.PEOPLE, count=1)), "test_numbers_add_up"),
        (says(Kind.FILES, Kind.PAGES), "test_coverage_is_true"),
        (with_part(Record(kind=Kind.PEOPLE, id="999", data={})), "test_numbers_add_up"),
        (with_part(RawPage(endpoint="a", number=1, body=SECRET)), "test_export_holds_no_secret"),
        (with_part("no part"), "test_records_are_valid"),
        (Moody, "test_export_repeats_itself"),
        (Clinging, "test_cancelled_export_leaves_nothing_open"),
    ],
)
def test_flaw_is_caught(flawed, test):
    """Each promise of the contract fails for a connector that breaks it."""
    arguments = {"connector": open_for(flawed), "known": KNOWN}
    method = getattr(ConnectorContract(), test)
    wanted = method.__code__.co_varnames[1 : method.__code__.co_argcount]

    with pytest.raises(AssertionError):
        method(**{name: arguments[name] for name in wanted})


@pytest.mark.parametrize(("flawed", "fault"), [(Blind, "unreachable"), (Helpless, "error")])
def test_careless_check_is_caught(flawed, fault):
    """A check that passes whatever happens, or gives no remedy, fails the contract."""
    with pytest.raises(AssertionError):
        ConnectorContract().test_check_tells_what_to_do(open_for(flawed), fault)


def test_raising_check_is_caught():
    """A check that raises instead of yielding a failed step fails the contract."""
    with pytest.raises(ConnectorError):
        ConnectorContract().test_check_tells_what_to_do(open_for(Fragile), "unreachable")


@pytest.mark.parametrize(
    ("flawed", "test"), [(Trusting, "test_forbidden_course"), (Credulous, "test_export_of_a_vanished_course")]
)
def test_missing_error_is_caught(flawed, test):
    """A connector that does not raise where it must fails the contract."""
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        getattr(ConnectorContract(), test)(open_for(flawed), KNOWN)


def test_collect_sorts_what_an_export_gave():
    """`collect` gives the parts by sort, and counts what was captured."""
    import asyncio

    async def main() -> Export:
        async with open_for(Good) as connector:
            course = await connector.course("1")
            assert course is not None
            return await collect(connector, course)

    export = asyncio.run(main())
    assert export.of(Kind.PEOPLE)["7"] == {"name": "Person 7"}
    assert (export.captured(Kind.PEOPLE), export.captured(Kind.FILES), len(export.files)) == (30, 1, 2)
    assert export.kinds() == [Kind.FILES, Kind.PEOPLE]
    assert [gap.id for gap in export.gaps_of(Kind.FILES)] == ["5"]
