"""What is known of replicas reaches the store, and the next leader goes on from it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fakes.service_bench import eventually
from fakes.store_house import START, HandClock, sqlite_house
from structlog.testing import capture_logs

from coursekeep_daemon.notifications.replica_news import ReplicaNews
from coursekeep_daemon.replica_standings import Standings
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.store import ReplicaStanding, ReplicaState, Store, StoreError

COPY, OTHER = "/mnt/copy", "s3://copy/a"


def in_store(folder: Path, test: Callable[[Store, HandClock], Awaitable[None]]) -> None:
    house = sqlite_house(folder)
    house.run(lambda store: test(store, house.clock))


def standings(store: Store, clock: HandClock, **more: Any) -> Standings:
    return Standings(store, clock, [COPY, OTHER], **{"rest": 0.01, "again": 60.0} | more)


async def while_running(work: Callable[[], Any], test: Awaitable[None]) -> None:
    """Run a test beside work that goes on for ever."""
    task = lasting(work, "tested")
    try:
        await test
    finally:
        task.cancel()
        await asyncio.wait({task})


async def of(store: Store, address: str) -> ReplicaState | None:
    return next((each for each in await store.replicas() if each.address == address), None)


def test_a_new_leader_goes_on_from_what_the_last_one_knew(tmp_path: Path) -> None:
    """It keeps since when a replica is away, and how many packages are behind until it has compared all itself; what
    left the settings is dropped; a replica that nobody ever compared is not known."""

    async def test(store: Store, clock: HandClock) -> None:
        before = ReplicaState(address=COPY, away_since=START, reason="old", behind=3, behind_why={"urn:uuid:1": "x"})
        for state in (before, replace(before, address="/mnt/gone")):
            await store.note_replica(state)
        new = standings(store, clock)
        await new.load()

        assert [each.address for each in await store.replicas()] == [COPY]
        assert new.all() == [before, ReplicaState(address=OTHER)]
        assert new.met() == []
        clock.move(hours=1)
        new.note_away(COPY, "new")
        assert new.met() == [replace(before, reason="new")]
        new.note_copied(COPY)
        new.note_behind(COPY, "urn:uuid:2", "y")
        (state,) = new.met()
        assert (state.standing, state.behind, state.reason) == (ReplicaStanding.BEHIND, 3, "")
        new.note_looked(COPY, everything=True)
        (state,) = new.met()
        assert (state.behind, state.behind_why, state.compared_at) == (1, {"urn:uuid:2": "y"}, clock())
        new.note_equal(COPY, "urn:uuid:2")
        assert new.met()[0].standing is ReplicaStanding.CURRENT

    in_store(tmp_path, test)


def test_what_the_store_did_not_take_is_written_later(tmp_path: Path) -> None:
    """A store that fails keeps nobody up, is complained of once, and is told the latest when it is well again."""

    async def test(store: Store, clock: HandClock) -> None:
        known = standings(store, clock)
        await known.load()
        tries: list[ReplicaState] = []
        note = store.note_replica

        async def full(state: ReplicaState) -> None:
            tries.append(state)
            if len(tries) < 4:
                raise StoreError("The disk is full.")
            await note(state)

        store.note_replica = full  # type: ignore[method-assign]

        async def test() -> None:
            known.note_away(COPY, "first")
            await eventually(lambda: tries, 10)
            known.note_away(COPY, "second")
            found = await eventually(lambda: of(store, COPY), 10)
            assert (found.reason, found.away_since, found.noted_at) == ("second", START, START)
            await eventually(lambda: of(store, OTHER), 10)

        with capture_logs() as logs:
            await while_running(known.write, test())
        assert [each["event"] for each in logs].count("store_trouble") == 1

    in_store(tmp_path, test)


def test_many_changes_are_few_writings(tmp_path: Path) -> None:
    """Between two writings there is a rest; of a thousand packages behind the store is told how many, and of a few why;
    neither credentials nor endless texts get there."""

    async def test(store: Store, clock: HandClock) -> None:
        known = standings(store, clock, rest=60.0)
        await known.load()
        noted: list[ReplicaState] = []
        note = store.note_replica

        async def counted(state: ReplicaState) -> None:
            noted.append(state)
            await note(state)

        store.note_replica = counted  # type: ignore[method-assign]
        for number in range(1000):
            known.note_behind(COPY, f"urn:uuid:{number}", "s3://me:SECRET@copy/a " + "x" * 5000)

        async def test() -> None:
            await eventually(lambda: len(noted) == 2, 10)
            for number in range(1000):
                known.note_equal(COPY, f"urn:uuid:{number}")
                await asyncio.sleep(0)
            assert len(noted) == 2

        await while_running(known.write, test())
        found = await of(store, COPY)
        assert found is not None
        assert (found.behind, len(found.behind_why)) == (1000, 5)
        assert "SECRET" not in str(found)
        assert len(str(found)) < 10_000

    in_store(tmp_path, test)


def test_the_last_word_of_a_deposed_leader_does_not_stay(tmp_path: Path) -> None:
    """What another daemon wrote late is written over, though nothing changes here."""

    async def test(store: Store, clock: HandClock) -> None:
        known = standings(store, clock, again=0.05)
        await known.load()
        known.note_looked(COPY, everything=True)

        async def right() -> bool:
            return await of(store, COPY) == replace(known.all()[0], noted_at=clock())

        async def test() -> None:
            await eventually(right, 10)
            await store.note_replica(ReplicaState(address=COPY, away_since=START, reason="late"))
            await eventually(right, 10)

        await while_running(known.write, test())

    in_store(tmp_path, test)


@pytest.mark.parametrize("away", [True, False])
def test_what_does_not_last_is_not_told(tmp_path: Path, away: bool) -> None:
    """A replica that comes and goes makes no message, nor does one that this leader has not met; what lasts makes one,
    also where the leader before had seen it already."""
    state = ReplicaState(address=COPY, away_since=None if away else START, reason="gone")

    async def test(store: Store, clock: HandClock) -> None:
        if not away:
            await store.tell_replica_away(state)
        await store.note_replica(replace(state, away_since=START if away else None))
        known = standings(store, clock)
        await known.load()
        told = asyncio.Event()
        news = ReplicaNews(store, known, 0.2, told.set)

        def turn(*, as_told: bool) -> None:
            known.note_copied(COPY) if away is as_told else known.note_away(COPY, "gone")

        async def kinds() -> list[str]:
            return [each.notification.kind.value for each in (await store.notifications()).items]

        assert await news._compare() is None  # what others have found is not told
        for _ in range(2):
            turn(as_told=False)
            wait = await news._compare()
            assert wait is not None
            assert wait > 0.1
            turn(as_told=True)
            assert await news._compare() is None
        assert await kinds() == ([] if away else ["replica_away"])

        async def test() -> None:
            turn(as_told=False)
            async with asyncio.timeout(10):
                await told.wait()
            assert (await kinds())[0] == ("replica_away" if away else "replica_back")
            assert len(await kinds()) == (1 if away else 2)

        await while_running(news.watch, test())

    in_store(tmp_path, test)
