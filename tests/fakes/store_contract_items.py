"""The promises of the store about items, for each database's tests to inherit."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from fakes.fixity_checks import well
from fakes.store_house import (
    START,
    House,
    claimed_item,
    completed,
    new_run,
    plans,
    version_of,
)

from coursekeep import Course
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import (
    Conflict,
    Item,
    ItemPlan,
    ItemResult,
    NoSuchRecord,
    Store,
)

__all__ = ["ItemContract", "WorkContract"]

I = ItemStatus  # noqa: E741
R = RunStatus


class ItemContract:
    """Items as they are planned."""

    def test_duplicates(self, house: House) -> None:
        """One ref, and one course, is one item of a run; another run may have it too."""

        async def test(store: Store) -> None:
            run, other = await new_run(store), await new_run(store)
            same = [
                ItemPlan(ref="1", course_id="c1"),
                ItemPlan(ref="1", course_id="c2"),
                ItemPlan(ref="sis:x", course_id="c1"),
                ItemPlan(ref="no", status=I.NOT_FOUND),
                ItemPlan(ref="none", status=I.NOT_FOUND),
            ]

            assert await store.add_items(run.id, same) == 3
            assert await store.add_items(run.id, same) == 0
            assert await store.add_items(other.id, same) == 3
            assert await store.refs_of(run.id) == {"1", "no", "none"}
            assert await store.check_counters(run.id) == {}
            after = await store.run(run.id)
            assert after is not None
            assert (after.total, after.counts[I.QUEUED], after.counts[I.NOT_FOUND]) == (3, 1, 2)

        house.run(test)

    def test_many(self, house: House) -> None:
        """Items are listed in the order of their plans, over the border of a transaction."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            assert await store.add_items(run.id, plans(5003)) == 5003

            refs = [item.ref async for item in store.iter_items(run.id)]

            assert refs == [plan.ref for plan in plans(5003)]

        house.run(test)

    def test_bad_new_status(self, house: House) -> None:
        """No item is created as completed or processing."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            for status in (I.COMPLETED, I.PROCESSING, I.CANCELED, I.FAILED_REIMPORTED):
                with pytest.raises(ValueError, match="cannot be created"):
                    await store.add_items(run.id, [*plans(1), ItemPlan(ref="x", status=status)])
            assert (await store.items(run.id)).items == []

        house.run(test)

    def test_ended_run_takes_none(self, house: House) -> None:
        """Nothing is added to a run that has ended."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.change_run(run.id, R.CANCELED)
            with pytest.raises(Conflict):
                await store.add_items(run.id, plans(1))

        house.run(test)

    def test_hostile_text(self, house: House) -> None:
        """Text that no database can hold is mended; all other text comes back as it was."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            names = ["half \ud83d pair", "nul \0 byte", "'; DROP TABLE item; --", "\u202e‮👩‍🏫 %_\\"]
            await store.add_items(run.id, [ItemPlan(ref=str(n), course_name=name) for n, name in enumerate(names)])

            stored = [item.course_name for item in (await store.items(run.id)).items]

            assert stored == ["half \ufffd pair", "nul \ufffd byte", *names[2:]]

        house.run(test)


class WorkContract:
    """Items at work."""

    def test_claim(self, house: House) -> None:
        """Claims take the oldest items, count an attempt, and note the start."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(3))

            taken = await store.claim_items(run.id, limit=2, now=START)

            assert [item.ref for item in taken] == ["1", "2"]
            assert {(item.status, item.attempts, item.started_at) for item in taken} == {(I.PROCESSING, 1, START)}
            assert await store.item(taken[0].id) == taken[0]

        house.run(test)

    def test_claims_are_exclusive(self, house: House) -> None:
        """However many claim at the same time, every item goes to exactly one."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(300))

            async def worker() -> list[int]:
                mine: list[int] = []
                while taken := await store.claim_items(run.id, limit=3, now=START):
                    mine += [item.id for item in taken]
                return mine

            claimed = [item_id for mine in await asyncio.gather(*(worker() for _ in range(40))) for item_id in mine]

            assert len(claimed) == len(set(claimed)) == 300
            assert await store.check_counters(run.id) == {}

        house.run(test)

    def test_postponed(self, house: House) -> None:
        """A postponed item waits for its moment; others go first, and the run says when it is due."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(2))
            first, _ = await store.claim_items(run.id, limit=2, now=START)
            later = START + timedelta(minutes=5)

            queued = await store.finish_item(ItemResult(item_id=first.id, status=I.QUEUED, not_before=later))

            assert (queued.status, queued.attempts, queued.started_at) == (I.QUEUED, 1, None)
            assert await store.next_due(run.id) == later
            assert await store.claim_items(run.id, limit=9, now=later - timedelta(microseconds=1)) == []
            (again,) = await store.claim_items(run.id, limit=9, now=later)
            assert (again.id, again.attempts, again.not_before) == (first.id, 2, None)
            assert await store.next_due(run.id) is None

        house.run(test)

    def test_uncounted_attempt(self, house: House) -> None:
        """An attempt that must not count leaves the count as before the claim."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            result = ItemResult(item_id=item.id, status=I.QUEUED, count_attempt=False)
            assert (await store.finish_item(result)).attempts == 0

        house.run(test)

    def test_completed(self, house: House) -> None:
        """A completed item brings its version, the course's newest package, counters, gaps and an event."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            await store.see_courses("main", [Course(id="1", name="Course 1", code="C1")])
            before = await store.last_event_id()
            result = completed(item, gaps=2)

            done = await store.finish_item(result)

            assert (done.status, done.gaps, done.finished_at) == (I.COMPLETED, 2, START)
            assert await store.item(item.id) == done
            assert result.version is not None
            assert await store.package(result.version.package_id) == [result.version]
            course = await store.course("main", "1")
            assert course is not None
            assert (course.package_id, course.package_version, course.code) == (result.package_id, 1, "C1")
            run = await store.run(item.run_id)
            assert run is not None
            assert (run.counts[I.COMPLETED], run.counts[I.PROCESSING], run.gaps) == (1, 0, 2)
            (event,) = await store.events_after(before)
            assert (event.kind, event.item_id, event.run_id) == ("item", item.id, item.run_id)
            assert event.data["status"] == "completed"

        house.run(test)

    def test_only_processing_ends(self, house: House) -> None:
        """A result for an item that is not processing is a conflict; neighbours of the same moment are not harmed."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(10))
            items = await store.claim_items(run.id, limit=8, now=START)
            queued = (await store.items(run.id, status=I.QUEUED)).items[0]
            results = [completed(item) for item in items]
            wrong = [replace(results[0], item_id=queued.id), replace(results[1], item_id=10_000), results[0]]

            outcomes = await asyncio.gather(*map(store.finish_item, [*results, *wrong]), return_exceptions=True)

            assert all(isinstance(outcome, Item) for outcome in outcomes[:8])
            assert [type(outcome) for outcome in outcomes[8:]] == [Conflict, NoSuchRecord, Conflict]
            assert await store.check_counters(run.id) == {}

        house.run(test)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"package_id": None}, "must name the version"),
            ({"status": I.SKIPPED, "version": None}, "needs a reason"),
            ({"status": I.FAILED, "reason": "x"}, "cannot have written"),
            ({"package_version": 9}, "not the one"),
            ({"gaps": -1}, "-1 gaps"),
        ],
    )
    def test_contradictions(self, house: House, change: dict[str, Any], message: str) -> None:
        """A result that contradicts itself is refused, and the item stays in processing."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            with pytest.raises(ValueError, match=message):
                await store.finish_item(replace(completed(item), **change))
            assert await store.item(item.id) == item

        house.run(test)

    def test_requeue_interrupted(self, house: House) -> None:
        """What a dead process was doing is queued again with its attempt counted; in an ended run it is canceled."""

        async def test(store: Store) -> None:
            item, lost = await claimed_item(store), await claimed_item(store)
            await store.change_run(lost.run_id, R.CANCELED)

            assert await store.requeue_interrupted() == 2
            assert await store.requeue_interrupted() == 0

            again, gone = await store.item(item.id), await store.item(lost.id)
            assert again is not None
            assert gone is not None
            assert (again.status, again.attempts, gone.status) == (I.QUEUED, 1, I.CANCELED)
            assert await store.check_counters(item.run_id) == await store.check_counters(lost.run_id) == {}

        house.run(test)

    def test_newest_package(self, house: House) -> None:
        """A course's newest package is the highest version, in whatever order versions are noted."""

        async def test(store: Store) -> None:
            item = await claimed_item(store)
            for number in (1, 3, 2):
                await store.record_version(version_of(item, number))
            known = await store.course("main", "1")
            assert known is not None
            assert known.package_version == 3
            await store.record_check(well(version_of(item).package_id, 3), by="ann")
            await store.record_version(version_of(item, 3, gaps=1))

            course = await store.course("main", "1")
            assert course is not None
            assert course.package_version == 3
            newest = (await store.newest_versions("main", ["1", "2"]))["1"]
            assert (newest.version, newest.gaps, newest.valid, newest.verified_at) == (3, 1, True, START)
            assert [each.version for each in (await store.packages()).items] == [3]
            assert [each.version for each in await store.package(newest.package_id)] == [1, 2, 3]

        house.run(test)
