"""`coursekeep serve`: starting, stopping, and what keeps it from starting."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.cli_process import coursekeep, start_coursekeep
from fakes.console_house import form_token_of

from coursekeep_daemon.store import Store

SETTINGS = '[daemon]\nport = 0\n[archive]\norganization = "Example University"\nmin_free = "1 MB"\n'


@pytest.fixture
def settings(tmp_path: Path) -> Path:
    path = tmp_path / "settings.toml"
    path.write_text(SETTINGS)
    return path


@asynccontextmanager
async def serving(settings: Path, **variables: str) -> AsyncIterator[tuple[Process, str]]:
    """Start a daemon and wait until it says that it is ready; end it however the test ends."""
    process = await start_coursekeep("serve", "--settings", str(settings), **variables)
    assert process.stdout is not None
    try:
        async with asyncio.timeout(60):
            line = (await process.stdout.readline()).decode()
        if not line:
            _, err = await process.communicate()
            raise AssertionError(err.decode())
        yield process, line.split()[4]
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _ready(url: str) -> int:
    """Return what a daemon says of its being ready; asked again where its database was too slow to be asked."""
    async with asyncio.timeout(60), httpx.AsyncClient(trust_env=False, timeout=60) as client:
        while (status := (await client.get(f"{url}/api/v1/ready")).status_code) == 503:
            await asyncio.sleep(0.1)
    return status


async def _ended(process: Process) -> int:
    async with asyncio.timeout(60):
        await process.communicate()
    assert process.returncode is not None
    return process.returncode


def _run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_the_daemon_in_order(settings: Path, number: signal.Signals) -> None:
    """A running daemon is ready and tells where it is; after a signal it ends with 0 and nobody is told any more."""

    async def test() -> None:
        async with serving(settings) as (process, url):
            told = json.loads((settings.parent / "data" / "daemon.json").read_text())
            ready = await _ready(url)
            listed = await coursekeep("plugins", COURSEKEEP_SETTINGS=str(settings))
            process.send_signal(number)
            code = await _ended(process)

        assert (told["url"], ready) == (url, 200)
        assert "No bearer token" in listed.err  # found the daemon by its settings alone
        assert code == 0
        assert not (settings.parent / "data" / "daemon.json").exists()

    _run(test)


def test_an_open_stream_does_not_hold_up_a_stop(settings: Path) -> None:
    """A listener to events is let go when the daemon stops."""

    async def test() -> None:
        async with serving(settings) as (process, url):
            token = await _token(settings)
            headers = {"Authorization": f"Bearer {token}"}
            async with (
                httpx.AsyncClient(trust_env=False, headers=headers) as client,
                client.stream("GET", f"{url}/api/v1/events") as response,
            ):
                lines = response.aiter_lines()
                await anext(lines)
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(30):
                    rest = [line async for line in lines]
            code = await _ended(process)

        assert code == 0
        assert "event: hello" in rest

    _run(test)


async def _token(settings: Path) -> str:
    made = await coursekeep("token", "create", "t", "--json", COURSEKEEP_SETTINGS=str(settings))
    assert made.code == 0, made.err
    return str(made.json["token"])


def test_a_port_in_use_is_told_before_anything_starts(settings: Path) -> None:
    """A taken port ends `serve` with 2 and a line that says what to set; no data directory is made."""

    async def test() -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            done = await coursekeep("serve", "--settings", str(settings), COURSEKEEP_DAEMON__PORT=port)

        assert done.code == 2
        assert f"port {port} on 127.0.0.1 is in use" in done.err
        assert not (settings.parent / "data").exists()

    _run(test)


def test_a_second_daemon_on_a_data_directory_refuses(settings: Path) -> None:
    """The second daemon names the first and ends with 2; the first goes on."""

    async def test() -> None:
        async with serving(settings) as (process, url):
            second = await coursekeep("serve", "--settings", str(settings))
            first = await _ready(url)

        assert second.code == 2
        assert str(process.pid) in second.err
        assert first == 200

    _run(test)


def test_systemd_is_told(settings: Path) -> None:
    """READY comes when the API answers, WATCHDOG while it runs, STOPPING when it stops."""

    async def test() -> None:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as heard:
            heard.bind(str(settings.parent / "notify"))
            heard.settimeout(30)
            environ = {"NOTIFY_SOCKET": str(settings.parent / "notify"), "WATCHDOG_USEC": "200000"}
            async with serving(settings, **environ) as (process, _):
                said = await _hear(heard, "WATCHDOG=1")
                process.send_signal(signal.SIGTERM)
                said += await _hear(heard, "STOPPING=1")
                await _ended(process)

        assert said[0].startswith("READY=1\nSTATUS=Serving http://")

    _run(test)


async def _hear(heard: socket.socket, until: str) -> list[str]:
    said: list[str] = []
    while until not in said:
        said.append((await asyncio.to_thread(heard.recv, 4096)).decode())
    return said


def test_watching_goes_on_over_a_restart(settings: Path) -> None:
    """`run watch` waits for a daemon that restarts, and goes on with the run."""
    settings.write_text(
        SETTINGS + '[integrations.main]\nconnector = "canvas"\nbase_url = "http://127.0.0.1:1"\ntoken = "t"\n'
    )

    async def test() -> None:
        common = {"COURSEKEEP_SETTINGS": str(settings)}
        async with serving(settings) as (process, _):
            made = await coursekeep("token", "create", "t", "--scope", "operate", "--json", **common)
            common["COURSEKEEP_TOKEN"] = made.json["token"]
            started = await coursekeep("run", "start", "--ids", "1", "--json", **common)
            assert started.code == 0, started.err
            watching = await start_coursekeep("run", "watch", str(started.json["id"]), "--json", **common)
            try:
                assert (await _line(watching))["id"] == started.json["id"]
                process.send_signal(signal.SIGTERM)
                await _ended(process)
                while "lost" not in await _line(watching):
                    pass
                async with serving(settings):
                    while (await _line(watching)).get("id") != started.json["id"]:
                        pass
            finally:
                watching.kill()
                await watching.communicate()

    _run(test)


async def _line(process: Process) -> Any:
    assert process.stdout is not None
    async with asyncio.timeout(60):
        line = await process.stdout.readline()
    if not line:
        _, err = await process.communicate()
        raise AssertionError(err.decode())
    return json.loads(line)


@pytest.mark.parametrize(("trusted", "seen"), [("[]", "127.0.0.1"), ('["127.0.0.1"]', "192.0.2.7")])
def test_only_a_trusted_proxy_says_where_a_request_comes_from(settings: Path, trusted: str, seen: str) -> None:
    """X-Forwarded-For is believed from `trusted_proxies` alone: anybody could send it."""

    async def test() -> None:
        async with serving(settings, COURSEKEEP_DAEMON__TRUSTED_PROXIES=trusted) as (_, url):
            async with httpx.AsyncClient(trust_env=False, headers={"X-Forwarded-For": "192.0.2.7"}) as client:
                form = await client.get(f"{url}/sign-in")
                fields = {"form_token": form_token_of(form.text), "name": "nobody", "password": "x"}
                refused = await client.post(f"{url}/sign-in", data=fields)
            assert refused.status_code == 403
        async with Store(f"sqlite:///{settings.parent}/data/coursekeep.db") as store:
            (event,) = (await store.audit_events(action="sign_in")).items

        assert event.detail["address"] == seen

    _run(test)


def test_the_provider_of_sign_ins_comes_from_the_settings(settings: Path) -> None:
    """With `[oidc]` a daemon offers that sign-in, and starts although the provider is down; without its secret not."""
    oidc = (
        '[oidc]\nissuer = "http://127.0.0.1:1"\nclient_id = "c"\nroles = { viewer = ["*"] }\nlabel = "Campus account"\n'
    )
    settings.write_text(f'{settings.read_text()}\n{oidc}client_secret = {{ env = "OIDC_SECRET" }}\n')

    async def test() -> None:
        without = await coursekeep("serve", "--settings", str(settings))
        assert (without.code, "OIDC_SECRET is not set" in without.err) == (2, True)
        assert not (settings.parent / "data" / "coursekeep.db").exists()
        async with (
            serving(settings, OIDC_SECRET="s3cret") as (_, url),
            httpx.AsyncClient(trust_env=False) as client,
        ):
            form, away = await client.get(f"{url}/sign-in"), await client.get(f"{url}/sign-in/oidc")

        assert "Campus account" in form.text
        assert (away.status_code, "cannot be used now" in away.text) == (502, True)

    _run(test)
