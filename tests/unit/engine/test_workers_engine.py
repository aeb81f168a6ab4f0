"""The engine with workers over a real PostgreSQL, with an archiver that waits at a gate: offers, sweeps, mending."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
import structlog
from fakes.postgres_server import Databases
from fakes.scripted_lms import Script, ScriptedConnector
from fakes.service_bench import eventually
from fakes.store_contract_leases import some_worker
from fakes.worker_bench import QUICK

from coursekeep_daemon.engine.offering import OfferingEngine
from coursekeep_daemon.engine.own_storage import OwnStorage
from coursekeep_daemon.engine.procrastinate import Jobs, queue_of
from coursekeep_daemon.engine.rhythm import Rhythm
from coursekeep_daemon.engine.taking import Taking
from coursekeep_daemon.engine.upkeep import Upkeep
from coursekeep_daemon.following import Following
from coursekeep_daemon.runs.archiver import LeaseLost, Permit
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.dispatcher import Dispatcher
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.runs.watch import Patience
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.store import Item, ItemPlan, ItemResult, LeaseState, PauseLevel, Run, Store

pytestmark = pytest.mark.xdist_group("workers")

PATIENCE = Backoff(first=0.02, longest=0.05)


class Archiving:
    """Stands in for the archiver: notes what it does, and waits at a gate; asks for permission as the real one does."""

    def __init__(self) -> None:
        self.order: list[tuple[int, int]] = []
        self.gate = asyncio.Event()
        self.refused = 0

    async def archive(self, item: Item, run: Run, lms: Lms, permit: Permit | None = None) -> ItemResult:
        self.order.append((run.id, item.id))
        await self.gate.wait()
        if permit is not None and not await permit():
            self.refused += 1
            raise LeaseLost
        return ItemResult(item_id=item.id, status=ItemStatus.NOT_FOUND)


class Telling:
    """Stands in for hooks and plannings: tells nobody, and plans nothing."""

    def tell(self, hook: str, **_: Any) -> None:
        return None

    def begin(self, *_: Any) -> None:
        return None

    async def stop(self) -> None:
        return None


class Bench:
    """One leader, and as many workers as a test wants, over one database."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.archiving = Archiving()
        self.finished: list[int] = []
        self.names = ["main"]
        self.full = False
        self.look: Callable[[], None] = lambda: None

    def check_writable(self) -> int:
        return 0 if self.full else 10

    def lmses(self, *, window: int = 16) -> dict[str, Lms]:
        return {
            name: Lms(name=name, id=name, connector=ScriptedConnector(Script()), courses_at_once=window)
            for name in self.names
        }

    def jobs(self) -> Jobs:
        return Jobs(Store.driver_arguments(self.url))

    def workbench(self, store: Store) -> Workbench:
        hooks: Any = Telling()
        archiver: Any = self.archiving

        def finished(item: Item, result: ItemResult) -> None:
            self.finished.append(item.id)

        return Workbench(store=store, archiver=archiver, hooks=hooks, finished=finished, store_patience=PATIENCE)

    @asynccontextmanager
    async def leader(self, *, window: int = 16, rhythm: Rhythm = QUICK) -> AsyncIterator[Store]:
        async with Store(self.url, queue=True) as store:
            await store.sync_integrations([(name, "x", {}) for name in self.names])
            lmses = self.lmses(window=window)
            plannings: Any = Telling()
            dispatcher = Dispatcher(
                store=store,
                lmses=lmses,
                engine=OfferingEngine(store, self.jobs(), _now, rhythm),
                plannings=plannings,
                workbench=self.workbench(store),
                holds=Holds(store, lmses, _now, needs_workers=True),
                store_patience=PATIENCE,
            )
            await dispatcher.start()
            self.look = dispatcher.wake
            try:
                yield store
            finally:
                await dispatcher.stop(1)

    @asynccontextmanager
    async def worker(self, name: str = "one", *, concurrency: int = 2, timeout: float = 5) -> AsyncIterator[Taking]:
        async with Store(self.url, queue=True) as store:
            jobs, lmses = self.jobs(), self.lmses()
            taking = Taking(
                store=store,
                jobs=jobs,
                workbench=self.workbench(store),
                lmses=lmses,
                holds=Holds(store, lmses, _now),
                storage=OwnStorage(self.check_writable, 1, Patience(storage=0.1, full_storage=0.1)),
                worker=some_worker(name, concurrency=concurrency, integrations=self.names),
                rhythm=QUICK,
            )
            await jobs.open()
            await taking.start()
            try:
                yield taking
            finally:
                await taking.stop(timeout)
                await jobs.close()

    async def run(self, store: Store, count: int) -> Run:
        run, _ = await store.create_run(
            integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="tester"
        )
        await store.change_run(run.id, RunStatus.PLANNING)
        await store.add_items(run.id, [ItemPlan(ref=str(n), course_id=str(n)) for n in range(count)])
        return await store.change_run(run.id, RunStatus.PROCESSING)


def _now() -> datetime:
    return datetime.now(UTC)


async def ended(store: Store, run: Run) -> Run:
    async def is_final() -> Run | None:
        now = await store.run(run.id)
        return now if now is not None and now.finished_at else None

    result: Run = await eventually(is_final)
    return result


async def counts(store: Store, run: Run) -> dict[ItemStatus, int]:
    now = await store.run(run.id)
    assert now is not None
    assert await store.check_counters(run.id) == {}
    return {status: number for status, number in now.counts.items() if number}


@pytest.fixture
def bench(databases: Databases) -> Iterator[Bench]:
    url = databases.migrated()
    yield Bench(url)
    databases.drop(url)


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    asyncio.run(main())


def test_a_large_run_does_not_starve_a_small_one(bench: Bench) -> None:
    """With 200 courses of one run waiting, the five of a later run are among the next dozen; the window stays small."""

    async def test() -> None:
        async with bench.leader() as store, bench.worker(), bench.worker("two"):
            large = await bench.run(store, 200)
            await eventually(lambda: len(bench.archiving.order) == 4)
            assert len(await store.leases()) <= 6  # the slots, and one in hand for each worker
            small = await bench.run(store, 5)
            bench.look()  # as the daemon does for every new run
            bench.archiving.gate.set()
            await ended(store, small)
            first = [run for run, _ in bench.archiving.order[:30]]
            assert first.count(small.id) == 5
            await ended(store, large)
            assert len({item for _, item in bench.archiving.order}) == len(bench.archiving.order) == 205
            assert await eventually(lambda: _empty(bench))

    in_loop(test)


async def _empty(bench: Bench) -> bool:
    jobs = bench.jobs()
    await jobs.open()
    try:
        return await jobs.all() == []
    finally:
        await jobs.close()


def test_a_pause_acts_on_the_very_next_course(bench: Bench) -> None:
    """What is in a worker's hands ends, what was only offered is given back, and cancel works on it."""

    async def test() -> None:
        async with bench.leader() as store, bench.worker():
            run = await bench.run(store, 9)
            await eventually(lambda: len(bench.archiving.order) == 2)
            await eventually(lambda: _offered(store))
            await store.pause(PauseLevel.RUN, str(run.id), "ann")
            bench.archiving.gate.set()
            await eventually(lambda: _no_lease(store))
            assert await counts(store, run) == {ItemStatus.QUEUED: 7, ItemStatus.NOT_FOUND: 2}
            await store.cancel_run(run.id, "ann")
            assert await counts(store, run) == {ItemStatus.CANCELED: 7, ItemStatus.NOT_FOUND: 2}

    in_loop(test)


async def _offered(store: Store) -> bool:
    return any(each.state is LeaseState.OFFERED for each in await store.leases())


async def _no_lease(store: Store) -> bool:
    return await store.leases() == []


def test_a_worker_that_was_thought_dead_keeps_nothing(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its beats stop: its courses go to another worker; it may not commit, drops them, and is known again later."""

    async def test() -> None:
        async with bench.leader() as store, bench.worker() as silent:
            run = await bench.run(store, 2)
            await eventually(lambda: len(bench.archiving.order) == 2)
            real = silent._store.beat_worker
            asleep = asyncio.Event()

            async def no_beat(*_: Any, **__: Any) -> frozenset[int] | None:
                await asleep.wait()
                return await real(*_, **__)

            monkeypatch.setattr(silent._store, "beat_worker", no_beat)
            async with bench.worker("two"):
                await eventually(lambda: len(bench.archiving.order) == 4)
                bench.archiving.gate.set()
                await ended(store, run)
                items = (await store.items(run.id)).items
                assert [item.attempts for item in items] == [2, 2]
                await eventually(lambda: bench.archiving.refused == 2)
                asleep.set()
                await eventually(lambda: _known(store, 2))

    in_loop(test)


async def _known(store: Store, number: int) -> bool:
    return len(await store.workers()) == number


def test_a_course_that_ends_during_a_sign_of_life_is_not_dropped(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its lease is gone by its own result: what follows a result is done, and nobody says that it was taken away."""
    stored, go_on = asyncio.Event(), asyncio.Event()

    async def test() -> None:
        bench.archiving.gate.set()
        async with bench.leader() as store, bench.worker(concurrency=1) as taking:
            finish = taking._store.finish_item

            async def answered_late(result: ItemResult) -> Item:
                item = await finish(result)
                stored.set()
                await go_on.wait()
                return item

            monkeypatch.setattr(taking._store, "finish_item", answered_late)
            run = await bench.run(store, 1)
            await stored.wait()
            with structlog.testing.capture_logs() as logs:
                await taking._beat_once()
                go_on.set()
                await ended(store, run)
                await eventually(lambda: bench.finished)
            assert "course_dropped" not in [each["event"] for each in logs]

    in_loop(test)


def test_a_course_that_was_taken_back_is_broken_off_once(bench: Bench) -> None:
    """Further signs of life leave it alone, so that it can clean up, however long that takes."""

    async def test() -> None:
        async with bench.leader() as store, bench.worker(concurrency=1) as taking:
            await bench.run(store, 1)
            await eventually(lambda: bench.archiving.order)
            ((fence, course),) = taking._courses.items()
            for _ in range(3):
                taking._drop({fence})
            assert course.cancelling() == 1

    in_loop(test)


def test_a_stop_gives_back_what_does_not_finish_in_time(bench: Bench) -> None:
    """A worker that is stopped takes nothing more; what is late goes back without a count, and waits for a worker."""

    async def test() -> None:
        async with bench.leader() as store:
            async with bench.worker(timeout=0.1):
                run = await bench.run(store, 5)
                await eventually(lambda: len(bench.archiving.order) == 2)
            assert await store.workers() == []
            assert await counts(store, run) == {ItemStatus.QUEUED: 5}
            assert {item.attempts for item in (await store.items(run.id)).items} == {0}
            bench.archiving.gate.set()
            async with bench.worker("two"):
                await ended(store, run)

    in_loop(test)


def test_lost_jobs_and_orphans_are_mended(bench: Bench) -> None:
    """An offer whose job is gone, or died in a worker's hands, is taken back; orphans are cleared away."""

    async def test() -> None:
        async with Store(bench.url, queue=True) as store:
            await store.sync_integrations([("main", "x", {})])
            run = await bench.run(store, 3)
            jobs = bench.jobs()
            await jobs.open()
            first, second, third = await store.offer_items(run.id, limit=3, now=_now(), defer=bench.jobs().defer)
            upkeep = Upkeep(store, jobs, beat=0.01, silence=1.0)
            fetched = await jobs.fetch(["main"])  # and then its worker dies
            assert fetched is not None
            assert fetched.fence == first.id
            (lost,) = [job for job in await jobs.all() if job.fence == second.id]
            await jobs.remove(lost)
            await jobs.remove(lost)  # what is gone already is no error
            await store.enlist_worker(some_worker())
            assert await store.begin_item(third.item_id, third.id, "one")  # and dies before its job is deleted
            task = asyncio.create_task(upkeep.run())
            await eventually(lambda: _empty(bench))
            task.cancel()
            await asyncio.wait({task})
            assert await store.leases() == []  # the third went with its worker, which gave no sign of life
            assert [item.attempts for item in (await store.items(run.id)).items] == [0, 0, 1]
            await jobs.close()

    in_loop(test)


def test_nobody_serves_an_integration_that_no_worker_has(bench: Bench) -> None:
    """Its runs wait and say why, without a worker and with one of other settings; one that has it goes on."""

    async def test() -> None:
        bench.archiving.gate.set()
        async with bench.leader() as store:
            holds = Holds(store, bench.lmses(), _now, needs_workers=True)
            run = await bench.run(store, 2)
            await holds.refresh()
            assert "no worker is running: start `coursekeep worker`" in str(holds.hold(run))
            bench.names = ["other"]
            async with bench.worker():
                await holds.refresh()
                assert "has the integration main" in str(holds.hold(run))
                assert await store.leases() == []
                bench.names = ["main", "other"]
                async with bench.worker("two"):
                    await ended(store, run)
                    await holds.refresh()
                    assert holds.hold(await bench.run(store, 1)) is None

    in_loop(test)


def test_a_run_that_waits_for_a_worker_goes_on_as_soon_as_there_is_one(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader offers courses to a worker that comes though nothing else happens; whoever follows knows of it too."""
    monkeypatch.setattr("coursekeep_daemon.following._LOOK_AGAIN", 60)

    async def test() -> None:
        bench.archiving.gate.set()
        seldom = Rhythm(beat=60, silence=120, look=60, gather=0.01)
        async with bench.leader(rhythm=seldom) as store, Store(bench.url, queue=True) as other:
            run = await bench.run(store, 2)
            holds = Holds(other, bench.lmses(), _now, needs_workers=True)
            await holds.refresh()
            following = Following(other, holds)
            await following.start()
            try:
                await eventually(lambda: holds.hold(run) is not None)
                async with bench.worker():
                    await eventually(lambda: holds.hold(run) is None, seconds=20)
                    await eventually(lambda: bench.archiving.order, seconds=20)
                    await ended(store, run)
                await eventually(lambda: holds.hold(run) is not None, seconds=20)
            finally:
                await following.stop()

    in_loop(test)


def test_a_worker_whose_own_storage_is_full_takes_nothing(bench: Bench) -> None:
    """Its courses wait for a worker that can write; it takes some again as soon as it can."""

    async def test() -> None:
        bench.full = True
        bench.archiving.gate.set()
        async with bench.leader() as store, bench.worker():
            run = await bench.run(store, 2)
            await eventually(lambda: _offered(store))
            assert await counts(store, run) == {ItemStatus.QUEUED: 2}
            bench.full = False
            await ended(store, run)

    in_loop(test)


def test_names_of_queues_fit() -> None:
    """A short integration gives its queue its own name; long ones get names that fit, and differ."""
    long = [f"{'a' * 60}{n}" for n in (1, 2)]
    assert queue_of("main") == "main"
    assert len({queue_of(name) for name in long}) == 2
    assert {len(queue_of(name)) for name in long} == {40}
