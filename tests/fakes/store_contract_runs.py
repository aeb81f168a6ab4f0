"""The promises of the store about runs, for each database's tests to inherit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from fakes.store_house import (
    START,
    House,
    claimed_item,
    completed,
    failed,
    new_run,
    plans,
)

from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import (
    Conflict,
    ItemResult,
    NoSuchRecord,
    Store,
)

__all__ = ["RunContract"]

I = ItemStatus  # noqa: E741
R = RunStatus


class RunContract:
    """Runs."""

    def test_created(self, house: House) -> None:
        """A new run is queued, counts nothing, and comes back as it was stored."""

        async def test(store: Store) -> None:
            run = await new_run(store, started=False, params={"ids": ["ä"]}, options={"exclude": ["X*"]}, note="n")

            assert run.status is R.QUEUED
            assert run.created_at == START
            assert run.total == run.gaps == 0
            assert set(run.counts) == set(I)
            assert run.params == {"ids": ["ä"]}
            assert run.options == {"exclude": ["X*"]}
            assert await store.run(run.id) == run
            assert await store.run_in_brief(run.id) == replace(run, params={}, options={})
            assert await store.run_in_brief(run.id + 1) is await store.run_in_brief(2**70) is None

        house.run(test)

    def test_unknown_integration(self, house: House) -> None:
        """A run of an unknown integration is refused, and nothing is stored."""

        async def test(store: Store) -> None:
            with pytest.raises(NoSuchRecord, match="'nowhere'"):
                await new_run(store, integration="nowhere")

            assert (await store.runs()).items == []

        house.run(test)

    def test_idempotency(self, house: House) -> None:
        """The same request under the same key is one run; another request or another person's key is not."""

        async def test(store: Store) -> None:
            first = await new_run(store, started=False, idempotency_key="k")
            request: dict[str, Any] = {
                "integration": "main",
                "source": "ids",
                "params": {"ids": ["1"]},
                "on_existing": "skip",
            }

            again = await store.create_run(**request, note=None, created_by="cli", idempotency_key="k")
            others = await store.create_run(**request, note=None, created_by="ann", idempotency_key="k")
            with pytest.raises(Conflict, match="another request"):
                await store.create_run(**request, note="other", created_by="cli", idempotency_key="k")

            assert again == (first, False)
            assert others[1]
            assert len((await store.runs()).items) == 2

        house.run(test)

    def test_idempotency_at_once(self, house: House) -> None:
        """Of many equal requests at the same time, exactly one creates the run."""

        async def test(store: Store) -> None:
            await store.sync_integrations([("main", "canvas", {})])
            request: dict[str, Any] = {
                "integration": "main",
                "source": "ids",
                "params": {},
                "on_existing": "skip",
                "note": None,
            }
            made = await asyncio.gather(
                *(store.create_run(**request, created_by="cli", idempotency_key="k") for _ in range(20))
            )

            assert sum(new for _, new in made) == 1
            assert len({run.id for run, _ in made}) == 1

        house.run(test)

    def test_illegal_change(self, house: House) -> None:
        """A change that the table does not allow is a conflict, and changes nothing."""

        async def test(store: Store) -> None:
            run = await new_run(store, started=False)

            with pytest.raises(Conflict, match="queued; it cannot become processing"):
                await store.change_run(run.id, R.PROCESSING)

            assert await store.run(run.id) == run

        house.run(test)

    @pytest.mark.parametrize("to", [R.FAILED, R.CANCELED])
    def test_end_cancels_queued(self, house: House, to: RunStatus) -> None:
        """A run that fails or is canceled cancels what is queued; what is processing ends by itself."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(5))
            (item,) = await store.claim_items(run.id, limit=1, now=START)

            ended = await store.change_run(run.id, to, "Disk gone.")
            late = await store.finish_item(completed(item))

            assert (ended.status, ended.reason, ended.finished_at) == (to, "Disk gone.", START)
            assert ended.counts[I.CANCELED] == 4
            assert late.status is I.COMPLETED
            assert await store.claim_items(run.id, limit=9, now=START) == []
            assert await store.check_counters(run.id) == {}

        house.run(test)

    def test_requeue_in_ended_run(self, house: House) -> None:
        """An item that would be queued again in a run that has ended becomes canceled."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            await store.change_run(item.run_id, R.FAILED, "Stopped.")

            after = await store.finish_item(ItemResult(item_id=item.id, status=I.QUEUED, not_before=START))

            assert after.status is I.CANCELED
            assert after.not_before is None
            assert await store.check_counters(item.run_id) == {}

        house.run(test)

    def test_finish_if_done(self, house: House) -> None:
        """A run is completed by exactly one call, once nothing is queued or processing."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            assert await store.finish_run_if_done(item.run_id) is None
            await store.finish_item(completed(item, gaps=3))

            finished = await asyncio.gather(*(store.finish_run_if_done(item.run_id) for _ in range(5)))

            (run,) = [each for each in finished if each is not None]
            assert (run.status, run.gaps, run.finished_at) == (R.COMPLETED, 3, START)

        house.run(test)

    def test_finish_with_errors(self, house: House) -> None:
        """A run with a failed item is never plainly completed, whoever says so."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            await store.finish_item(failed(item))

            with pytest.raises(Conflict, match="1 failed"):
                await store.change_run(item.run_id, R.COMPLETED)
            run = await store.finish_run_if_done(item.run_id)

            assert run is not None
            assert run.status is R.COMPLETED_WITH_ERRORS

        house.run(test)

    def test_planning_is_not_done(self, house: House) -> None:
        """A run that is still being planned is not completed, though all its items are done."""

        async def test(store: Store) -> None:
            run = await new_run(store, started=False)
            await store.change_run(run.id, R.PLANNING)

            assert await store.finish_run_if_done(run.id) is None

        house.run(test)

    def test_unknown_run(self, house: House) -> None:
        """A run that does not exist is None to read and NoSuchRecord to change, however large its number."""

        async def test(store: Store) -> None:
            for run_id in (99, 0, -1, 2**63, 2**80):
                assert await store.run(run_id) is None
                assert (await store.items(run_id)).items == []
                assert await store.claim_items(run_id, limit=1, now=START) == []
                with pytest.raises(NoSuchRecord):
                    await store.change_run(run_id, R.PLANNING)
                with pytest.raises(NoSuchRecord):
                    await store.finish_run_if_done(run_id)
                with pytest.raises(NoSuchRecord):
                    await store.add_items(run_id, plans(1))

        house.run(test)

    def test_open_runs(self, house: House) -> None:
        """Open runs are those that are not final, oldest first."""

        async def test(store: Store) -> None:
            runs = [await new_run(store) for _ in range(3)]
            await store.change_run(runs[1].id, R.CANCELED)

            assert [run.id for run in await store.open_runs()] == [runs[0].id, runs[2].id]

        house.run(test)
