"""Refresh tokens of a Canvas that hands each out for one use, over real HTTP, with processes that die."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes.refreshing import flow, renew_in_process
from fakes.service_bench import Bench
from pydantic import ValidationError

from coursekeep import NO_RETRY, CredentialsNeeded, RetryLater, RetryPolicy
from coursekeep_campus import CampusServer, Fault, generated
from coursekeep_campus.oauth import OAuth
from coursekeep_campus.state import Options
from coursekeep_connectors.canvas import CanvasConnector, CanvasSettings
from coursekeep_daemon.credentials import FileKeeper
from coursekeep_daemon.runs.states import RunStatus


@pytest.fixture(params=[True, False], ids=["used once", "as Canvas"])
def server(request: pytest.FixtureRequest) -> Iterator[CampusServer]:
    options = Options(throttle=None, rotating=request.param)
    with CampusServer(generated(seed=2, courses=6), options=options) as running:
        yield running


@pytest.fixture
def once() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=2, courses=6), options=Options(throttle=None, rotating=True)) as running:
        yield running


def of(server: CampusServer, **more: Any) -> dict[str, Any]:
    """Return an integration's settings for the developer key."""
    oauth = server.state.oauth
    return {
        "base_url": server.url,
        "client_id": oauth.client_id,
        "client_secret": oauth.client_secret,
        "refresh_token": oauth.refresh_token,
        **more,
    }


def bench_of(folder: Path, server: CampusServer) -> Bench:
    return Bench.of(folder, {"connector": "canvas", "export_poll": 0.02, **of(server)})


def kept(folder: Path) -> Path:
    return folder / "data" / "credentials" / "main.json"


def test_a_run_goes_through_expiring_tokens_and_restarts(server: CampusServer, tmp_path: Path) -> None:
    """A course is archived with a refresh token, after access tokens were forgotten, and by the next daemon too."""
    bench = bench_of(tmp_path, server)

    async def archive() -> RunStatus:
        async with bench.service() as service:
            assert all(step.ok for step in await service.check("main"))
            server.state.oauth.forget()
            run = await bench.run_ids(service, str(server.known["ended"][0]), on_existing="refresh")
            return RunStatus((await bench.finished(service, run)).status)

    assert [asyncio.run(archive()) for _ in range(2)] == [RunStatus.COMPLETED] * 2
    assert server.state.oauth.given >= 4
    assert server.state.oauth.replayed == 0
    assert kept(tmp_path).stat().st_mode & 0o777 == 0o600
    assert kept(tmp_path).parent.stat().st_mode & 0o777 == 0o700


def test_no_secret_reaches_log_or_package(
    once: CampusServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Neither refresh tokens nor access tokens stand in any file but the kept one, nor in what is printed."""
    bench = bench_of(tmp_path, once)

    async def main() -> None:
        async with bench.service() as service:
            await bench.finished(service, await bench.run_ids(service, str(once.known["ended"][0])))

    asyncio.run(main())

    printed = "".join(capsys.readouterr())
    assert "campus~oauth~" not in printed
    holding = [path for path in tmp_path.rglob("*") if path.is_file() and b"campus~oauth~" in path.read_bytes()]
    assert holding == [kept(tmp_path)]


def test_death_after_the_token_is_kept_costs_nothing(once: CampusServer, tmp_path: Path) -> None:
    """A process killed between keeping the next token and using the answer leaves a token that the next one uses."""
    seed = once.state.oauth.refresh_token

    killed, _ = renew_in_process(once, tmp_path, seed=seed, moment="after")
    code, said = renew_in_process(once, tmp_path, seed=seed)

    assert killed == -signal.SIGKILL
    assert (code, said[:20]) == (0, "campus~oauth~access~")
    assert once.state.oauth.replayed == 0


def test_death_before_the_token_is_kept_is_told_and_mended_by_a_new_token(once: CampusServer, tmp_path: Path) -> None:
    """A process killed between the answer and its keeping loses the token: the next one says so, every time, and a
    new token in the settings mends it."""
    seed = once.state.oauth.refresh_token

    killed, _ = renew_in_process(once, tmp_path, seed=seed, moment="before")
    told = [renew_in_process(once, tmp_path, seed=seed) for _ in range(2)]
    mended = renew_in_process(once, tmp_path, seed=once.state.oauth.authorize())

    assert killed == -signal.SIGKILL
    for code, said in told:
        assert code == 1
        assert said.startswith("CredentialsNeeded: the token endpoint refused the refresh token (invalid_grant): a ren")
        assert "was cut off" in said
        assert "have a new refresh token issued and put it into the settings" in said
        assert "campus~" not in said
    assert mended[0] == 0


def test_processes_take_turns(once: CampusServer, tmp_path: Path) -> None:
    """Processes that renew at the same time use each refresh token once: none is taken for a thief."""
    seed = once.state.oauth.refresh_token

    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(renew_in_process, once, tmp_path, seed=seed, count=4) for _ in range(3)]
        done = [each.result() for each in asked]

    assert [code for code, _ in done] == [0, 0, 0], done
    assert (once.state.oauth.given, once.state.oauth.replayed) == (12, 0)


def test_a_changed_token_of_the_settings_wins_and_a_refused_one_changes_nothing(
    once: CampusServer, tmp_path: Path
) -> None:
    """Another token in the settings is used at once; where it is refused, the kept one still works afterwards."""
    first, keeper = once.state.oauth.refresh_token, FileKeeper(tmp_path, "main")

    async def main() -> None:
        await flow(once.url, first, keeper).renew()
        before = keeper.path.read_bytes()
        with pytest.raises(CredentialsNeeded, match="it has ended, was revoked, or was used elsewhere"):
            await flow(once.url, "an old one", keeper).renew()
        assert keeper.path.read_bytes() == before
        await flow(once.url, first, keeper).renew()
        second = once.state.oauth.authorize()
        await flow(once.url, second, keeper).renew()
        await flow(once.url, second, keeper).renew()

    asyncio.run(main())

    assert once.state.oauth.replayed == 0


def test_a_token_that_cannot_be_kept_is_not_used_and_not_lost(once: CampusServer, tmp_path: Path) -> None:
    """Where the next token cannot be written the access token is not used; once it can, all goes on without loss."""
    keeper = _Full(tmp_path, "main")

    async def main() -> None:
        tokens = flow(once.url, once.state.oauth.refresh_token, keeper)
        keeper.room = 1
        with pytest.raises(RetryLater, match="No space left"):
            await tokens.renew()
        with pytest.raises(CredentialsNeeded, match="no token has been fetched"):
            tokens.token()
        keeper.room = 100
        assert await tokens.renew()

    asyncio.run(main())

    assert (once.state.oauth.given, once.state.oauth.replayed) == (2, 0)


def test_no_token_is_spent_where_nothing_can_be_written(once: CampusServer, tmp_path: Path) -> None:
    """A full disk is met before the endpoint is asked."""
    keeper = _Full(tmp_path, "main")
    keeper.room = 0

    with pytest.raises(RetryLater, match="No space left"):
        asyncio.run(flow(once.url, once.state.oauth.refresh_token, keeper).renew())

    assert once.state.oauth.given == 0


class _Full(FileKeeper):
    """A disk with room for some writes only."""

    room = 0

    async def save(self, kept: Any) -> None:
        if not self.room:
            raise RetryLater("the refresh token cannot be kept: No space left on device")
        self.room -= 1
        await super().save(kept)


def test_whoever_waits_may_go_and_the_renewal_ends_well(once: CampusServer, tmp_path: Path) -> None:
    """A renewal whose caller is cancelled keeps the next token; closing the client waits for it."""
    once.faults.add(Fault(match="POST /login/oauth2/token", kind="slow", seconds=0.3))
    keeper = FileKeeper(tmp_path, "main")

    async def main() -> None:
        tokens = flow(once.url, once.state.oauth.refresh_token, keeper)
        caller = asyncio.create_task(tokens.renew())
        while not keeper.path.exists():
            await asyncio.sleep(0)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await tokens.settle()

    asyncio.run(main())

    found = json.loads(keeper.path.read_text())
    assert found["refresh_token"] == once.state.oauth.refresh_token
    assert found["renewing_since"] is None


def test_an_answer_that_is_lost_on_its_way_is_told(once: CampusServer, tmp_path: Path) -> None:
    """Half an answer costs the token that was in it: the next attempt is refused, and says since when."""
    once.faults.add(Fault(match="POST /login/oauth2/token", kind="truncated", times=1))

    async def main() -> None:
        tokens = flow(once.url, once.state.oauth.refresh_token, FileKeeper(tmp_path, "main"))
        with pytest.raises(RetryLater):
            await tokens.renew()
        with pytest.raises(CredentialsNeeded, match=r"a renewal that began at \S+ was cut off"):
            await tokens.renew()

    asyncio.run(main())


@pytest.mark.parametrize("kind", ["reset", "outage", "html", "throttle429"])
def test_passing_trouble_of_the_endpoint_leaves_no_trace(server: CampusServer, kind: str) -> None:
    """An endpoint that does not answer at first is asked again by whoever needs the token."""
    server.faults.add(Fault(match="POST /login/oauth2/token", kind=kind, times=2))
    settings = CanvasSettings(**of(server, timeout=2.0))

    async def main() -> list[bool]:
        retry = RetryPolicy(attempts=4, wait=0.01, longest=0.05)
        async with CanvasConnector(settings, retry=retry) as connector:
            return [step.ok async for step in connector.check()]

    assert all(asyncio.run(main()))
    assert (server.state.oauth.given, server.state.oauth.replayed) == (1, 0)


def test_a_damaged_file_is_named_and_never_worked_around(once: CampusServer, tmp_path: Path) -> None:
    """A kept token that cannot be read halts with its place: the token of the settings may be long spent."""
    keeper = FileKeeper(tmp_path, "main")
    keeper.path.write_text('{"format": 1, "seed"')

    with pytest.raises(CredentialsNeeded, match=r"main\.json: it is not what Coursekeep wrote; restore it; or remove"):
        asyncio.run(flow(once.url, once.state.oauth.refresh_token, keeper).renew())

    assert once.state.oauth.given == 0


def test_one_who_waits_too_long_says_for_what(once: CampusServer, tmp_path: Path) -> None:
    """A process that hangs with the lock is not waited for without end."""
    hanging, waiting = FileKeeper(tmp_path, "main"), FileKeeper(tmp_path, "main", patience=0.01)

    async def main() -> None:
        async with hanging.alone():
            await flow(once.url, once.state.oauth.refresh_token, waiting).renew()

    with pytest.raises(RetryLater, match=r"another process holds the credentials of main .*main\.lock"):
        asyncio.run(main())


def test_the_check_says_what_to_do_about_a_refused_token(once: CampusServer) -> None:
    """The check with a refresh token that is no good fails at the credentials, and asks for a new refresh token."""
    settings = CanvasSettings(**{**of(once), "refresh_token": "made-up"})

    async def main() -> Any:
        async with CanvasConnector(settings, retry=NO_RETRY) as connector:
            return [step async for step in connector.check()][-1]

    last = asyncio.run(main())

    assert (last.name, last.ok) == ("credentials", False)
    assert "refresh_token" in last.remedy


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"client_id": OAuth.client_id, "client_secret": "s"},
        {"token": "t", "client_id": OAuth.client_id},
        {"token": "t", "refresh_token": "r"},
    ],
    ids=str,
)
def test_half_a_way_in_is_refused(wrong: dict[str, str]) -> None:
    """Canvas takes a token, or a developer key with a refresh token: neither both nor a part."""
    with pytest.raises(ValidationError, match="client_id, client_secret and refresh_token"):
        CanvasSettings(base_url="https://canvas.example.edu", **wrong)  # type: ignore[arg-type]
