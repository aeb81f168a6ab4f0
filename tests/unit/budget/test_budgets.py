"""One budget of an LMS for all processes, kept in PostgreSQL."""

from __future__ import annotations

import asyncio
import math
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.budget_members import BRISK, Asking, asking, lms_of, member, member_process
from fakes.http_client import TOKEN, make_client, run
from fakes.postgres_server import Databases, PostgresServer
from fakes.scripted_server import ScriptedServer, answer_json, status
from fakes.worker_bench import WorkerBench
from pydantic import BaseModel, SecretStr
from sqlalchemy import func, select
from structlog.testing import capture_logs

from coursekeep import LmsClient, SettingsError
from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.budget import budget_names
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import BudgetBook, Store, Terms, Told
from coursekeep_daemon.store.models_budgets import budget, budget_member


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        yield server


@pytest.fixture
def store(databases: Databases) -> Iterator[str]:
    """The address of a database of the newest schema."""
    url = databases.migrated()
    yield url
    databases.drop(url)


@asynccontextmanager
async def members(number: int, store: str, url: str, **more: Any) -> AsyncIterator[list[LmsClient]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(member(store, url, **more)) for _ in range(number)]


async def until(condition: Callable[[], object]) -> None:
    while not condition():
        await asyncio.sleep(0.01)


def places(clients: list[LmsClient]) -> list[int]:
    return [client.governor.limit for client in clients]


def test_ten_processes_keep_to_one_limit(store: str) -> None:
    """Ten processes that want 80 requests at once never have more than six in flight at the LMS, and all get on."""
    with CampusServer(generated(), delay=0.02, throttle=False) as campus:
        asked = Asking(store=store, url=campus.url, token=campus.token, most=6, seconds=2.5)
        with member_process(asked, copies=10) as processes:
            answers = [int(line) for line in processes.communicate(timeout=60)[0].split()]

    assert len(answers) == 10
    assert campus.state.stats.max_in_flight == 6
    assert min(answers) > 0


def test_a_killed_process_loses_its_places(store: str, server: ScriptedServer) -> None:
    """What a killed process had is given to others once it cannot be using it any more, and not before."""
    gate = server.gate()
    server.on("/api/v1/users/self", gate.before(answer_json({})))

    async def main() -> None:
        asked = Asking(store=store, url=server.url, at_once=4)
        async with member(store, server.url) as client:
            with member_process(asked) as process:
                assert process.stdin is not None
                process.stdin.close()
                await server.until(lambda: len(server.requests) == 4)
                process.send_signal(signal.SIGKILL)
                await asyncio.to_thread(process.wait)
                async with Store(store) as look:
                    latest = select(func.max(budget_member.c.expires_at))
                    ends = await look._reader(lambda connection: connection.execute(latest).scalar_one())
                    tasks = [asyncio.create_task(client.get("/api/v1/users/self")) for _ in range(4)]
                    await until(lambda: client.governor.in_flight)
                    assert await look.moment() >= ends  # by the clock that decides
                gate.open()
                await asyncio.gather(*tasks)
                assert client.governor.in_flight == 0

    run(main())


def test_throttling_that_one_sees_slows_all(store: str, server: ScriptedServer) -> None:
    """A Retry-After that one process gets holds all back for so long, and halves what they may ask together."""
    server.on("/bad", status(429, headers={"Retry-After": "3"}), answer_json({}))
    server.on("/good", answer_json({}))

    async def main() -> None:
        clock = asyncio.get_running_loop().time
        async with members(2, store, server.url, most=8) as (one, other):
            busy = asyncio.create_task(asking(other, "/good", 8, math.inf))
            await until(lambda: other.governor.limit == 8)
            throttled = asyncio.create_task(one.get("/bad"))
            await until(lambda: one.governor._not_before and other.governor._not_before)
            assert sum(places([one, other])) < 8
            await until(lambda: other.governor.in_flight == 0)
            quiet, before = clock(), len(server.requests)
            await until(lambda: len(server.requests) > before)
            assert clock() - quiet > 0.5
            await throttled
            await until(lambda: sum(places([one, other])) == 8)  # good answers have raised it again
            busy.cancel()
            await asyncio.wait([busy])

    run(main())


def test_idle_members_give_places_back(store: str, server: ScriptedServer) -> None:
    """A lone member gets all; one that has been idle for a moment has nothing, and leaves no row."""
    server.on("/x", answer_json({}))

    async def main() -> None:
        async with members(2, store, server.url, most=6) as (one, other):
            for client in (one, other, one):
                busy = asyncio.create_task(asking(client, "/x", 6, math.inf))
                await until(lambda one=client: one.governor.limit == 6)  # type: ignore[misc]
                busy.cancel()
                await asyncio.wait([busy])
            await until(lambda: places([one, other]) == [0, 0])

    run(main())


def test_one_place_goes_round(store: str, server: ScriptedServer) -> None:
    """With one place for three members, each of them gets on."""
    server.on("/x", answer_json({}))

    async def main() -> list[int]:
        async with members(3, store, server.url, most=1) as clients:
            end = asyncio.get_running_loop().time() + 2 * 3 * BRISK.slice
            return await asyncio.gather(*(asking(client, "/x", 3, end) for client in clients))

    assert min(run(main())) > 0
    assert server.most_in_flight == 1


def test_while_the_database_is_away(server: ScriptedServer) -> None:
    """A member goes on with its places until it cannot renew them, then waits, and goes on when it is back."""
    server.on("/x", answer_json({}))
    gate = server.gate()
    server.on("/slow", gate.before(answer_json({})))
    postgres = PostgresServer()
    store = Databases(postgres.url("postgres")).migrated()

    async def main() -> None:
        terms = Terms(lease=5.0, used=4.0, slice=0.4, interval=0.1)  # long beside any stall of the machine
        async with member(store, server.url, terms=terms) as client:
            await client.get("/x")
            slow = asyncio.create_task(client.get("/slow"))
            await until(lambda: client.governor.in_flight)
            await asyncio.to_thread(postgres.stop)
            await client.get("/x")
            await until(lambda: client.governor.limit == 0)
            await until(lambda: client.governor.in_flight == 0)
            assert not slow.done(), "it was given up, and waits to be asked again"
            gate.open()
            waiting = asyncio.create_task(client.get("/x"))
            await asyncio.to_thread(postgres.start)
            await asyncio.gather(waiting, slow)

    try:
        run(main())
    finally:
        postgres.remove()


def test_a_fault_of_our_own_is_logged_and_ends_nothing(
    store: str, server: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that is none of the database's is logged once with its traceback, and places are asked for again."""
    server.on("/x", answer_json({}))
    settle, faults = BudgetBook.settle, [RuntimeError("a fault"), RuntimeError("a fault")]

    async def faulty(book: BudgetBook, told: Any) -> Any:
        if faults:
            raise faults.pop()
        return await settle(book, told)

    monkeypatch.setattr(BudgetBook, "settle", faulty)

    async def main() -> None:
        with capture_logs() as logs:
            async with member(store, server.url) as client:
                await client.get("/x")
        told = [each["event"] for each in logs if each["event"].startswith("budget")]
        assert told == ["budget_broken", "budget_back"]
        assert all(each["exc_info"] for each in logs if each["event"] == "budget_broken")

    run(main())


def test_a_stop_frees_places_at_once(store: str, server: ScriptedServer) -> None:
    """A process that ends gives its places back, even where its lease would last."""
    server.on("/x", answer_json({}))

    async def main() -> None:
        long = Terms(lease=60.0, used=50.0, interval=0.1)
        async with members(1, store, server.url, most=1, terms=long) as (one,):
            await one.get("/x")
        async with members(1, store, server.url, most=1, terms=long) as (other,):
            await asyncio.gather(*(other.get("/x") for _ in range(9)))

    run(main())


def test_what_is_said_twice_counts_once(store: str) -> None:
    """A member whose answer was lost says the same again, and throttling has halved the budget once."""
    word = Told(budget="main", member="a", most=8, wants=8, held=0, throttled=True)

    async def main() -> list[int]:
        book = BudgetBook(store)
        granted = [(await book.settle([word]))[0] for _ in range(2)]
        book.close()
        return [each.places for each in granted]

    assert run(main()) == [4, 4]


def test_daemons_and_workers_are_members(tmp_path: Path, store: str) -> None:
    """With workers, what a daemon and a worker ask of an LMS comes out of one budget; without, nothing is shared."""
    with CampusServer(generated(seed=1, courses=5), throttle=False) as campus:
        bench = WorkerBench(tmp_path, campus, store, max_concurrency=3)
        course = str(campus.known["locked_file"])

        async def main() -> None:
            async with bench.service() as service, bench.worker():
                run = await bench.finished(service, await bench.run_ids(service, course))
                assert run.counts[ItemStatus.COMPLETED] == 1
            book = Store(store)
            async with book:
                assert await book._reader(lambda c: c.execute(select(budget.c.name)).scalars().all()) == ["main"]
                assert await book._reader(lambda c: c.execute(select(budget_member)).all()) == []

        run(main())


def test_budgets_need_postgresql() -> None:
    """A database in a file is refused: nothing could be shared there."""
    with pytest.raises(SettingsError, match="PostgreSQL only"):
        BudgetBook("sqlite:///coursekeep.db")


class Keys(BaseModel):
    """Settings of a connector."""

    base_url: str
    token: SecretStr


def test_integrations_with_the_same_credentials_share_a_budget() -> None:
    """The first by name stands for all with the same host and credentials; others stand for themselves."""
    keys = {
        "b": Keys(base_url="https://lms.example/", token=SecretStr("x")),
        "a": Keys(base_url="https://LMS.example", token=SecretStr("x")),
        "c": Keys(base_url="https://lms.example", token=SecretStr("y")),
        "d": Keys(base_url="https://other.example", token=SecretStr("x")),
        "e": SimpleNamespace(),
    }
    client = make_client("https://lms.example")
    names = budget_names({name: lms_of(client, name=name, settings=own) for name, own in keys.items()})

    assert names == {"a": "a", "b": "a", "c": "c", "d": "d", "e": "e"}
    assert TOKEN not in str(names)
