"""OAuth2 client credentials against a real token endpoint on loopback."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest
from aiohttp import web
from fakes.http_client import QUICK, run
from fakes.scripted_server import Answer, ScriptedServer, answer_json, redirect, status
from fakes.service_bench import eventually
from pydantic import SecretStr

from coursekeep import (
    NO_RETRY,
    ClientCredentials,
    ClientCredentialsDialect,
    CredentialsNeeded,
    FileAuth,
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


class Campus:
    """An LMS with one place and a token endpoint that answers when it is told to; the clock is moved by hand."""

    def __init__(self) -> None:
        self.time = 0.0
        #: statuses of the token endpoint's next answers
        self.statuses: list[int] = []
        self.asked = 0
        self.gate = asyncio.Event()
        self.gate.set()
        #: what the LMS was asked with
        self.seen: list[tuple[str, str]] = []
        transport = httpx.MockTransport(self._answer)
        self.tokens = ClientCredentials(
            "http://localhost/token",
            "me",
            SecretStr(SECRET),
            retry=NO_RETRY,
            transport=transport,
            now=lambda: self.time,
        )
        dialect = ClientCredentialsDialect(self.tokens)
        self.client = LmsClient("http://localhost", dialect, retry=NO_RETRY, transport=transport, max_concurrency=1)

    async def _answer(self, request: httpx.Request) -> httpx.Response:
        if request.url.path != "/token":
            self.seen.append((request.url.path, request.headers.get("authorization", "")))
            return httpx.Response(200 if self.seen[-1][1] else 403, json={})
        self.asked += 1
        token = {"access_token": f"t{self.asked}", "token_type": "bearer", "expires_in": 3600}
        await self.gate.wait()
        return httpx.Response(self.statuses.pop(0) if self.statuses else 200, json=token)

    async def file(self, address: str) -> bytes:
        async with self.client.download(address, auth=FileAuth.EITHER) as download:
            return b"".join([chunk async for chunk in download.chunks])

    async def waiting(self, address: str = "/file") -> asyncio.Task[bytes]:
        """Have a download, which has looked after its token, wait for the only place: `governor.release` gives it."""
        await self.client.get("/api")
        await self.client.governor.acquire()
        task = asyncio.create_task(self.file(address))
        await eventually(lambda: self.client.governor.demand == 2)
        return task


def test_requests_under_way_go_on_with_the_old_token_while_another_is_fetched() -> None:
    """A token that nears its end is there until the next one is, and after an attempt to fetch that failed."""
    campus = Campus()

    async def main() -> None:
        await campus.tokens.renew()
        campus.time, campus.statuses = 3590.0, [503]
        campus.gate.clear()
        fetching = asyncio.create_task(campus.tokens.renew())
        await eventually(lambda: campus.asked == 2)
        assert campus.tokens.token().get_secret_value() == "t1"
        campus.gate.set()
        with pytest.raises(RetryLater):
            await fetching
        assert campus.tokens.token().get_secret_value() == "t1"
        assert await campus.tokens.renew()
        assert (campus.tokens.token().get_secret_value(), campus.asked) == ("t3", 3)

    run(main())


@pytest.mark.parametrize("status", [200, 503])
def test_a_renewal_never_makes_a_waiting_download_ask_for_an_operator(status: int) -> None:
    """A download that gets its turn while a token is fetched, and be it in vain, comes with a token that is good."""
    campus = Campus()

    async def main() -> None:
        download = await campus.waiting()
        campus.time, campus.statuses = 3590.0, [status]
        campus.gate.clear()
        other = asyncio.create_task(campus.client.get("/other"))
        await eventually(lambda: campus.asked == 2)
        campus.client.governor.release()
        campus.gate.set()
        assert await download == b"{}"
        outcome = (await asyncio.gather(other, return_exceptions=True))[0]
        assert isinstance(outcome, RetryLater) is (status == 503)

    run(main())
    assert ("/file", f"Bearer t{2 if status == 200 else 3}") in campus.seen


def test_a_token_that_ended_while_a_download_waited_for_its_turn_is_not_used() -> None:
    """The wait for a turn may be long: the token is looked at once more after it, and the LMS sees no ended one."""
    campus = Campus()

    async def main() -> None:
        download = await campus.waiting()
        campus.time = 4000.0
        campus.client.governor.release()
        assert await download == b"{}"

    run(main())
    assert campus.seen == [("/api", "Bearer t1"), ("/file", "Bearer t2")]


def test_a_token_endpoint_that_refuses_the_client_is_not_taken_for_a_refused_file() -> None:
    """Where the client is refused during the wait for a turn, an operator is asked, whatever the file's address is."""
    campus = Campus()

    async def main() -> None:
        download = await campus.waiting("/file?key=of-its-own")
        campus.time, campus.statuses = 4000.0, [401]
        campus.client.governor.release()
        with pytest.raises(CredentialsNeeded, match="token endpoint"):
            await download

    run(main())
    assert campus.seen == [("/api", "Bearer t1"), ("/file", "")]
