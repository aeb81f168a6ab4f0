"""Commits of other processes wake who listens."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Callable

import pytest
from fakes.postgres_proxy import LossyProxy
from fakes.postgres_server import PostgresServer
from fakes.store_house import House, new_run
from structlog.testing import capture_logs

from coursekeep_daemon.store import listening


async def woken(flag: asyncio.Event) -> None:
    """Wait until a flag is set, and clear it."""
    async with asyncio.timeout(10):
        await flag.wait()
    flag.clear()


async def until(condition: Callable[[], bool]) -> None:
    """Wait until something is so."""
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


def test_a_commit_of_another_store_wakes_listeners_within_a_moment(pg_house: House) -> None:
    """Each store hears what the other has committed; what wrote no event wakes nobody."""

    async def main() -> None:
        async with pg_house.open() as one, pg_house.open() as other:
            with one.subscribe() as at_one, other.subscribe() as at_other:
                await woken(at_one)  # once it listens, since something may have been told before
                await woken(at_other)
                await other.audit("x", "no event", "", "")
                run = await new_run(other, started=False)
                started = asyncio.get_running_loop().time()
                await woken(at_one)
                assert asyncio.get_running_loop().time() - started < 1.0
                assert [each.run_id for each in await one.events_after(0)] == [run.id]

                at_other.clear()
                await new_run(one, started=False)
                await woken(at_other)
                assert len(await other.events_after(0)) == 2

    asyncio.run(main())


def test_the_own_commit_wakes_once(pg_house: House) -> None:
    """A store does not hear its own notices: it woke its listeners when it committed."""

    async def main() -> None:
        async with pg_house.open() as one, pg_house.open() as other:
            with one.subscribe() as at_one, other.subscribe() as at_other:
                await woken(at_one)
                await woken(at_other)
                await new_run(one, started=False)
                await woken(at_one)
                await woken(at_other)  # by then the notice has come to both
                assert not at_one.is_set()

    asyncio.run(main())


@pytest.mark.parametrize("how", ["restart", "cut"])
def test_who_was_cut_off_wakes_everybody_once_it_listens_again(
    own_server: PostgresServer, own_house: House, how: str
) -> None:
    """What was committed while the connection was down is found, and later commits are heard as before."""

    async def main() -> None:
        async with own_house.open() as one, own_house.open() as other:
            with one.subscribe() as flag:
                await woken(flag)
                if how == "restart":
                    await asyncio.to_thread(own_server.restart, signal.SIGQUIT)
                else:
                    with own_server.connect() as connection:
                        connection.execute(
                            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                            "WHERE application_name = 'coursekeep listening'"
                        )
                await woken(flag)
                await new_run(other, started=False)
                await woken(flag)
                assert len(await one.events_after(0)) == 1

    asyncio.run(main())


def test_a_connection_that_says_nothing_is_given_up(
    own_server: PostgresServer, own_house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where no answer comes any more, as after a cut of the network, a new connection is made."""
    monkeypatch.setattr(listening, "_PROBE", 2.0)
    proxy = LossyProxy(own_server.folder)

    async def main() -> None:
        async with House(proxy.url(own_house.url)).open() as one, own_house.open() as other:
            with one.subscribe() as flag, capture_logs() as logs:
                await woken(flag)
                proxy.silence()
                await until(lambda: [each["event"] for each in logs] == ["store_does_not_listen"])
                await new_run(other, started=False)
                assert not flag.is_set()
                proxy.flow()
                await woken(flag)
                assert len(await one.events_after(0)) == 1
                assert logs[0]["reason"] == "The database server has not answered for 2 s."

    asyncio.run(main())
    proxy.close()
