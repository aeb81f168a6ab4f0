"""The dispatcher over a real store: fair, bounded, and careful with what it cannot write down."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from fakes.scripted_lms import Script, ScriptedConnector
from fakes.service_bench import eventually

from coursekeep import StopRun
from coursekeep_daemon.engine import LocalEngine
from coursekeep_daemon.runs.archiver import Permit
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.dispatcher import Dispatcher
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.store import Item, ItemPlan, ItemResult, Run, Store, StoreError

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


class Archiving:
    """Stands in for the archiver: notes the order, and waits at a gate."""

    def __init__(self) -> None:
        self.order: list[int] = []
        self.gate = asyncio.Event()
        self.most = 0
        self.now = 0
        self.answer: Callable[[Item], ItemResult] = lambda item: ItemResult(
            item_id=item.id, status=ItemStatus.NOT_FOUND
        )

    async def archive(self, item: Item, run: Run, lms: Lms, permit: Permit | None = None) -> ItemResult:
        self.order.append(run.id)
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.gate.wait()
        finally:
            self.now -= 1
        return self.answer(item)


class Telling:
    """Stands in for hooks and plannings: notes what is told, and plans nothing."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def tell(self, hook: str, **_: Any) -> None:
        self.told.append(hook)

    def begin(self, *_: Any) -> None:
        return None

    async def stop(self) -> None:
        return None


class Bench:
    def __init__(self, store: Store, *, concurrency: int = 4, window: int = 4) -> None:
        self.store = store
        self.archiving = Archiving()
        self.telling = Telling()
        lmses = {
            name: Lms(name=name, id=name, connector=ScriptedConnector(Script()), courses_at_once=window)
            for name in ("main", "other")
        }
        self.holds = Holds(store, lmses, lambda: NOW)
        patience = Backoff(first=0.01, longest=0.01)
        workbench = Workbench(
            store=store,
            archiver=self.archiving,  # type: ignore[arg-type]
            hooks=self.telling,  # type: ignore[arg-type]
            store_patience=patience,
        )
        self.dispatcher = Dispatcher(
            store=store,
            lmses=lmses,
            engine=LocalEngine(store, workbench, concurrency, lambda: datetime.now(UTC)),
            plannings=self.telling,  # type: ignore[arg-type]
            workbench=workbench,
            holds=self.holds,
            store_patience=patience,
        )

    async def run(self, count: int, integration: str = "main") -> Run:
        run, _ = await self.store.create_run(
            integration=integration, source="ids", params={}, on_existing="skip", note=None, created_by="tester"
        )
        await self.store.change_run(run.id, RunStatus.PLANNING)
        await self.store.add_items(run.id, [ItemPlan(ref=str(n), course_id=str(n)) for n in range(count)])
        return await self.store.change_run(run.id, RunStatus.PROCESSING)

    async def now(self, run: Run) -> Run:
        now = await self.store.run(run.id)
        assert now is not None
        return now

    async def ended(self, run: Run) -> Run:
        async def is_final() -> Run | None:
            now = await self.now(run)
            return now if now.finished_at else None

        result: Run = await eventually(is_final)
        return result


@pytest.fixture
def in_store(tmp_path: Path) -> Callable[[Callable[[Store], Awaitable[None]]], None]:
    def start(test: Callable[[Store], Awaitable[None]]) -> None:
        async def main() -> None:
            url = f"sqlite:///{tmp_path}/store.db"
            Store.upgrade(url)
            async with Store(url) as store:
                await store.sync_integrations([("main", "scripted", {}), ("other", "scripted", {})])
                await test(store)

        asyncio.run(main())

    return start


def test_runs_take_turns(in_store):
    """With one slot, a run of many and a run of few alternate until the small one is done."""

    async def test(store: Store) -> None:
        bench = Bench(store, concurrency=1)
        large, small = await bench.run(20), await bench.run(3)
        bench.archiving.gate.set()
        await bench.dispatcher.start()
        await bench.ended(large)
        await bench.dispatcher.stop(1)

        assert bench.archiving.order[:6] == [large.id, small.id] * 3
        assert (await bench.now(small)).status is RunStatus.COMPLETED

    in_store(test)


def test_integrations_take_turns(in_store):
    """An integration with many courses leaves every second slot to another one that has any."""

    async def test(store: Store) -> None:
        bench = Bench(store, concurrency=2)
        steps, order = asyncio.Semaphore(0), bench.archiving.order
        bench.archiving.gate.wait = steps.acquire  # type: ignore[method-assign]  # courses end one by one
        large = await bench.run(40)
        await bench.dispatcher.start()
        await eventually(lambda: bench.archiving.now == 2)
        small = await bench.run(5, "other")
        bench.dispatcher.wake()
        await eventually(lambda: bench.dispatcher._desks["other"].waiting)
        for begun in range(3, 47):
            steps.release()
            await eventually(lambda begun=begun: len(order) >= min(begun, 45))
        steps.release()
        await bench.ended(large)
        await bench.dispatcher.stop(1)

        assert (await bench.now(small)).status is RunStatus.COMPLETED
        assert max(index for index, run_id in enumerate(order) if run_id == small.id) < 2 + 3 * 5

    in_store(test)


@pytest.mark.parametrize(("concurrency", "window", "most"), [(2, 4, 2), (4, 3, 3)])
def test_no_more_courses_are_claimed_than_can_begin(in_store, concurrency, window, most):
    """The process's bound and the integration's hold both; the rest stays queued, where a pause reaches it."""

    async def test(store: Store) -> None:
        bench = Bench(store, concurrency=concurrency, window=window)
        run = await bench.run(10)
        await bench.dispatcher.start()
        await eventually(lambda: bench.archiving.now == most)
        processing = (await bench.now(run)).counts[ItemStatus.PROCESSING]
        bench.archiving.gate.set()
        await bench.ended(run)
        await bench.dispatcher.stop(1)

        assert processing == most
        assert bench.archiving.most == most

    in_store(test)


def test_a_stop_puts_back_what_it_breaks_off(in_store):
    """After the time-out, items in flight are queued again with their attempts as they were."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        run = await bench.run(6)
        await bench.dispatcher.start()
        await eventually(lambda: bench.archiving.now == 4)
        await bench.dispatcher.stop(0.01)
        items = [item async for item in store.iter_items(run.id)]

        assert {(item.status, item.attempts) for item in items} == {(ItemStatus.QUEUED, 0)}

    in_store(test)


def test_a_stop_lets_what_is_in_flight_finish(in_store):
    """Within the time-out, courses in flight end as they would, and no new one begins."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        run = await bench.run(6)
        await bench.dispatcher.start()
        await eventually(lambda: bench.archiving.now == 4)
        stopping = asyncio.create_task(bench.dispatcher.stop(30))
        bench.archiving.gate.set()
        await stopping

        counts = (await bench.now(run)).counts
        assert (counts[ItemStatus.NOT_FOUND], counts[ItemStatus.QUEUED]) == (4, 2)

    in_store(test)


def test_a_result_that_a_stop_meets_is_written_and_told(in_store, monkeypatch):
    """What was archived is not put back: the stop waits a moment for what the store is writing, and the run ends."""

    async def test(store: Store) -> None:
        monkeypatch.setattr("coursekeep_daemon.runs.waiting._LONGEST", 60.0)
        bench = Bench(store)
        run = await bench.run(1)
        right, finishing, go_on = store.finish_item, asyncio.Event(), asyncio.Event()

        async def slow(result: ItemResult) -> Item:
            finishing.set()
            await go_on.wait()
            return await right(result)

        monkeypatch.setattr(store, "finish_item", slow)
        bench.archiving.gate.set()
        await bench.dispatcher.start()
        await finishing.wait()
        stopping = asyncio.create_task(bench.dispatcher.stop(0))
        await eventually(lambda: any(task.cancelling() for task in asyncio.all_tasks() if "item" in task.get_name()))
        go_on.set()
        await stopping

        assert (await bench.now(run)).status is RunStatus.COMPLETED
        assert bench.telling.told == ["run_finished"]

    in_store(test)


def test_a_result_waits_for_the_database_to_come_back(in_store, monkeypatch):
    """A write that fails is tried again until it is stored."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        run = await bench.run(1)
        right, failures = store.finish_item, 3

        async def fails(result: ItemResult) -> Item:
            nonlocal failures
            failures -= 1
            if failures >= 0:
                raise StoreError("the disk of the database is full")
            return await right(result)

        monkeypatch.setattr(store, "finish_item", fails)
        bench.archiving.gate.set()
        await bench.dispatcher.start()
        ended = await bench.ended(run)
        await bench.dispatcher.stop(1)

        assert ended.counts[ItemStatus.NOT_FOUND] == 1

    in_store(test)


def test_an_error_that_nobody_foresaw_does_not_end_the_dispatching(in_store, monkeypatch):
    """It is logged, and a run that was started before or after it is archived."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        bench.archiving.gate.set()
        open_runs, broken = store.open_runs, [True, True]  # once for each integration

        async def breaks() -> list[Run]:
            if broken:
                broken.pop()
                raise ZeroDivisionError
            return await open_runs()

        monkeypatch.setattr(store, "open_runs", breaks)
        run = await bench.run(2)
        with structlog.testing.capture_logs() as logs:
            await bench.dispatcher.start()
            ended = await bench.ended(run)
            await bench.dispatcher.stop(1)

        assert ended.status is RunStatus.COMPLETED
        assert {each["task"] for each in logs if each["event"] == "task_failed"} == {"dispatch main", "dispatch other"}

    in_store(test)


@pytest.mark.parametrize("failures", [0, 2])
def test_stop_run_ends_the_run_and_cancels_what_is_queued(in_store, monkeypatch, failures):
    """Where going on would do harm, the run fails with the connector's words, also where the store is away at first."""

    async def test(store: Store) -> None:
        bench = Bench(store, concurrency=1)
        right, asked = store.change_run, 0

        async def fails(run_id: int, status: RunStatus, reason: str | None = None) -> Run:
            nonlocal asked
            asked += status is RunStatus.FAILED
            if status is RunStatus.FAILED and asked <= failures:
                raise StoreError("the database does not answer")
            return await right(run_id, status, reason)

        monkeypatch.setattr(store, "change_run", fails)

        def stops(item: Item) -> ItemResult:
            raise StopRun("this account would lock up")

        bench.archiving.answer = stops
        bench.archiving.gate.set()
        run = await bench.run(5)
        await bench.dispatcher.start()
        ended = await bench.ended(run)
        await eventually(lambda: bench.dispatcher.in_flight == 0)
        await bench.dispatcher.stop(1)

        assert (ended.status, ended.reason) == (RunStatus.FAILED, "this account would lock up")
        assert (ended.counts[ItemStatus.FAILED], ended.counts[ItemStatus.CANCELED]) == (1, 4)
        assert bench.telling.told.count("run_finished") == 1

    in_store(test)


def test_a_run_that_a_dead_process_left_without_open_items_is_finished(in_store):
    """The next start finishes it, though no item of it ends any more."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        run = await bench.run(1)
        (item,) = await store.claim_items(run.id, limit=1, now=NOW)
        await store.finish_item(ItemResult(item_id=item.id, status=ItemStatus.NOT_FOUND))
        await bench.dispatcher.start()
        ended = await bench.ended(run)
        await bench.dispatcher.stop(1)

        assert ended.status is RunStatus.COMPLETED
        assert bench.telling.told == ["run_finished"]

    in_store(test)


def test_trouble_of_the_store_is_told_once_until_it_is_back(in_store, monkeypatch):
    """However often it is asked meanwhile; and that it is back is told when something was read."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        right, asked = store.open_runs, 0

        async def fails() -> list[Run]:
            nonlocal asked
            asked += 1
            if asked <= 10:
                raise StoreError("the disk of the database is gone")
            return await right()

        monkeypatch.setattr(store, "open_runs", fails)
        with structlog.testing.capture_logs() as logs:
            await bench.dispatcher.start()
            await eventually(lambda: asked >= 12 and sum(each["event"] == "store_back" for each in logs) >= 2)
            await bench.dispatcher.stop(1)

        told = [each["event"] for each in logs if each["event"] in {"store_trouble", "store_back"}]
        assert told == ["store_trouble"] * 2 + ["store_back"] * 2  # of each integration

    in_store(test)


def test_an_integration_that_nobody_serves_takes_no_turns(in_store, monkeypatch):
    """What waits for a worker of its own holds up no other: those have all the slots that they may have."""

    async def test(store: Store) -> None:
        bench = Bench(store, concurrency=8, window=4)
        asked: list[str] = []

        def serves(self: LocalEngine, integration: str) -> bool:
            asked.append(integration)
            return integration == "main"

        monkeypatch.setattr(LocalEngine, "serves", serves)
        await bench.run(3, "other")
        await bench.dispatcher.start()
        await eventually(lambda: "other" in asked)
        await bench.run(8)
        bench.dispatcher.wake()
        await eventually(lambda: bench.archiving.now == 4, 20)
        await bench.dispatcher.stop(0)

    in_store(test)


def test_a_run_of_an_integration_that_left_the_settings_says_so(in_store):
    """It is held, not lost."""

    async def test(store: Store) -> None:
        run = await Bench(store).run(1)

        hold = Holds(store, {}, lambda: NOW).hold(run)

        assert hold is not None
        assert "not in the settings" in hold.reason

    in_store(test)
