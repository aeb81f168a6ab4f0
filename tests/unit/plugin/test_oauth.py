"""OAuth2 client credentials against a real token endpoint on loopback."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from aiohttp import web
from fakes.http_client import QUICK, run
from fakes.scripted_server import Answer, ScriptedServer, answer_json, redirect, status
from pydantic import SecretStr

from coursekeep import (
    ClientCredentials,
    ClientCredentialsDialect,
    CredentialsNeeded,
    ForeignHost,
    LmsClient,
    MalformedAnswer,
    RetryLater,
    SettingsError,
)

SECRET = "hush:42 %"


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        running.on("/api", guarded({"Bearer t1", "Bearer t2"}))
        yield running


def grant(token: str, **more: Any) -> Answer:
    """Answer with a token."""
    return answer_json({"access_token": token, "token_type": "bearer", "expires_in": 3600, **more})


def guarded(accepted: set[str]) -> Answer:
    """Answer only to those who bring one of these headers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        good = request.headers.get("Authorization") in accepted
        return web.json_response({"ok": good}, status=200 if good else 401)

    return handle


class House:
    """A client whose tokens come from the server's endpoint, with a clock that is moved by hand."""

    def __init__(self, server: ScriptedServer, token_url: str | None = None) -> None:
        self.time = 0.0
        self.tokens = ClientCredentials(
            token_url or f"{server.url}/token",
            "the client",
            SecretStr(SECRET),
            scopes=("roster", "grades"),
            retry=QUICK,
            now=lambda: self.time,
        )
        self.client = LmsClient(server.url, ClientCredentialsDialect(self.tokens), retry=QUICK)

    async def get(self, times: int = 1) -> list[Any]:
        """Ask for the guarded thing, so many times at once."""
        return [one.body for one in await asyncio.gather(*(self.client.get("/api") for _ in range(times)))]


def fetched(server: ScriptedServer) -> int:
    """Count the tokens that were asked for."""
    return server.targets().count("/token")


def ask(server: ScriptedServer, token_url: str | None = None) -> None:
    """Ask once, for errors."""
    house = House(server, token_url)

    async def main() -> None:
        async with house.client:
            await house.get()

    run(main())


def test_requests_at_once_share_one_token(server: ScriptedServer) -> None:
    """Requests that come together cause one fetch of a token, with the scopes, and all carry it."""
    server.on("/token", grant("t1"))
    house = House(server)

    async def main() -> list[Any]:
        async with house.client:
            return await house.get(times=8) + await house.get()

    assert run(main()) == [{"ok": True}] * 9
    assert fetched(server) == 1
    asked = next(seen for seen in server.requests if seen.target == "/token")
    assert asked.body == "grant_type=client_credentials&scope=roster+grades"
    name, _, secret = base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode().partition(":")
    assert (name, secret) == ("the+client", "hush%3A42+%25")


def test_a_token_is_renewed_shortly_before_it_expires(server: ScriptedServer) -> None:
    """A token of an hour is used for 59 minutes, and not for longer."""
    server.on("/token", grant("t1"), grant("t2"))
    house = House(server)

    async def main() -> list[int]:
        counts = []
        async with house.client:
            for moment in (0, 3539, 3541):
                house.time = moment
                await house.get()
                counts.append(fetched(server))
        return counts

    assert run(main()) == [1, 1, 2]


def test_a_short_token_is_used_for_half_of_its_life(server: ScriptedServer) -> None:
    """A token that lives shorter than the margin is not fetched for every request."""
    server.on("/token", grant("t1", expires_in=40))
    house = House(server)

    async def main() -> list[int]:
        counts = []
        async with house.client:
            for moment in (0, 19, 21):
                house.time = moment
                await house.get()
                counts.append(fetched(server))
        return counts

    assert run(main()) == [1, 1, 2]


def test_a_token_that_the_lms_refuses_is_replaced_once(server: ScriptedServer) -> None:
    """A token revoked before its time is fetched anew, and the request repeated; a second refusal is told."""
    server.on("/token", grant("revoked"), grant("t2"))
    house = House(server)

    async def main() -> list[Any]:
        async with house.client:
            return await house.get(times=4)

    assert run(main()) == [{"ok": True}] * 4
    assert fetched(server) == 2

    server.on("/token", grant("bad"))
    with pytest.raises(CredentialsNeeded):
        ask(server)


@pytest.mark.parametrize(
    ("reply", "error", "said"),
    [
        (answer_json({"error": "invalid_client"}, status=401), CredentialsNeeded, "(invalid_client)"),
        (answer_json({"error": "invalid_scope"}, status=400), CredentialsNeeded, "scopes"),
        (answer_json({"error": f"echo {SECRET}"}, status=400), CredentialsNeeded, "refused the client;"),
        (status(404), CredentialsNeeded, "no token endpoint"),
        (status(503), RetryLater, "503"),
        (answer_json({"token": "t1"}), MalformedAnswer, "no access_token"),
        (answer_json({"access_token": "t1", "token_type": "mac"}), MalformedAnswer, "another kind"),
        (redirect("http://127.0.0.2:9/token", 307), ForeignHost, "nothing was sent there"),
    ],
)
def test_a_token_endpoint_that_refuses_is_understood(
    server: ScriptedServer, reply: Answer, error: type[Exception], said: str
) -> None:
    """What a refusal means follows from the endpoint's answer; the secret is in no message."""
    server.on("/token", reply)

    with pytest.raises(error) as caught:
        ask(server)
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert "/api" not in server.targets()


@pytest.mark.parametrize(
    "address", ["http://sso.example.edu/token", "https://me:pw@sso.example.edu/token", "token", "https://x/t#f"]
)
def test_an_address_that_would_tell_the_secret_is_refused(server: ScriptedServer, address: str) -> None:
    """Clear text on the way, a user name or a fragment in the token address are refused before anything is sent."""
    with pytest.raises(SettingsError):
        House(server, address)


def test_nothing_shows_the_secret_or_a_token(server: ScriptedServer) -> None:
    """The flow's repr shows neither."""
    server.on("/token", grant("t1"))
    house = House(server)

    async def main() -> None:
        async with house.client:
            await house.get()

    run(main())
    shown: Mapping[str, Any] = {"tokens": house.tokens, "token": house.tokens.token(), "client": house.client}
    assert SECRET not in repr(shown)
    assert "t1" not in repr(shown)


def test_a_download_fetches_a_token_first_and_another_where_that_is_refused(server: ScriptedServer) -> None:
    """A file can be the first thing that is asked for; a token that the LMS has forgotten is replaced for it too."""
    server.on("/token", grant("revoked"), grant("t2"))
    house = House(server)

    async def main() -> bytes:
        async with house.client, house.client.download("/api") as download:
            return b"".join([chunk async for chunk in download.chunks])

    assert run(main()) == b'{"ok": true}'
    assert fetched(server) == 2
