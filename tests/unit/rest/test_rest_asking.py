"""How a declared connector asks: who it says it is, and how it follows lists to their end."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web
from fakes.rest_lms import COURSES, export_of, make_connector, pages_stream, serve_course
from fakes.scripted_server import Answer, ScriptedServer, answer_json, status
from pydantic import SecretStr

from coursekeep import NO_RETRY, Course, CourseQuery, Kind
from coursekeep.rest import (
    BasicAuth,
    BasicSettings,
    ClientCredentialsAuth,
    ClientCredentialsSettings,
    Cursor,
    HeaderAuth,
    LinkHeader,
    NextUrl,
    OffsetLimit,
    OnePage,
    PageNumber,
    RestConnector,
)

ALL = [{"id": n, "title": f"Page {n}"} for n in range(1, 8)]


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        serve_course(server)
        yield server


def slices(parameter: str, *, first: int, per: str) -> Answer:
    """Answer as an LMS that counts pages or objects, and never gives more than two at once."""

    async def handle(request: web.Request) -> web.StreamResponse:
        at = int(request.query.get(parameter, first))
        start = (at - first) * (2 if per == "page" else 1)
        return web.json_response({"items": ALL[start : start + 2], "last": 4})

    return handle


def words(place: str) -> Answer:
    """Answer as an LMS that gives a word to go on with."""

    async def handle(request: web.Request) -> web.StreamResponse:
        start = int(request.query.get("cursor", "c0").removeprefix("c"))
        following = f"c{start + 2}" if start + 2 < len(ALL) else None
        return web.json_response({"items": ALL[start : start + 2], place: following})

    return handle


def links(style: str) -> Answer:
    """Answer as an LMS that gives the next address: in a header, whole, or as a path."""

    async def handle(request: web.Request) -> web.StreamResponse:
        start = int(request.query.get("from", 0))
        following = request.url.update_query({"from": str(start + 2)}) if start + 2 < len(ALL) else None
        body: dict[str, Any] = {"items": ALL[start : start + 2]}
        headers = {}
        if following is not None and style == "header":
            headers = {"Link": f'<{following}>; rel="next"'}
        elif following is not None:
            body["meta"] = {"next": str(following) if style == "whole" else following.path_qs}
        return web.json_response(body, headers=headers)

    return handle


@pytest.mark.parametrize(
    ("paging", "lms", "first"),
    [
        (LinkHeader(size=("per_page", 50)), links("header"), "per_page=50"),
        (NextUrl("meta.next", size=("limit", 50)), links("whole"), "limit=50"),
        (NextUrl("meta.next"), links("path"), ""),
        (PageNumber(size=("size", 50)), slices("page", first=1, per="page"), "page=1&size=50"),
        (PageNumber(parameter="p", start=0), slices("p", first=0, per="page"), "p=0"),
        (PageNumber(last="last"), slices("page", first=1, per="page"), "page=1"),
        (OffsetLimit(), slices("offset", first=0, per="object"), "offset=0&limit=100"),
        (Cursor("next_cursor"), words("next_cursor"), ""),
    ],
)
def test_a_list_is_followed_to_its_end(server: ScriptedServer, paging: Any, lms: Answer, first: str) -> None:
    """Every way of paging brings all objects, though the LMS gives fewer at once than it is asked for."""
    server.on("/courses/1/pages", lms)
    export = export_of(make_connector(server.url, pages_stream(), paging=paging))

    assert [record.id for record in export.records[Kind.PAGES]] == [str(n) for n in range(1, 8)]
    asked = [target for target in server.targets() if target.startswith("/courses/1/pages")]
    assert asked[0].partition("?")[2] == first
    assert export.gaps == []


@pytest.mark.parametrize(
    ("paging", "lms"),
    [
        (LinkHeader(), links("header")),
        (NextUrl("meta.next"), links("whole")),
        (OffsetLimit(), slices("offset", first=0, per="object")),
        (Cursor("next_cursor"), words("next_cursor")),
    ],
)
def test_the_client_pages_as_declared(server: ScriptedServer, paging: Any, lms: Answer) -> None:
    """A list that a method written by hand asks for is followed in the declared way too."""
    server.on("/courses/1/pages", lms)
    connector = make_connector(server.url, pages_stream(), paging=paging)

    async def main() -> list[Any]:
        async with connector:
            return [item["id"] async for item in connector.client.items("/courses/1/pages", key="items")]

    assert asyncio.run(main()) == list(range(1, 8))


def test_a_stream_may_page_in_its_own_way(server: ScriptedServer) -> None:
    """The paging of a stream goes before that of the connector; parameters of its own are kept from page to page."""
    server.on("/courses/1/pages", words("cursor"))
    stream = pages_stream(paging=Cursor("cursor"), params={"state[]": ("a", "b c")})
    export = export_of(make_connector(server.url, stream, paging=OnePage()))

    asked = [target for target in server.targets() if target.startswith("/courses/1/pages")]
    assert len(export.of(Kind.PAGES)) == 7
    assert len(asked) == 4
    assert all(target.count("state") == 2 for target in asked)


@pytest.mark.parametrize(
    ("paging", "body"),
    [
        (NextUrl("next"), {"items": [], "next": {"href": "/x"}}),
        (Cursor("next"), {"items": [], "next": ["x"]}),
        (PageNumber(last="pages"), {"items": []}),
        (PageNumber(last="pages"), {"items": [], "pages": "many"}),
        (PageNumber(), {"items": [{"id": 1, "title": "always the same"}]}),
    ],
)
def test_paging_that_makes_no_sense_is_a_gap(server: ScriptedServer, paging: Any, body: Any) -> None:
    """A list whose end cannot be known is never taken for a whole one."""
    server.on("/courses/1/pages", answer_json(body))
    export = export_of(make_connector(server.url, pages_stream(), paging=paging))

    assert [(gap.reason, gap.count) for gap in export.gaps] == [("malformed", None)]


def first_headers(server: ScriptedServer, connector: RestConnector[Any]) -> Any:
    """Ask for the course and return the headers that came."""

    async def main() -> Course | None:
        async with connector:
            return await connector.course("1")

    assert asyncio.run(main()) is not None
    return next(seen.headers for seen in server.requests if seen.target == "/courses/1")


def test_a_key_goes_into_a_header_of_the_lms(server: ScriptedServer) -> None:
    """`HeaderAuth` sends the key with its prefix, and no bearer token."""
    headers = first_headers(server, make_connector(server.url, auth=HeaderAuth("X-API-Key", prefix="Key ")))

    assert headers["X-API-Key"] == "Key made-up"
    assert "Authorization" not in headers


def test_user_and_password(server: ScriptedServer) -> None:
    """`BasicAuth` sends both as RFC 7617 says, whatever is in them."""

    class Small(RestConnector[BasicSettings]):
        name = "small"
        title = "Small"
        Settings = BasicSettings
        auth = BasicAuth()
        course_list = COURSES

    settings = BasicSettings(base_url=server.url, user="archive", password=SecretStr("p:ä"))
    headers = first_headers(server, Small(settings, retry=NO_RETRY))

    assert base64.b64decode(headers["Authorization"].removeprefix("Basic ")).decode() == "archive:p:ä"


@pytest.mark.parametrize("below", [True, False])
def test_client_credentials(server: ScriptedServer, below: bool) -> None:
    """A token is fetched where settings or declaration say, used, and fetched anew once it is refused."""

    class Small(RestConnector[ClientCredentialsSettings]):
        name = "small"
        title = "Small"
        Settings = ClientCredentialsSettings
        auth = ClientCredentialsAuth(token_path="/oauth/token" if below else None, scopes=("read",))
        course_list = COURSES

    token_url = f"{server.url}/{'unused' if below else 'oauth/token'}"
    tokens = [answer_json({"access_token": f"t{n}", "token_type": "bearer", "expires_in": 3600}) for n in (1, 2)]
    server.on("/oauth/token", *tokens)
    server.on("/courses/1", status(401), answer_json({"id": 1, "name": "Botany", "end": None}))
    settings = ClientCredentialsSettings(
        base_url=server.url, client_id="me", client_secret=SecretStr("made-up"), token_url=token_url
    )
    first_headers(server, Small(settings, retry=NO_RETRY))

    asked = [seen.headers["Authorization"] for seen in server.requests if seen.target == "/courses/1"]
    assert asked == ["Bearer t1", "Bearer t2"]
    assert "scope=read" in next(seen.body for seen in server.requests if seen.target == "/oauth/token")


def test_credentials_stay_with_the_lms(server: ScriptedServer) -> None:
    """A page that lies elsewhere is not asked for, so that no stranger sees the token."""
    with ScriptedServer() as stranger:
        server.on("/courses/1/pages", answer_json({"items": [], "next": f"{stranger.url}/more"}))
        export = export_of(make_connector(server.url, pages_stream()))

        assert [gap.reason for gap in export.gaps] == ["malformed"]
        assert stranger.requests == []


def test_closing_in_the_middle_frees_everything(server: ScriptedServer) -> None:
    """An export that is left after its first part has nothing in flight."""
    server.on("/courses/1/pages", words("cursor"))
    connector = make_connector(server.url, pages_stream(paging=Cursor("cursor")))

    async def main() -> int:
        async with connector:
            (course,) = [each async for each in connector.courses(CourseQuery())]
            parts = connector.export(course)
            await anext(parts)
            await anext(parts)
            await parts.aclose()
            return connector.client.governor.in_flight

    assert asyncio.run(main()) == 0
