"""The promises of the store about pause, cancel and reimport, for each database's tests to inherit."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from fakes.store_house import START, House, completed, failed, new_run, plans

from coursekeep import Course
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import Conflict, Item, ItemPlan, ItemResult, NoSuchRecord, PauseLevel, Run, Store

__all__ = ["ControlContract"]

I = ItemStatus  # noqa: E741
R = RunStatus


async def take(store: Store, run: Run | int, limit: int = 10) -> list[Item]:
    run_id = run if isinstance(run, int) else run.id
    return await store.claim_items(run_id, limit=limit, now=START)


async def begin(store: Store, run: Run) -> None:
    await store.change_run(run.id, R.PLANNING)
    await store.change_run(run.id, R.PROCESSING)


async def failed_run(store: Store, number: int = 3) -> tuple[Run, list[Item]]:
    """Make a run that has ended, and whose items have all failed."""
    run = await new_run(store)
    await store.add_items(run.id, plans(number))
    items = [await store.finish_item(failed(item)) for item in await take(store, run)]
    ended = await store.finish_run_if_done(run.id)
    assert ended is not None
    return ended, items


async def tried(store: Store, run: Run, *, well: bool) -> list[Item]:
    """Do all items of a reimport, and return them."""
    return [await store.finish_item(completed(each) if well else failed(each)) for each in await take(store, run)]


async def fresh(store: Store, items: Sequence[Item]) -> list[Item]:
    found = [await store.item(each.id) for each in items]
    return [each for each in found if each is not None]


class ControlContract:
    """Pause, cancel, reimport."""

    @pytest.mark.parametrize("level", list(PauseLevel))
    def test_a_pause_acts_on_the_very_next_claim(self, house: House, level: PauseLevel) -> None:
        """Nothing of a held run is given out, whatever the caller believed; other runs go on where they may."""

        async def test(store: Store) -> None:
            held, free = await new_run(store), await new_run(store)
            for run in (held, free):
                await store.add_items(run.id, plans(2))
            target = {PauseLevel.ALL: "", PauseLevel.INTEGRATION: "main", PauseLevel.RUN: str(held.id)}[level]
            await store.pause(level, target, "ann")

            given = await asyncio.gather(take(store, held), take(store, free))
            assert [len(each) for each in given] == [0, 2 if level is PauseLevel.RUN else 0]
            await store.resume(level, target)
            assert len(await take(store, held)) == 2

        house.run(test)

    def test_a_pause_ends_with_its_run(self, house: House) -> None:
        """A run that ends takes its own pause along, and can be neither paused nor resumed any more."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.pause(PauseLevel.RUN, str(run.id), "ann")
            await store.finish_run_if_done(run.id)

            assert await store.pauses() == []
            assert not await store.resume(PauseLevel.RUN, str(run.id))
            with pytest.raises(Conflict, match="completed"):
                await store.pause(PauseLevel.RUN, str(run.id), "ann")

        house.run(test)

    def test_only_a_paused_run_is_canceled(self, house: House) -> None:
        """A run that nothing holds is not canceled; a held one is, for good, and only once."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(3))
            (working,) = await take(store, run, 1)
            with pytest.raises(Conflict, match="pause it first"):
                await store.cancel_run(run.id, "ann")
            await store.pause(PauseLevel.INTEGRATION, "main", "ann")
            outcomes = await asyncio.gather(
                *(store.cancel_run(run.id, who) for who in ("ann", "bob")), return_exceptions=True
            )

            assert [isinstance(each, Conflict) for each in outcomes].count(True) == 1
            canceled = await store.run(run.id)
            assert canceled is not None
            assert canceled.status is R.CANCELED
            assert (canceled.reason or "").startswith("canceled by ")
            assert (canceled.counts[I.CANCELED], canceled.counts[I.PROCESSING]) == (2, 1)
            assert (await store.finish_item(completed(working))).status is I.COMPLETED
            assert await store.check_counters(run.id) == {}
            with pytest.raises(NoSuchRecord):
                await store.cancel_run(77, "ann")

        house.run(test)

    def test_a_reimport_takes_what_failed(self, house: House) -> None:
        """The new run has an item for each that failed, in their order, linked to it, and says who asked."""

        async def test(store: Store) -> None:
            old, items = await failed_run(store)
            run, created = await store.reimport(old.id, created_by="ann", note="again")

            new = (await store.items(run.id)).items
            assert created
            assert (run.reimport_of, run.created_by, run.note, run.status) == (old.id, "ann", "again", R.QUEUED)
            assert (run.integration, run.on_existing, run.source) == ("main", "skip", "reimport")
            assert [(each.reimport_of, each.ref, each.course_id, each.course_name) for each in new] == [
                (each.id, each.ref, each.course_id, each.course_name) for each in items
            ]
            assert {(each.status, each.attempts, each.reason, each.finished_at) for each in new} == {
                (I.QUEUED, 0, None, None)
            }
            assert (run.total, run.counts[I.QUEUED]) == (3, 3)
            assert await store.reimports([old.id, run.id]) == {old.id: [run.id]}
            assert await store.check_counters(run.id) == {}

        house.run(test)

    def test_success_marks_the_old_item(self, house: House) -> None:
        """With the new item's completion the old one is `failed_reimported`, linked, and keeps why it had failed."""

        async def test(store: Store) -> None:
            old, items = await failed_run(store)
            run, _ = await store.reimport(old.id, [items[0].id], created_by="ann")
            await begin(store, run)
            before = await store.last_event_id()
            (new,) = await tried(store, run, well=True)

            marked, *others = await fresh(store, items)
            assert (marked.status, marked.reimported_by, marked.reimported_in_run) == (
                I.FAILED_REIMPORTED,
                new.id,
                run.id,
            )
            assert (marked.reason, marked.finished_at) == (items[0].reason, items[0].finished_at)
            assert {each.status for each in others} == {I.FAILED}
            told = [(e.item_id, e.data["status"]) for e in await store.events_after(before) if e.kind == "item"]
            assert (marked.id, "failed_reimported") in told
            for each in (old, run):
                assert await store.check_counters(each.id) == {}
            with pytest.raises(Conflict, match=f"item {new.id} of run {run.id}"):
                await store.reimport(old.id, [marked.id], created_by="ann")

        house.run(test)

    @pytest.mark.parametrize(
        ("status", "reason", "marked"),
        [
            (I.SKIPPED, "unchanged", True),
            (I.SKIPPED, "archived", True),
            (I.SKIPPED, "excluded", False),
            (I.NOT_FOUND, None, False),
            (I.FAILED, "no_access", False),
        ],
    )
    def test_what_counts_as_success(self, house: House, status: ItemStatus, reason: str | None, marked: bool) -> None:
        """The old item is marked where its course is in a package now, and only there; else it may be tried again."""

        async def test(store: Store) -> None:
            old, items = await failed_run(store, 1)
            run, _ = await store.reimport(old.id, created_by="ann")
            (new,) = await take(store, run)
            await store.finish_item(ItemResult(item_id=new.id, status=status, reason=reason))

            (now,) = await fresh(store, items)
            assert now.status is (I.FAILED_REIMPORTED if marked else I.FAILED)
            if not marked:
                again, _ = await store.reimport(old.id, created_by="ann")
                assert again.total == 1

        house.run(test)

    def test_one_reimport_at_a_time(self, house: House) -> None:
        """Of two operators who reimport the same at once, one gets a run and the other a conflict without a trace."""

        async def test(store: Store) -> None:
            old, items = await failed_run(store)
            outcomes = await asyncio.gather(
                *(store.reimport(old.id, chosen, created_by="ann") for chosen in (None, None, [items[0].id])),
                return_exceptions=True,
            )

            (won,) = [each for each in outcomes if not isinstance(each, BaseException)]
            assert [type(each) for each in outcomes].count(Conflict) == 2
            assert all(f"run {won[0].id}" in str(each) for each in outcomes if isinstance(each, Conflict))
            assert [each.id for each in (await store.runs()).items] == [won[0].id, old.id]

        house.run(test)

    def test_what_is_under_way_is_left_out(self, house: House) -> None:
        """A reimport of all takes what is not under way; what was canceled there may be taken again."""

        async def test(store: Store) -> None:
            old, items = await failed_run(store)
            first, _ = await store.reimport(old.id, [items[1].id], created_by="ann")
            second, _ = await store.reimport(old.id, created_by="bob")
            taken = [each.reimport_of for each in (await store.items(second.id)).items]
            await store.pause(PauseLevel.RUN, str(first.id), "ann")
            await store.cancel_run(first.id, "ann")
            third, _ = await store.reimport(old.id, created_by="bob")

            assert taken == [items[0].id, items[2].id]
            assert [each.reimport_of for each in (await store.items(third.id)).items] == [items[1].id]

        house.run(test)

    def test_a_family_is_tried_once_at_a_time_and_marked_together(self, house: House) -> None:
        """Reimports of reimports are one family: one is open at a time, and a success marks all that had failed."""

        async def test(store: Store) -> None:
            old, (root,) = await failed_run(store, 1)
            second, _ = await store.reimport(old.id, created_by="ann")
            (child,) = await tried(store, second, well=False)
            third, _ = await store.reimport(old.id, created_by="ann")
            with pytest.raises(Conflict, match=f"run {third.id}"):
                await store.reimport(second.id, created_by="ann")
            (sibling,) = await tried(store, third, well=False)
            fourth, _ = await store.reimport(second.id, created_by="ann")
            for run in (old, third):
                with pytest.raises(Conflict, match=f"run {fourth.id}"):
                    await store.reimport(run.id, created_by="ann")
            (last,) = await tried(store, fourth, well=True)

            family = await fresh(store, [root, child, sibling])
            assert {(each.status, each.reimported_by) for each in family} == {(I.FAILED_REIMPORTED, last.id)}
            for run in (old, second, third, fourth):
                assert await store.check_counters(run.id) == {}

        house.run(test)

    def test_what_cannot_be_reimported(self, house: House) -> None:
        """Items that have not failed, are none of the run or do not exist are refused, and nothing is created."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, [ItemPlan(ref="1")])
            (item,) = (await store.items(run.id)).items
            with pytest.raises(Conflict, match="is queued"):
                await store.reimport(run.id, [item.id], created_by="ann")
            with pytest.raises(Conflict, match="no failed items"):
                await store.reimport(run.id, created_by="ann")
            with pytest.raises(NoSuchRecord, match="no item 77"):
                await store.reimport(run.id, [77], created_by="ann")
            with pytest.raises(NoSuchRecord, match="no run 77"):
                await store.reimport(77, created_by="ann")
            with pytest.raises(ValueError, match="at least one"):
                await store.reimport(run.id, [], created_by="ann")

            assert len((await store.runs()).items) == 1

        house.run(test)

    def test_the_same_key_reimports_once(self, house: House) -> None:
        """A repeated request under its key gives the first run, also once that has ended; another is refused."""

        async def test(store: Store) -> None:
            old, items = await failed_run(store)
            first, _ = await store.reimport(old.id, created_by="ann", idempotency_key="k")
            again, created = await store.reimport(old.id, created_by="ann", idempotency_key="k")
            with pytest.raises(Conflict, match="another request"):
                await store.reimport(old.id, [items[0].id], created_by="ann", idempotency_key="k")

            assert (again.id, created) == (first.id, False)

        house.run(test)

    def test_a_failure_repaired_before_the_run_ends_still_counts(self, house: House) -> None:
        """A run in which a course failed completes with errors, even if it was reimported meanwhile."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(2))
            bad, good = await take(store, run)
            await store.finish_item(failed(bad))
            again, _ = await store.reimport(run.id, created_by="ann")
            await tried(store, again, well=True)
            await store.finish_item(completed(good))
            ended = await store.finish_run_if_done(run.id)

            assert ended is not None
            assert ended.status is R.COMPLETED_WITH_ERRORS
            assert ended.counts[I.FAILED_REIMPORTED] == 1

        house.run(test)

    def test_a_course_found_by_an_attempt_is_noted(self, house: House) -> None:
        """An item that knew no course learns it from its result; never the same course twice in a run."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, [ItemPlan(ref="sis:A"), ItemPlan(ref="a")])
            found = Course(id="9", name="Nine", code="N")
            for item in await take(store, run):
                result = ItemResult(
                    item_id=item.id, status=I.SKIPPED, reason="archived", package_id="p", package_version=1, found=found
                )
                assert (await store.finish_item(result)).course_name == "Nine"

            items = (await store.items(run.id)).items
            assert [each.course_id for each in items] == ["9", None]
            assert {(each.course_name, each.course_code) for each in items} == {("Nine", "N")}

        house.run(test)

    def test_a_restart_keeps_pause_and_reimport(self, house: House) -> None:
        """After the process died, the pause holds, the reimport is still open, and its success marks the old item."""

        async def before(store: Store) -> tuple[Run, Run, list[Item]]:
            old, items = await failed_run(store, 1)
            run, _ = await store.reimport(old.id, created_by="ann")
            await take(store, run)
            await store.pause(PauseLevel.RUN, str(run.id), "ann")
            return old, run, items

        async def after(store: Store) -> None:
            await store.requeue_interrupted()
            with pytest.raises(Conflict, match="already"):
                await store.reimport(old.id, created_by="bob")
            assert await take(store, run) == []
            await store.resume(PauseLevel.RUN, str(run.id))
            await tried(store, run, well=True)
            assert [each.status for each in await fresh(store, items)] == [I.FAILED_REIMPORTED]

        old, run, items = house.run(before)
        house.run(after)
