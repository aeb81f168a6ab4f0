"""The refresh token grant against a scripted token endpoint: what is asked, and answers of every kind."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fakes.http_client import QUICK, run
from fakes.scripted_server import ScriptedServer, answer_json, status
from pydantic import SecretStr

from coursekeep import (
    ClientAuth,
    CredentialsNeeded,
    HttpSettings,
    LmsClient,
    MalformedAnswer,
    MemoryKeeper,
    OAuthDialect,
    RefreshToken,
    SettingsError,
    TokenKeeper,
)

NOW = datetime(2026, 8, 1, tzinfo=UTC)
GOOD = {"access_token": "a1", "token_type": "bearer", "expires_in": 3600}


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as running:
        yield running


def flow(server: ScriptedServer, keeper: TokenKeeper | None = None, **more: Any) -> RefreshToken:
    options: dict[str, Any] = {"client_id": "the client", "client_secret": SecretStr("hush:42"), "retry": QUICK}
    return RefreshToken(
        f"{server.url}/token",
        SecretStr(" seed\n"),
        keeper=keeper or MemoryKeeper(),
        clock=lambda: NOW,
        **{**options, **more},
    )


def test_the_client_says_who_it_is_by_header(server: ScriptedServer) -> None:
    """By default name and secret go by HTTP Basic, and the form holds the refresh token without blanks, and scopes."""
    server.on("/token", answer_json(GOOD))

    run(flow(server, scopes=("a", "b")).renew())

    (asked,) = server.requests
    assert asked.body == "grant_type=refresh_token&refresh_token=seed&scope=a+b"
    said = base64.b64decode(asked.headers["Authorization"].removeprefix("Basic ")).decode()
    assert said == "the+client:hush%3A42"


@pytest.mark.parametrize(
    ("more", "form"),
    [
        ({"client_auth": ClientAuth.POST}, "&client_id=the+client&client_secret=hush%3A42"),
        ({"client_secret": None}, "&client_id=the+client"),
    ],
    ids=["in the form", "public"],
)
def test_the_client_may_say_who_it_is_in_the_form(server: ScriptedServer, more: Any, form: str) -> None:
    """Some endpoints want the secret in the form, and a public client has none; then there is no such header."""
    server.on("/token", answer_json(GOOD))

    run(flow(server, **more).renew())

    (asked,) = server.requests
    assert asked.body == f"grant_type=refresh_token&refresh_token=seed{form}"
    assert "Authorization" not in asked.headers


def test_each_answer_is_used_next(server: ScriptedServer) -> None:
    """The refresh token of an answer is the one that is sent next, by another flow with the same keeper too."""
    keeper = MemoryKeeper()
    server.on("/token", *(answer_json({**GOOD, "refresh_token": f"r{number}"}) for number in (1, 2, 3)))

    async def main() -> None:
        first = flow(server, keeper)
        await first.renew()
        assert await first.renew(refused="a1") is False
        await flow(server, keeper).renew()

    run(main())

    assert [seen.body.rpartition("=")[2] for seen in server.requests] == ["seed", "r1", "r2"]


def test_requests_at_once_share_one_renewal(server: ScriptedServer) -> None:
    """However many requests come together, the refresh token is used once, and all carry the same access token."""
    server.on("/token", answer_json(GOOD))
    server.on("/api", answer_json({"ok": True}))

    async def main() -> None:
        async with LmsClient(server.url, OAuthDialect(flow(server)), retry=QUICK) as client:
            await asyncio.gather(*(client.get("/api") for _ in range(8)))

    run(main())

    assert server.targets().count("/token") == 1
    assert {seen.headers["Authorization"] for seen in server.requests if seen.target == "/api"} == {"Bearer a1"}


@pytest.mark.parametrize(
    ("said", "ends"),
    [
        ({}, None),
        ({"refresh_token_expires_in": 86400}, NOW + timedelta(days=1)),
        ({"refresh_expires_in": "3600"}, NOW + timedelta(hours=1)),
        ({"refresh_expires_in": 0}, None),
        ({"refresh_expires_in": -5}, None),
        ({"refresh_expires_in": "never"}, None),
        ({"refresh_expires_in": None}, None),
        ({"refresh_expires_in": 10**400}, None),
        ({"refresh_expires_in": 10**30}, NOW + timedelta(days=3650)),
    ],
    ids=str,
)
def test_the_end_of_a_refresh_token_is_believed_where_it_makes_sense(
    server: ScriptedServer, said: dict[str, Any], ends: datetime | None
) -> None:
    """What an endpoint says of the refresh token is kept; 0 means that it has no end, and nonsense means nothing."""
    server.on("/token", answer_json({**GOOD, "refresh_token": "r1", **said}))

    async def main() -> datetime | None:
        tokens = flow(server)
        assert await tokens.ends() is None
        await tokens.renew()
        return await OAuthDialect(tokens).ends()

    assert run(main()) == ends


@pytest.mark.parametrize("answer", [{"token_type": "mac", "access_token": "a"}, {"access_token": 7}, {}], ids=str)
def test_a_refresh_token_is_kept_out_of_a_bad_answer_too(server: ScriptedServer, answer: dict[str, Any]) -> None:
    """An answer whose access token cannot be used still holds the next refresh token, and that is not lost."""
    server.on("/token", answer_json({**answer, "refresh_token": "r1"}), answer_json(GOOD))

    async def main() -> None:
        tokens = flow(server)
        with pytest.raises(MalformedAnswer):
            await tokens.renew()
        await tokens.renew()

    run(main())

    assert [seen.body.rpartition("=")[2] for seen in server.requests] == ["seed", "r1"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (
            "invalid_grant",
            "refused the refresh token (invalid_grant): it has ended, was revoked, or was used elsewhere",
        ),
        ("made-up~secret", "refused the refresh token: it has ended"),
        ("invalid_client", "refused the client (invalid_client); check client id, secret and scopes"),
    ],
)
def test_a_refusal_says_whose_fault_it_is(server: ScriptedServer, code: str, says: str) -> None:
    """A refused client is told from a refused token, by the standard's words and no others; secrets are not told."""
    server.on("/token", answer_json({"error": code, "error_description": "seed hush:42"}, status=400))

    with pytest.raises(CredentialsNeeded) as caught:
        run(flow(server).renew())

    assert says in str(caught.value)
    assert not any(secret in f"{caught.value!r}" for secret in ("seed", "hush", "made-up"))


def test_no_endpoint_is_no_fault_of_the_token(server: ScriptedServer) -> None:
    """A wrong address is told as one."""
    server.on("/token", status(404))

    with pytest.raises(CredentialsNeeded, match="there is no token endpoint at this address"):
        run(flow(server).renew())


def test_secrets_need_a_private_way() -> None:
    """Over plain HTTP to another machine nothing is sent."""
    with pytest.raises(SettingsError, match="must begin with https://"):
        RefreshToken("http://sso.example.edu/token", SecretStr("s"), client_id="c", keeper=MemoryKeeper(), retry=QUICK)


def test_settings_bring_their_keeper() -> None:
    """What the daemon puts into the context of validation keeps the tokens; without it they are kept in memory."""
    keeper = MemoryKeeper()
    values = {"base_url": "https://lms.example.edu"}

    assert HttpSettings.model_validate(values, context={"keeper": keeper}).token_keeper() is keeper
    assert isinstance(HttpSettings.model_validate(values).token_keeper(), MemoryKeeper)
    assert "Keeper" not in repr(HttpSettings.model_validate(values, context={"keeper": keeper}))


def test_a_flow_shows_no_secret(server: ScriptedServer) -> None:
    """What a flow prints of itself is its path."""
    server.on("/token", answer_json({**GOOD, "refresh_token": "r-next"}))

    async def main() -> str:
        tokens = flow(server)
        await tokens.renew()
        return f"{tokens!r} {await tokens._keeper.load()!r}"  # as a debugger would show it

    shown = run(main())

    assert not any(secret in shown for secret in ("hush", "r-next", "a1", " seed"))
