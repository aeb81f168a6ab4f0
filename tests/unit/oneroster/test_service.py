"""OneRoster services that page, filter, refuse and lie in their own ways."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.oneroster_files import district
from fakes.oneroster_server import CLIENT, SECRET, Faults, OneRosterServer
from pydantic import SecretStr

from coursekeep import (
    CheckStep,
    CourseQuery,
    GapReason,
    Kind,
    MalformedAnswer,
    NoAccess,
    RetryPolicy,
)
from coursekeep.testing import Export, collect
from coursekeep_connectors.oneroster import OneRosterConnector, OneRosterSettings

CLASS = "c/1 ä"
TOKEN = "made-up-token-3"
RETRY = RetryPolicy(attempts=3, wait=0.0, longest=0.0)


@pytest.fixture(params=["1.1", "1.2"])
def server(request: pytest.FixtureRequest) -> Iterator[OneRosterServer]:
    with OneRosterServer(district(request.param), request.param, token=TOKEN) as running:
        yield running


def connector(server: OneRosterServer, **settings: Any) -> OneRosterConnector:
    given = {"base_url": server.url, "token": TOKEN, "page_size": 2} | settings
    return OneRosterConnector(OneRosterSettings.model_validate(given), retry=RETRY)


def exported(server: OneRosterServer) -> Export:
    async def main() -> Export:
        async with connector(server) as opened:
            course = await opened.course(CLASS)
            assert course is not None
            return await collect(opened, course)

    return asyncio.run(main())


def classes(server: OneRosterServer, **settings: Any) -> list[str]:
    async def main() -> list[str]:
        async with connector(server, **settings) as opened:
            return [course.id async for course in opened.courses(CourseQuery())]

    return asyncio.run(main())


def steps(server: OneRosterServer, **settings: Any) -> dict[str, CheckStep]:
    async def main() -> dict[str, CheckStep]:
        async with connector(server, **settings) as opened:
            return {step.name: step async for step in opened.check()}

    return asyncio.run(main())


@pytest.mark.parametrize("links", [True, False])
@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize("largest", [1, 2, 100])
def test_lists_are_read_to_their_end(server: OneRosterServer, links: bool, totals: bool, largest: int) -> None:
    """With links, with totals, with neither, and with pages smaller than asked for: every class comes once."""
    server.faults = Faults(links=links, totals=totals, largest=largest)

    assert classes(server) == [CLASS, "c2", "c3"]


def test_a_service_without_pages_gives_its_whole_list(server: OneRosterServer) -> None:
    """A service that takes no notice of offsets, and gave everything at once, is believed."""
    server.faults = Faults(links=False, totals=False, ignores_offset=True)

    assert classes(server, page_size=50) == [CLASS, "c2", "c3"]


def test_a_service_that_repeats_a_full_page_is_refused(server: OneRosterServer) -> None:
    """A page that comes again, as long as was asked for, hides what follows it: that is an error, no end."""
    server.faults = Faults(links=False, totals=False, ignores_offset=True)

    with pytest.raises(MalformedAnswer, match="same page"):
        classes(server, page_size=2)


@pytest.mark.parametrize(
    "absent",
    [
        {"schools/classes/enrollments"},
        {"classes/lineItems", "classes/results"},
        {"classes/students", "classes/teachers"},
    ],
)
@pytest.mark.parametrize("filters", ["taken", "refused", "ignored"])
def test_calls_that_a_service_lacks_are_made_up_for(server: OneRosterServer, absent: set[str], filters: str) -> None:
    """Without the calls below a class, collections are read by filter, or whole, with the same result."""
    whole = exported(server)
    server.faults = Faults(absent=absent, filters=filters)
    without = exported(server)

    assert {kind: without.of(kind) for kind in without.records} == {kind: whole.of(kind) for kind in whole.records}


def test_a_service_without_a_gradebook_offers_no_grades(server: OneRosterServer) -> None:
    """Where the gradebook does not exist, nothing of it is expected, and nothing is a gap."""
    server.faults = Faults(absent={"lineItems", "results", "categories", "scoreScales"})
    export = exported(server)

    assert not {Kind.ASSIGNMENTS, Kind.SUBMISSIONS} & {one.kind for one in export.expected}
    assert {gap.kind for gap in export.gaps} == {Kind.PEOPLE}
    said = steps(server)
    assert said["lineItems"].ok
    assert "not offered" in said["lineItems"].detail


@pytest.mark.parametrize(
    ("collection", "kind"),
    [
        ("enrollments", Kind.ENROLLMENTS),
        ("lineItems", Kind.ASSIGNMENTS),
        ("results", Kind.SUBMISSIONS),
    ],
)
def test_what_may_not_be_read_is_a_gap_and_a_failed_step(server: OneRosterServer, collection: str, kind: Kind) -> None:
    """A refused collection is a gap of its kind, and the check names it and the scope to ask for."""
    server.faults = Faults(forbidden={collection})

    (gap,) = exported(server).gaps_of(kind)
    assert (gap.reason, gap.count) == (GapReason.NO_ACCESS, None)
    step = steps(server)[collection]
    assert not step.ok
    assert "readonly" in step.remedy


def test_organisations_that_may_not_be_read_cost_names_only(server: OneRosterServer) -> None:
    """Classes are listed without the names of their schools; a request for a school's classes is refused."""
    server.faults = Faults(forbidden={"orgs"})

    assert classes(server) == [CLASS, "c2", "c3"]

    async def main(query: CourseQuery | None) -> None:
        async with connector(server) as opened:
            found = opened.accounts() if query is None else opened.courses(query)
            assert not [each async for each in found]

    for query in (None, CourseQuery(account="dist")):
        with pytest.raises(NoAccess):
            asyncio.run(main(query))


def test_one_class_that_makes_no_sense_does_not_end_the_list(server: OneRosterServer) -> None:
    """A class whose title is no text is listed under its id."""
    server.tables["classes"][1] |= {"title": {"en": "Chemistry"}, "classCode": None, "terms": "t24"}

    assert classes(server) == [CLASS, "c2", "c3"]


def test_people_of_the_class_without_enrolments_are_told(server: OneRosterServer) -> None:
    """A student whom the service lists with the class, but gives no enrolment of, is a person and a gap."""
    server.faults = Faults(lost={"e3"})
    export = exported(server)

    assert "u3" in export.of(Kind.PEOPLE)
    (gap,) = export.gaps_of(Kind.ENROLLMENTS)
    assert (gap.reason, gap.count) == (GapReason.UNEXPLAINED, 1)
    assert "u3" in gap.detail


def test_a_total_that_is_not_reached_is_told(server: OneRosterServer) -> None:
    """Where the service counts more than it gives, the difference is expected, and so can be no secret."""
    server.faults = Faults(overclaim=2, links=False)
    export = exported(server)

    wanted = sum(one.count for one in export.expected if one.kind is Kind.ENROLLMENTS)
    assert (wanted, export.captured(Kind.ENROLLMENTS)) == (6, 4)


def test_outages_are_asked_again(server: OneRosterServer) -> None:
    """Answers of 503 and 429 are no answers: the request is repeated."""
    server.faults = Faults(next_statuses=[503, 429])

    assert classes(server) == [CLASS, "c2", "c3"]


def test_ids_are_encoded_in_addresses(server: OneRosterServer) -> None:
    """An id with a slash, a blank and a letter beyond ASCII is one segment of the path."""
    exported(server)

    assert any("/classes/c%2F1%20%C3%A4" in request for request in server.requests)


def test_the_version_is_found_out(server: OneRosterServer) -> None:
    """The check names the version that answers; asking for the other one finds no service."""
    assert server.version in steps(server)["version"].detail

    other = "1.1" if server.version == "1.2" else "1.2"
    (step,) = steps(server, version=other).values()
    assert not step.ok
    assert "base_url and version" in step.detail


def test_tokens_come_from_the_oauth_endpoint_and_are_replaced(server: OneRosterServer) -> None:
    """A whole list is read with one token; one that the service forgets is replaced without an error."""
    server.token = None
    settings = {"token": None, "client_id": CLIENT, "client_secret": SECRET, "oauth_url": f"{server.url}/token"}

    assert classes(server, **settings) == [CLASS, "c2", "c3"]
    assert len(server.grants) == 1
    assert "roster-core.readonly" in server.grants[0]["scope"]

    async def main() -> list[str]:
        async with connector(server, **settings) as opened:
            assert await opened.course("c2")
            server.faults.revoked.add(server.tokens[-1])
            return [course.id async for course in opened.courses(CourseQuery())]

    assert asyncio.run(main()) == [CLASS, "c2", "c3"]
    assert len(server.grants) == 3


@pytest.mark.parametrize(
    ("settings", "step", "said"),
    [
        ({"token": "wrong"}, "credentials", "does not accept"),
        (
            {"token": None, "client_id": "x", "client_secret": SecretStr("y"), "oauth_url": "{url}/token"},
            "credentials",
            "invalid_client",
        ),
        (
            {"token": None, "client_id": "x", "client_secret": SecretStr("y"), "oauth_url": "{url}/nowhere"},
            "credentials",
            "token endpoint",
        ),
    ],
)
def test_the_check_tells_wrong_credentials(
    server: OneRosterServer, settings: dict[str, Any], step: str, said: str
) -> None:
    """A wrong token, client or token address is a failed step that says which setting to look at."""
    filled = {key: value.format(url=server.url) if key == "oauth_url" else value for key, value in settings.items()}
    found = steps(server, **filled)

    assert not found[step].ok
    assert said in found[step].detail
    assert found[step].remedy


def test_another_object_than_the_one_asked_for_is_refused(server: OneRosterServer) -> None:
    """A service that answers with another class gives no record of it."""
    server.tables["classes"][0]["sourcedId"] = _Lying("other")

    async def main() -> None:
        async with connector(server) as opened:
            await opened.course(CLASS)

    with pytest.raises(MalformedAnswer, match="another object"):
        asyncio.run(main())


class _Lying(str):
    """An id that equals the one that is asked for, and reads otherwise."""

    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = str.__hash__
