"""The promises of the store about leases and workers, for each database's tests to inherit."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakes.service_bench import eventually
from fakes.store_house import START, House, completed, failed, new_run, plans

from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import (
    Conflict,
    Item,
    ItemResult,
    Lease,
    LeaseState,
    NaiveDatetime,
    PauseLevel,
    Run,
    Store,
    StoreError,
    Worker,
)

__all__ = ["LeaseContract", "offer", "some_worker"]

I = ItemStatus  # noqa: E741


def some_worker(name: str = "one", **more: Any) -> Worker:
    """Give a worker whose id is its name."""
    values: dict[str, Any] = {
        "id": name,
        "name": name,
        "host": "localhost",
        "pid": 1,
        "concurrency": 2,
        "version": "0",
        "integrations": ["main"],
        "started_at": START,
        "seen_at": START,
        "draining": False,
    }
    return Worker(**{**values, **more})


async def offer(store: Store, run: Run, limit: int = 1) -> list[Lease]:
    """Offer items; their jobs go nowhere."""
    return await store.offer_items(run.id, limit=limit, now=START, defer=lambda connection, leases: None)


async def begun(store: Store, run: Run, worker: str = "one") -> tuple[Item, int]:
    """Offer and begin one item, and give it with its fence."""
    (lease,) = await offer(store, run)
    item = await store.begin_item(lease.item_id, lease.id, worker)
    assert item is not None
    return item, lease.id


async def ready(store: Store, items: int = 3) -> Run:
    """Give a run with queued items, and have worker `one` known."""
    run = await new_run(store)
    await store.add_items(run.id, plans(items))
    await store.enlist_worker(some_worker())
    return run


async def look(store: Store, item: Item) -> Item:
    now = await store.item(item.id)
    assert now is not None
    assert await store.check_counters(item.run_id) == {}
    return now


class LeaseContract:
    """An item is one worker's at a time; whoever has been replaced changes nothing."""

    def test_the_way_of_an_item(self, house: House) -> None:
        """Offered it stays queued, begun it is processing and counted, finished its lease is gone."""

        async def test(store: Store) -> None:
            run = await ready(store)
            (lease,) = await offer(store, run)
            assert (lease.state, lease.integration, lease.worker_id) == (LeaseState.OFFERED, "main", None)
            assert (await store.items(run.id)).items[0].status is I.QUEUED
            item = await store.begin_item(lease.item_id, lease.id, "one")
            assert item is not None
            assert (item.status, item.attempts, item.integration) == (I.PROCESSING, 1, "main")
            assert await store.holds_lease(item.id, lease.id)
            assert [worker.busy for worker in await store.workers()] == [1]
            crew = await store.crew()
            assert (crew.slots, crew.integrations, crew.leased) == ([2], {"main"}, {"main": 1})
            done = await store.finish_item(replace(completed(item), fence=lease.id))
            assert done.status is I.COMPLETED
            assert await store.leases() == []
            assert not await store.holds_lease(item.id, lease.id)
            assert await store.check_counters(run.id) == {}

        house.run(test)

    def test_no_item_is_offered_twice_and_no_fence_comes_again(self, house: House) -> None:
        """Offers made at the same moment are of different items; after each end the next fence is higher."""

        async def test(store: Store) -> None:
            run = await ready(store, items=4)
            parts = await asyncio.gather(*(offer(store, run, 3) for _ in range(3)))
            offered = [each for part in parts for each in part]
            assert sorted(each.item_id for each in offered) == [each.id for each in (await store.items(run.id)).items]
            fences = {each.id for each in offered}
            assert await store.withdraw_offers(fences) == 4
            again = await offer(store, run, 9)
            assert min(each.id for each in again) > max(fences)

        house.run(test)

    def test_what_is_not_due_or_held_is_not_offered(self, house: House) -> None:
        """Neither a postponed item, nor one of a paused run, a halted integration, or a run that is not there."""

        async def test(store: Store) -> None:
            run = await ready(store, items=1)
            item, fence = await begun(store, run)
            later = START + timedelta(minutes=1)
            await store.finish_item(ItemResult(item_id=item.id, status=I.QUEUED, not_before=later, fence=fence))
            assert await offer(store, run) == []
            assert await store.offer_items(run.id, limit=1, now=later, defer=lambda *_: None)
            await store.withdraw_offers([each.id for each in await store.leases()])
            await store.add_items(run.id, plans(1, 2))
            await store.pause(PauseLevel.RUN, str(run.id), "ann")
            assert await offer(store, run) == []
            await store.resume(PauseLevel.RUN, str(run.id))
            await store.halt_integration("main", "expired")
            assert await offer(store, run) == []
            await store.release_integration("main")
            assert len(await offer(store, run, 5)) == 1
            assert await offer(store, replace(run, id=999)) == []
            with pytest.raises(NaiveDatetime):
                await store.offer_items(run.id, limit=1, now=START.replace(tzinfo=None), defer=lambda *_: None)
            with pytest.raises(ValueError, match="limit"):
                await offer(store, run, 0)

        house.run(test)

    def test_an_offer_whose_job_fails_is_none(self, house: House) -> None:
        """What the queue refuses leaves no lease, and the item may be offered again."""

        def refuse(connection: object, leases: object) -> None:
            raise StoreError("the queue is full")

        async def test(store: Store) -> None:
            run = await ready(store)
            with pytest.raises(StoreError, match="the queue is full"):
                await store.offer_items(run.id, limit=2, now=START, defer=refuse)
            assert await store.leases() == []
            assert len(await offer(store, run, 2)) == 2

        house.run(test)

    @pytest.mark.parametrize("how", ["pause", "halt", "cancel", "withdraw", "wrong fence", "nobody", "wrong item"])
    def test_what_must_not_begin_does_not(self, house: House, how: str) -> None:
        """Held, canceled or taken back while it was offered, or asked for by a stranger: the item does not begin."""

        async def test(store: Store) -> None:
            run = await ready(store)
            first, second = await offer(store, run, 2)
            await store.withdraw_offers([second.id])
            item_id, fence, worker = first.item_id, first.id, "one"
            if how == "pause":
                await store.pause(PauseLevel.ALL, "", "ann")
            elif how == "halt":
                await store.halt_integration("main", "expired")
            elif how == "cancel":
                await store.pause(PauseLevel.RUN, str(run.id), "ann")
                await store.cancel_run(run.id, "ann")
            elif how == "withdraw":
                await store.withdraw_offers([fence])
            elif how == "wrong fence":
                fence = second.id
            elif how == "nobody":
                worker = "swept"
            else:
                item_id = second.item_id
            assert await store.begin_item(item_id, fence, worker) is None
            item = await store.item(first.item_id)
            assert item is not None
            assert (item.status, item.attempts) == (I.CANCELED if how == "cancel" else I.QUEUED, 0)
            left = {each.id for each in await store.leases()}
            assert left == ({first.id} if how in ("wrong fence", "nobody") else set())
            assert await store.check_counters(run.id) == {}

        house.run(test)

    def test_a_begin_whose_answer_was_lost_is_asked_again(self, house: House) -> None:
        """The worker that has the item gets it once more, and the attempt counts once; another worker does not."""

        async def test(store: Store) -> None:
            run = await ready(store)
            await store.enlist_worker(some_worker("two"))
            item, fence = await begun(store, run)
            assert await store.begin_item(item.id, fence, "one") == item
            assert await store.begin_item(item.id, fence, "two") is None
            both = await offer(store, run)
            asked = [store.begin_item(both[0].item_id, both[0].id, name) for name in ("one", "two", "one")]
            first, other, again = await asyncio.gather(*asked)
            assert first is not None
            assert (other, again, first.attempts) == (None, first, 1)

        house.run(test)

    def test_a_result_needs_the_fence_of_the_lease(self, house: House) -> None:
        """Without it, with an older one, or for an item that nobody leased, a result is refused and changes nothing."""

        async def test(store: Store) -> None:
            run = await ready(store)
            item, fence = await begun(store, run)
            for wrong in (None, fence - 1, fence + 1):
                with pytest.raises(Conflict):
                    await store.finish_item(replace(failed(item), fence=wrong))
            assert (await look(store, item)).status is I.PROCESSING
            (mine,) = await store.claim_items(run.id, limit=1, now=START)
            with pytest.raises(Conflict):
                await store.finish_item(replace(failed(mine), fence=fence))
            await store.finish_item(failed(mine))
            await store.finish_item(replace(failed(item), fence=fence))
            with pytest.raises(Conflict):
                await store.finish_item(replace(failed(item), fence=fence))
            assert [each.status for each in (await store.items(run.id)).items] == [I.FAILED, I.FAILED, I.QUEUED]

        house.run(test)

    def test_a_silent_worker_is_swept_and_changes_nothing_any_more(self, house: House) -> None:
        """Its items are queued with their attempts; what it then begins or finishes is refused; others go on."""

        async def test(store: Store) -> None:
            run = await ready(store)
            await store.enlist_worker(some_worker("two"))
            item, fence = await begun(store, run)
            others, other_fence = await begun(store, run, "two")
            (waiting,) = await offer(store, run)
            (one, _) = await store.workers()
            gone, (taken,) = await store.sweep_workers({"one": one.seen_at})
            assert gone == {"one"}
            assert (taken.id, taken.status, taken.attempts) == (item.id, I.QUEUED, 1)
            assert [worker.name for worker in await store.workers()] == ["two"]
            assert await store.beat_worker("one") is None
            assert await store.begin_item(waiting.item_id, waiting.id, "one") is None
            with pytest.raises(Conflict):
                await store.finish_item(replace(completed(item), fence=fence))
            assert not await store.holds_lease(item.id, fence)
            assert (await look(store, others)).status is I.PROCESSING
            (again,) = await offer(store, run)
            assert (again.item_id, again.id > other_fence) == (item.id, True)
            second = await store.begin_item(again.item_id, again.id, "two")
            assert second is not None
            assert second.attempts == 2
            with pytest.raises(Conflict):
                await store.finish_item(replace(completed(item), fence=fence))

        house.run(test)

    def test_a_worker_that_was_seen_meanwhile_is_not_swept(self, house: House) -> None:
        """A sweep names when the worker was last seen; a sign of life since then saves it. Beats tell what it holds."""

        async def test(store: Store) -> None:
            run = await ready(store)
            item, fence = await begun(store, run)
            (before,) = await store.workers()
            assert await store.beat_worker("one") == {fence}
            assert await store.sweep_workers({"one": before.seen_at}) == (frozenset(), [])
            assert (await look(store, item)).status is I.PROCESSING
            troubles = {"example:example": "RuntimeError: no such table"}
            assert await store.beat_worker("one", draining=True, plugin_troubles=troubles) == {fence}
            (now,) = await store.workers()
            assert (now.draining, now.seen_at > before.seen_at) == (True, True)
            assert (before.plugin_troubles, now.plugin_troubles) == ({}, troubles)
            assert (await store.crew()).slots == []  # it takes nothing any more

        house.run(test)

    def test_a_sign_of_life_waits_for_no_thread_of_the_loop(self, house: House) -> None:
        """Where every thread that the process shares hangs in a storage that does not answer, a worker still beats."""
        reached, release = threading.Event(), threading.Event()

        def hang() -> None:
            reached.set()
            assert release.wait(60)

        async def test(store: Store) -> None:
            await store.enlist_worker(some_worker())
            asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
            hanging = asyncio.create_task(asyncio.to_thread(hang))
            try:
                await eventually(reached.is_set)
                async with asyncio.timeout(20):
                    assert await store.beat_worker("one") == frozenset()
            finally:
                release.set()
                await hanging

        house.run(test)

    def test_a_stopped_store_takes_no_sign_of_life(self, house: House) -> None:
        """A sign of life needs a started store, as everything does."""

        async def main() -> None:
            async with house.open() as store:
                pass
            with pytest.raises(StoreError, match="not started"):
                await store.beat_worker("one")

        asyncio.run(main())

    def test_leaving_gives_back_without_a_count(self, house: House) -> None:
        """What a worker that leaves has not finished is queued, as if not begun; or canceled, in an ended run."""

        async def test(store: Store) -> None:
            run, other = await ready(store), await new_run(store)
            await store.add_items(other.id, plans(1))
            item, _ = await begun(store, run)
            lost, _ = await begun(store, other)
            await store.change_run(other.id, RunStatus.FAILED, "stopped")
            assert await store.leave_worker("one") == 2
            assert await store.workers() == []
            assert await store.leases() == []
            now = await look(store, item)
            assert (now.status, now.attempts) == (I.QUEUED, 0)
            assert (await look(store, lost)).status is I.CANCELED

        house.run(test)

    def test_listeners_are_told_of_workers_that_come_and_go(self, house: House) -> None:
        """One that enlists, one that leaves and one that is swept each write an event, which names the worker."""

        async def test(store: Store) -> None:
            for name in ("one", "two"):
                await store.enlist_worker(some_worker(name))
            silent = {worker.id: worker.seen_at for worker in await store.workers() if worker.id == "two"}
            await store.leave_worker("one")
            await store.leave_worker("one")
            await store.sweep_workers(silent)
            told = [(each.data["worker"], each.data["present"]) for each in await store.events_after(0)]
            assert told == [("one", True), ("two", True), ("one", False), ("two", False)]

        house.run(test)

    def test_recovery_of_one_process_and_of_many(self, house: House) -> None:
        """`requeue_unleased` leaves what workers have; `requeue_interrupted` takes all, leases and workers too."""

        async def test(store: Store) -> None:
            run = await ready(store)
            await store.claim_items(run.id, limit=1, now=START)
            item, fence = await begun(store, run)
            assert await store.requeue_unleased() == 1
            assert await store.requeue_unleased() == 0
            assert (await look(store, item)).status is I.PROCESSING
            assert await store.requeue_interrupted() == 1
            assert (await look(store, item)).attempts == 1
            assert (await store.leases(), await store.workers()) == ([], [])
            with pytest.raises(Conflict):
                await store.finish_item(replace(completed(item), fence=fence))

        house.run(test)
