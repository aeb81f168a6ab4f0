"""Plannings over a real store: begun once, gone on with after trouble, and told once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from fakes.scripted_lms import Script, ScriptedConnector
from fakes.service_bench import eventually
from fakes.store_house import sqlite_house

from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.planning import Plannings
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.runs.watch import Patience, Watch
from coursekeep_daemon.store import Item, ItemPlan, Run, Store, StoreError

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)


class Refusing:
    """Stands in for the planner: every course of a run is refused. Stands in for the hooks as well."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.planned: list[int] = []
        self.told: list[str] = []

    async def plan(self, run: Run, lms: Lms, *, added: Callable[[], None]) -> None:
        self.planned.append(run.id)
        if not await self.store.refs_of(run.id):
            refused = [ItemPlan(ref=ref, status=ItemStatus.FAILED, reason="no_access") for ref in ("1", "2", "3")]
            await self.store.add_items(run.id, refused)

    def wanted(self, hook: str) -> bool:
        return True

    def tell(self, hook: str, **about: Any) -> None:
        self.told.append(f"{hook} {about['item'].ref}" if "item" in about else hook)


class Bench:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.refusing = Refusing(store)
        self.lms = Lms(name="main", id="main", connector=ScriptedConnector(Script()), courses_at_once=4)
        self.plannings = Plannings(
            store=store,
            planner=self.refusing,  # type: ignore[arg-type]
            watch=Watch(Holds(store, {"main": self.lms}, lambda: NOW), lambda: 10, 1, Patience()),
            hooks=self.refusing,  # type: ignore[arg-type]
            clock=lambda: datetime.now(UTC),
            patience=Backoff(first=0.01, longest=0.01),
        )

    async def run(self) -> Run:
        run, _ = await self.store.create_run(
            integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="tester"
        )
        return run

    async def now(self, run: Run) -> Run:
        now = await self.store.run(run.id)
        assert now is not None
        return now

    async def planning_ends(self, run: Run) -> None:
        """Begin a planning with what was known of a run, and wait until it is over."""
        over = asyncio.Event()
        self.plannings.begin(run, self.lms, over.set)
        async with asyncio.timeout(20):
            await over.wait()


@pytest.fixture
def in_store(tmp_path: Path) -> Callable[[Callable[[Store], Awaitable[None]]], None]:
    def start(test: Callable[[Store], Awaitable[None]]) -> None:
        async def with_integration(store: Store) -> None:
            await store.sync_integrations([("main", "scripted", {})])
            await test(store)

        sqlite_house(tmp_path).run(with_integration)

    return start


def test_a_run_that_was_read_before_its_planning_ended_is_not_planned_again(in_store):
    """Whoever begins a planning may know an older state of the run: the store's own decides."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        queued = await bench.run()
        planning = await store.change_run(queued.id, RunStatus.PLANNING)
        for known in (planning, planning, queued):
            await bench.planning_ends(known)

        assert (await bench.now(queued)).status is RunStatus.PROCESSING
        assert bench.refusing.planned == [queued.id]
        assert bench.refusing.told == ["course_failed 1", "course_failed 2", "course_failed 3"]

    in_store(test)


def test_a_run_that_a_stop_meets_at_its_start_is_told(in_store, monkeypatch):
    """What the store has taken is told, though the planning is broken off at that moment."""

    async def test(store: Store) -> None:
        monkeypatch.setattr("coursekeep_daemon.runs.waiting._LONGEST", 60.0)
        bench = Bench(store)
        right, taken, go_on = store.change_run, asyncio.Event(), asyncio.Event()

        async def slow(*args: Any) -> Run:
            run = await right(*args)
            taken.set()
            await go_on.wait()
            return run

        monkeypatch.setattr(store, "change_run", slow)
        bench.plannings.begin(await bench.run(), bench.lms, lambda: None)
        await taken.wait()
        stopping = asyncio.create_task(bench.plannings.stop())
        (planning,) = bench.plannings._tasks.values()
        await eventually(planning.cancelling)
        go_on.set()
        await stopping

        assert bench.refusing.told == ["run_started"]

    in_store(test)


def test_a_fault_of_our_own_puts_a_planning_off(in_store, monkeypatch):
    """It is logged, and the planning is begun again after a while, not at once and for ever."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        right = bench.refusing.tell

        def fails(hook: str, **about: Any) -> None:
            monkeypatch.setattr(bench.refusing, "tell", right)
            raise LookupError("a fault")

        monkeypatch.setattr(bench.refusing, "tell", fails)
        run = await bench.run()
        with structlog.testing.capture_logs() as logs:
            await bench.planning_ends(run)
        assert [each["event"] for each in logs if each["log_level"] == "error"] == ["planning_failed"]
        assert bench.plannings._not_before

        async def processing() -> bool:
            bench.plannings.begin(run, bench.lms, lambda: None)
            return (await bench.now(run)).status is RunStatus.PROCESSING

        await eventually(processing)

    in_store(test)


def test_refusals_are_told_once_though_the_database_went_away_meanwhile(in_store, monkeypatch):
    """A planning that the store broke off is begun again, and goes on telling where it was."""

    async def test(store: Store) -> None:
        bench = Bench(store)
        iter_items = store.iter_items

        async def breaks_off(*args: Any) -> AsyncIterator[Item]:
            monkeypatch.setattr(store, "iter_items", iter_items)
            async for item in iter_items(*args):
                yield item
                raise StoreError("The server is away.")

        monkeypatch.setattr(store, "iter_items", breaks_off)
        run = await bench.run()
        await bench.planning_ends(run)
        assert (await bench.now(run)).status is RunStatus.PLANNING

        async def processing() -> bool:
            bench.plannings.begin(run, bench.lms, lambda: None)  # does nothing while it is put off, or under way
            return (await bench.now(run)).status is RunStatus.PROCESSING

        await eventually(processing)

        assert bench.refusing.told == ["run_started", *(f"course_failed {ref}" for ref in "123")]

    in_store(test)
