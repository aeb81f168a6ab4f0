"""Whatever happens in whatever order: counters equal GROUP BY, no illegal change, nothing leaves a final state."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from fakes.postgres_server import Databases
from fakes.store_contract_leases import some_worker
from fakes.store_house import HandClock, completed, failed, new_run, plans, sqlite_house
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)

from coursekeep_daemon.runs.states import (
    FINAL_RUN,
    ITEM_CHANGES,
    RUN_CHANGES,
    ItemStatus,
    RunStatus,
    may_change_item,
    may_change_run,
)
from coursekeep_daemon.store import Conflict, Item, ItemPlan, ItemResult, Lease, Run, Store

I = ItemStatus  # noqa: E741
R = RunStatus

KINDS = ["done", "gaps", "failed", "gone", "again", "later"]
NEW = st.sampled_from([I.QUEUED, I.QUEUED, I.NOT_FOUND, I.FAILED, I.SKIPPED])
PLANS = st.lists(
    st.builds(ItemPlan, ref=st.sampled_from("abcdefgh"), course_id=st.none() | st.sampled_from("1234567"), status=NEW),
    min_size=1,
    max_size=6,
)


class RunsAndItems(RuleBasedStateMachine):
    """Drives a real store through random lives of runs, restarts included."""

    runs = Bundle("runs")

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.Runner()
        self.url = self.new()
        self.clock = HandClock()
        self.store = self.opened()
        self.seen_runs: dict[int, Run] = {}
        self.seen_items: dict[int, Item] = {}
        #: fences under which workers have items, of offers that wait, and of leases that are over
        self.held: dict[int, int] = {}
        self.offered: list[Lease] = []
        self.stale: list[int] = []

    def opened(self) -> Store:
        store = Store(self.url, clock=self.clock)
        self.loop.run(store.start())
        return store

    def teardown(self) -> None:
        self.loop.run(self.store.stop())
        self.loop.close()
        self.remove()

    def new(self) -> str:
        """Make a database, and return its address."""
        directory = Path(tempfile.mkdtemp())
        shutil.copy(template() / "coursekeep.db", directory)
        return f"sqlite:///{directory / 'coursekeep.db'}"

    def remove(self) -> None:
        """Remove the database."""
        shutil.rmtree(Path(self.url.removeprefix("sqlite:///")).parent)

    @initialize(target=runs)
    def first(self) -> Any:
        return multiple(*(self.loop.run(self.filled_run()) for _ in range(2)))

    async def filled_run(self) -> int:
        run = await new_run(self.store)
        await self.store.add_items(run.id, plans(4))
        return run.id

    @rule(target=runs)
    def create(self) -> int:
        return self.loop.run(new_run(self.store, started=False)).id

    @rule(run_id=runs, wanted=PLANS)
    def add(self, run_id: int, wanted: list[ItemPlan]) -> None:
        was_final = self.seen_runs[run_id].status in FINAL_RUN
        try:
            new = self.loop.run(self.store.add_items(run_id, wanted))
        except Conflict:
            assert was_final
        else:
            assert not was_final
            assert new <= len({plan.ref for plan in wanted})

    @rule(run_id=runs, limits=st.lists(st.integers(1, 3), min_size=1, max_size=3))
    def claim(self, run_id: int, limits: list[int]) -> None:
        self.take(run_id, limits)

    @rule(run_id=runs, kinds=st.lists(st.sampled_from(KINDS), min_size=1, max_size=4), twice=st.booleans())
    def work(self, run_id: int, kinds: list[str], twice: bool) -> None:
        """Claims, and ends what was claimed; perhaps each item twice at the same moment."""
        taken = self.take(run_id, [len(kinds)])
        self.look()
        self.end([result(item, kind, self.clock) for item, kind in zip(taken * (1 + twice), kinds * 2, strict=False)])

    @rule(data=st.data(), kind=st.sampled_from(KINDS))
    def finish(self, data: st.DataObject, kind: str) -> None:
        """Ends any item, in whatever status it is, under its own fence, an old one, or none."""
        item = self.seen_items[data.draw(st.sampled_from(sorted(self.seen_items)))]
        fence = data.draw(st.sampled_from([self.held.get(item.id), None, *self.stale[-2:]]))
        self.end([replace(result(item, kind, self.clock), fence=fence)])

    @rule(run_id=runs, limit=st.integers(1, 3))
    def offer(self, run_id: int, limit: int) -> None:
        offers = self.store.offer_items(run_id, limit=limit, now=self.clock(), defer=lambda *_: None)
        new = self.loop.run(offers)
        assert {each.item_id for each in new}.isdisjoint([*self.held, *(each.item_id for each in self.offered)])
        assert all(self.seen_items[each.item_id].status is I.QUEUED for each in new)
        assert min([each.id for each in new], default=2**63) > max([*self.held.values(), *self.stale], default=0)
        self.offered += new

    @rule(name=st.sampled_from("ab"), data=st.data())
    def begin(self, name: str, data: st.DataObject) -> None:
        """Has a worker, known or not, begin what was once offered, whatever has become of it."""
        if not self.offered:
            return
        lease = data.draw(st.sampled_from(self.offered))
        known = {worker.id for worker in self.loop.run(self.store.workers())}
        item = self.loop.run(self.store.begin_item(lease.item_id, lease.id, name))
        may = name in known and self.seen_items[lease.item_id].status is I.QUEUED and lease.item_id not in self.held
        assert item is None or (may and item.attempts == self.seen_items[item.id].attempts + 1)
        if item is not None:
            self.held[item.id] = lease.id
            self.offered.remove(lease)

    @rule(name=st.sampled_from("ab"))
    def enlist(self, name: str) -> None:
        if name not in {worker.id for worker in self.loop.run(self.store.workers())}:
            self.loop.run(self.store.enlist_worker(some_worker(name)))

    @rule(name=st.sampled_from("ab"), swept=st.booleans())
    def lose(self, name: str, swept: bool) -> None:
        """Loses a worker, which is swept or leaves: what it had is queued again, or canceled with its run."""
        seen = {worker.id: worker.seen_at for worker in self.loop.run(self.store.workers()) if worker.id == name}
        had = {each.id for each in self.loop.run(self.store.leases()) if each.worker_id == name}
        if swept:
            self.loop.run(self.store.sweep_workers(seen))
        else:
            self.loop.run(self.store.leave_worker(name))
        assert name not in {worker.id for worker in self.loop.run(self.store.workers())}
        for item_id in [item_id for item_id, fence in self.held.items() if fence in had]:
            self.stale.append(self.held.pop(item_id))

    def take(self, run_id: int, limits: list[int]) -> list[Item]:
        async def claims() -> list[list[Item]]:
            each = [self.store.claim_items(run_id, limit=limit, now=self.clock()) for limit in limits]
            return await asyncio.gather(*each)

        taken = [item for part in self.loop.run(claims()) for item in part]
        before = [self.seen_items[item.id] for item in taken]
        assert len({item.id for item in taken}) == len(taken)
        assert all(item.status is I.QUEUED for item in before)
        assert all(item.not_before is None or item.not_before <= self.clock() for item in before)
        assert [item.attempts for item in taken] == [item.attempts + 1 for item in before]
        return taken

    def end(self, results: list[ItemResult]) -> None:
        async def finishes() -> list[Item | BaseException]:
            return await asyncio.gather(*map(self.store.finish_item, results), return_exceptions=True)

        done: list[int] = []
        for one, outcome in zip(results, self.loop.run(finishes()), strict=True):
            assert isinstance(outcome, Item | Conflict)
            if isinstance(outcome, Item):
                done.append(one.item_id)
        at_work = {
            one.item_id
            for one in results
            if self.seen_items[one.item_id].status is I.PROCESSING and one.fence == self.held.get(one.item_id)
        }
        assert sorted(done) == sorted(at_work)
        for item_id in done:
            if item_id in self.held:
                self.stale.append(self.held.pop(item_id))

    @rule(run_id=runs, to=st.sampled_from([*R, R.PLANNING, R.PROCESSING, R.PLANNING, R.PROCESSING, R.PLANNING]))
    def change(self, run_id: int, to: RunStatus) -> None:
        old = self.seen_runs[run_id]
        try:
            run = self.loop.run(self.store.change_run(run_id, to, "because"))
        except Conflict:
            open_items = old.counts[I.QUEUED] + old.counts[I.PROCESSING]
            ends = {R.COMPLETED: not old.counts[I.FAILED], R.COMPLETED_WITH_ERRORS: bool(old.counts[I.FAILED])}
            assert not may_change_run(old.status, to) or open_items or not ends[to]
        else:
            assert may_change_run(old.status, to)
            assert run.status is to

    @rule(run_id=runs)
    def finish_run(self, run_id: int) -> None:
        old = self.seen_runs[run_id]
        run = self.loop.run(self.store.finish_run_if_done(run_id))
        done = old.status is R.PROCESSING and not old.counts[I.QUEUED] and not old.counts[I.PROCESSING]
        assert (run is not None) == done
        if run is not None:
            assert run.status is (R.COMPLETED_WITH_ERRORS if run.counts[I.FAILED] else R.COMPLETED)

    @rule()
    def restart(self) -> None:
        self.loop.run(self.store.stop())
        self.store = self.opened()
        self.loop.run(self.store.requeue_interrupted())
        self.held, self.offered = {}, []
        self.look()
        assert all(item.status is not I.PROCESSING for item in self.seen_items.values())

    @rule(minutes=st.integers(-3, 30))
    def time_passes(self, minutes: int) -> None:
        self.clock.move(minutes=minutes)

    @rule(hours=st.integers(1, 30))
    def days_pass(self, hours: int) -> None:
        self.clock.move(hours=hours)

    @invariant()
    def holds(self) -> None:
        self.look()
        leases = self.loop.run(self.store.leases())
        assert {each.item_id: each.id for each in leases if each.worker_id is not None} == self.held
        at_work = {each.id for each in self.seen_items.values() if each.status is I.PROCESSING}
        assert set(self.held) <= at_work

    def look(self) -> None:
        """Compare all runs and items with how they were seen before."""
        for run, items, wrong in self.loop.run(self.everything()):
            old = self.seen_runs.get(run.id)
            assert wrong == {}
            assert old is None or may_become(RUN_CHANGES, old.status, run.status)
            assert (run.finished_at is not None) == (run.status in FINAL_RUN)
            assert run.total == sum(run.counts.values())
            assert run.status not in FINAL_RUN or run.counts[I.QUEUED] == 0
            self.seen_runs[run.id] = run
            for item in items:
                self.look_at_item(item)
        assert self.loop.run(self.store.check_day_counts()) == {}

    async def everything(self) -> list[tuple[Run, list[Item], dict[str, tuple[int, int]]]]:
        async def one(run: Run) -> tuple[Run, list[Item], dict[str, tuple[int, int]]]:
            items = await self.store.items(run.id, limit=1000)
            return run, items.items, await self.store.check_counters(run.id)

        return await asyncio.gather(*map(one, (await self.store.runs(limit=1000)).items))

    def look_at_item(self, item: Item) -> None:
        old = self.seen_items.get(item.id)
        assert old is None or may_become(ITEM_CHANGES, old.status, item.status)
        assert old is None or ITEM_CHANGES[old.status] - {I.FAILED_REIMPORTED} or replace(old) == item
        assert (item.finished_at is not None) == (item.status not in (I.QUEUED, I.PROCESSING))
        assert item.status is not I.COMPLETED or item.package_id is not None
        self.seen_items[item.id] = item


def may_become(changes: Any, old: Any, new: Any) -> bool:
    """Tell whether a status can be reached from another by any number of legal changes."""
    reached, ahead = {old}, [old]
    while ahead:
        for then in changes[ahead.pop()] - reached:
            reached.add(then)
            ahead.append(then)
    return new in reached


def result(item: Item, kind: str, clock: HandClock) -> ItemResult:
    if kind in ("done", "gaps"):
        named = replace(item, course_id=item.course_id or "none", course_name="Course")
        return completed(named, gaps=2 if kind == "gaps" else 0)
    if kind == "failed":
        return failed(item)
    if kind == "gone":
        return ItemResult(item_id=item.id, status=I.NOT_FOUND)
    later = clock() + timedelta(minutes=10) if kind == "later" else None
    return ItemResult(item_id=item.id, status=I.QUEUED, not_before=later, count_attempt=kind == "later")


_TEMPLATE: list[Path] = []


def template() -> Path:
    """Give a directory with an empty database, made once: migrating takes longer than a whole example."""
    if not _TEMPLATE:
        directory = Path(tempfile.mkdtemp())
        sqlite_house(directory)
        _TEMPLATE.append(directory)
    return _TEMPLATE[0]


def test_table_is_used() -> None:
    """Only what is processing may end, so that a result is never applied twice."""
    for old in I:
        ends = [new for new in (I.COMPLETED, I.NOT_FOUND, I.SKIPPED) if may_change_item(old, new)]
        assert bool(ends) == (old is I.PROCESSING)


class TestRunsAndItems(RunsAndItems.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis at run time
    """Random lives of runs and items keep the promises."""

    settings = settings(max_examples=25, stateful_step_count=15)


def test_they_hold_on_postgresql(databases: Databases) -> None:
    """The same random lives keep the same promises on PostgreSQL."""

    class OnPostgres(RunsAndItems):
        def new(self) -> str:
            return databases.migrated()

        def remove(self) -> None:
            databases.drop(self.url)

    run_state_machine_as_test(
        OnPostgres,
        settings=settings(max_examples=10, stateful_step_count=12),
    )
