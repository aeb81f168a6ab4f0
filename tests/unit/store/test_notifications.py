"""What the store notes for operators: with the change itself, once, and not for what needs nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from fakes.store_house import START, House

from coursekeep_daemon.notifications.records import Notification
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import ItemPlan, PauseLevel, Run, Store


def in_store(house: House, test: Callable[[Store], Awaitable[None]]) -> None:
    async def main(store: Store) -> None:
        await store.sync_integrations([("main", "canvas", {})])
        await test(store)

    house.run(main)


async def processing(store: Store, *reasons: str | None) -> Run:
    """Make a run in which the planner found these items: failed with a reason, or queued."""
    run, _ = await store.create_run(
        integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="ann"
    )
    await store.change_run(run.id, RunStatus.PLANNING)
    plans = [
        ItemPlan(ref=str(number), status=ItemStatus.FAILED if reason else ItemStatus.QUEUED, reason=reason)
        for number, reason in enumerate(reasons)
    ]
    await store.add_items(run.id, plans)
    return await store.change_run(run.id, RunStatus.PROCESSING)


async def told(store: Store) -> list[Notification]:
    return [each.notification for each in reversed((await store.notifications(limit=200)).items)]


def test_a_run_with_failed_courses_is_noted_with_its_commonest_reasons(house: House) -> None:
    """The note has the counts and up to five reasons, the commonest first."""
    reasons = ["no_access", "no_access", "b", "c", "d", "e", "f", "lms_unavailable", "lms_unavailable", "no_access"]

    async def test(store: Store) -> None:
        run = await processing(store, *reasons)
        assert await told(store) == []
        await store.finish_run_if_done(run.id)
        (one,) = await told(store)

        assert (one.kind, one.run_id, one.integration, one.told_at) == ("run_failed", run.id, "main", None)
        assert one.data["counts"] == {"failed": 10}
        assert [(each["reason"], each["count"]) for each in one.data["reasons"]] == [
            ("no_access", 3),
            ("lms_unavailable", 2),
            ("b", 1),
            ("c", 1),
            ("d", 1),
        ]

    in_store(house, test)


@pytest.mark.parametrize("how", ["fails", "is canceled", "ends well"])
def test_which_ends_of_a_run_are_noted(house: House, how: str) -> None:
    """A run that fails is noted without any item; one that was canceled or ended well is not."""

    async def test(store: Store) -> None:
        run = await processing(store, *(["no_access", None] if how == "is canceled" else []))
        if how == "fails":
            await store.change_run(run.id, RunStatus.FAILED, "the LMS has no such term")
        elif how == "is canceled":
            await store.pause(PauseLevel.RUN, str(run.id), "ann")
            await store.cancel_run(run.id, "ann")
        else:
            await store.finish_run_if_done(run.id)
        found = [(one.kind.value, one.data["reason"]) for one in await told(store)]

        assert found == ([("run_failed", "the LMS has no such term")] if how == "fails" else [])

    in_store(house, test)


async def archive(store: Store, run: Run, house: House, **more: Any) -> None:
    """Let every queued item of a run end well."""
    from coursekeep_daemon.store import ItemResult

    await store.change_run(run.id, RunStatus.PLANNING)
    await store.change_run(run.id, RunStatus.PROCESSING)
    for item in await store.claim_items(run.id, limit=100, now=house.clock()):
        await store.finish_item(ItemResult(item_id=item.id, status=ItemStatus.SKIPPED, reason="archived", **more))
    await store.finish_run_if_done(run.id)


def test_a_recovery_is_noted_with_the_last_failed_course_and_names_what_was_canceled(house: House) -> None:
    """A run that failed on the way recovers when its failed courses are archived; canceled ones are still counted."""

    async def test(store: Store) -> None:
        run = await processing(store, "no_access", "no_access", None)
        await store.change_run(run.id, RunStatus.FAILED, "stopped")
        first, _ = await store.reimport(run.id, [1], created_by="ann")
        await archive(store, first, house)
        assert [one.kind.value for one in await told(store)] == ["run_failed"]
        second, _ = await store.reimport(run.id, created_by="ann")
        await archive(store, second, house)
        failed, recovered = await told(store)

        assert (recovered.kind, recovered.run_id, recovered.recovers) == ("run_recovered", run.id, failed.id)
        assert recovered.data == {
            "counts": {"failed_reimported": 2, "canceled": 1},
            "archived_by_runs": [first.id, second.id],
        }

    in_store(house, test)


def test_a_run_whose_failures_were_mended_before_its_end_is_not_noted(house: House) -> None:
    """A run ends with errors, but nothing of it is left to be told; nor is it told to have recovered."""

    async def test(store: Store) -> None:
        run = await processing(store, "no_access", None)
        again, _ = await store.reimport(run.id, created_by="ann")
        await archive(store, again, house)
        for item in await store.claim_items(run.id, limit=1, now=house.clock()):
            from coursekeep_daemon.store import ItemResult

            await store.finish_item(ItemResult(item_id=item.id, status=ItemStatus.SKIPPED, reason="archived"))
        ended = await store.finish_run_if_done(run.id)

        assert ended is not None
        assert ended.status is RunStatus.COMPLETED_WITH_ERRORS
        assert await told(store) == []

    in_store(house, test)


def test_credentials_and_storage_are_noted_once_in_turn(house: House) -> None:
    """A trouble is noted once until it is over; that it is over is noted once, and only after a trouble."""

    async def test(store: Store) -> None:
        assert not await store.release_integration("main")
        assert not await store.tell_storage_released()
        for _ in range(2):
            for _ in range(2):
                await store.halt_integration("main", "expired")
                await store.tell_storage_held("full", house.clock())
            assert await store.storage_told()
            for _ in range(2):
                await store.release_integration("main")
                await store.tell_storage_released()
            assert not await store.storage_told()
        found = await told(store)

        in_turn = ["credentials_needed", "storage_held", "credentials_renewed", "storage_released"]
        assert [one.kind.value for one in found] == in_turn * 2
        assert [one.recovers for one in found] == [None, None, 1, 2, None, None, 5, 6]
        assert len({one.uid for one in found}) == 8

    in_store(house, test)


def test_a_change_that_is_undone_notes_nothing(house: House) -> None:
    """A halt of an integration that is not there, and a second end of a run, leave no notification behind."""

    async def test(store: Store) -> None:
        from coursekeep_daemon.store import Conflict, NoSuchRecord

        with pytest.raises(NoSuchRecord):
            await store.halt_integration("nobody", "expired")
        run = await processing(store)
        await store.change_run(run.id, RunStatus.FAILED, "stopped")
        with pytest.raises(Conflict):
            await store.change_run(run.id, RunStatus.FAILED, "stopped again")

        assert [one.kind.value for one in await told(store)] == ["run_failed"]

    in_store(house, test)


def test_how_a_delivery_goes_is_noted(house: House) -> None:
    """Attempts are counted, refusals of the message apart; it waits until the next is due, or ends delivered."""

    async def test(store: Store) -> None:
        await store.finish_run_if_done((await processing(store, "no_access")).id)
        (one,) = await store.unaddressed()
        assert await store.address(one.id, ["ops"])
        later = START + timedelta(minutes=1)

        async def noted() -> tuple[int, int, datetime | None, str | None]:
            found = await store.next_delivery("ops")
            assert found is not None
            delivery = found[1]
            return delivery.attempts, delivery.refusals, delivery.next_attempt_at, delivery.last_error

        await store.undelivered(one.id, "ops", "busy", next_attempt_at=later)
        assert await noted() == (1, 0, later, "busy")
        await store.undelivered(one.id, "ops", "no", next_attempt_at=later, refused=True)
        assert await noted() == (2, 1, later, "no")
        await store.delivered(one.id, "ops")
        assert await store.next_delivery("ops") is None
        assert [each.told_at is not None for each in await told(store)] == [True]

    in_store(house, test)
