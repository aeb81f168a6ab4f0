"""The promises of the store about how many items ended on which day, for each database's tests to inherit."""

from __future__ import annotations

from datetime import UTC, date, datetime

from fakes.store_house import House, completed, failed, new_run, plans

from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import DayCount, ItemPlan, Run, Store

__all__ = ["DayContract"]

I = ItemStatus  # noqa: E741

FIRST = date(2026, 3, 1)
SECOND = date(2026, 3, 2)


async def end(store: Store, run: Run, now: datetime, *, well: bool) -> None:
    """Bring one item of a run to its end."""
    (item,) = await store.claim_items(run.id, limit=1, now=now)
    await store.finish_item(completed(item) if well else failed(item))


def seen(days: list[DayCount]) -> list[tuple[date, str, ItemStatus, int]]:
    return [(each.day, each.integration, each.status, each.count) for each in days]


class DayContract:
    """Every item that ends counts once, on the day in UTC on which it ended."""

    def test_the_day_is_that_of_the_end_in_utc(self, house: House) -> None:
        """An item counts on the day on which it ended, a moment before midnight or after, not when it was planned."""

        async def test(store: Store) -> None:
            house.clock.now = datetime(2026, 3, 1, 23, 59, 59, tzinfo=UTC)
            run = await new_run(store)
            await store.add_items(run.id, plans(3))
            await end(store, run, house.clock(), well=True)
            house.clock.move(seconds=1)
            await end(store, run, house.clock(), well=True)
            await end(store, run, house.clock(), well=False)

            assert seen(await store.archived_per_day(FIRST)) == [
                (FIRST, "main", I.COMPLETED, 1),
                (SECOND, "main", I.COMPLETED, 1),
                (SECOND, "main", I.FAILED, 1),
            ]
            assert [each.day for each in await store.archived_per_day(SECOND)] == [SECOND, SECOND]

        house.run(test)

    def test_what_ends_without_an_attempt_counts_too(self, house: House) -> None:
        """What planning finds out at once counts, once however often it is added, and so does what is canceled."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            found = [ItemPlan(ref="a", status=I.NOT_FOUND), ItemPlan(ref="b", status=I.SKIPPED, reason="archived")]
            await store.add_items(run.id, [*found, *plans(2)])
            await store.add_items(run.id, found)
            await store.change_run(run.id, RunStatus.CANCELED)

            assert {each.status: each.count for each in await store.archived_per_day(FIRST)} == {
                I.NOT_FOUND: 1,
                I.SKIPPED: 1,
                I.CANCELED: 2,
            }
            assert await store.check_day_counts() == {}

        house.run(test)

    def test_a_reimport_does_not_change_the_past(self, house: House) -> None:
        """A failed item that is reimported later stays failed on its day; its successor counts on its own."""

        async def test(store: Store) -> None:
            run = await new_run(store)
            await store.add_items(run.id, plans(1))
            await end(store, run, house.clock(), well=False)
            await store.finish_run_if_done(run.id)
            house.clock.move(days=1)
            again, _ = await store.reimport(run.id, created_by="ann")
            await end(store, again, house.clock(), well=True)

            assert (await store.items(run.id)).items[0].status is I.FAILED_REIMPORTED
            assert seen(await store.archived_per_day(FIRST)) == [
                (FIRST, "main", I.FAILED, 1),
                (SECOND, "main", I.COMPLETED, 1),
            ]
            assert await store.check_day_counts() == {}

        house.run(test)

    def test_integrations_are_counted_apart(self, house: House) -> None:
        """Days can be asked for one integration."""

        async def test(store: Store) -> None:
            await store.sync_integrations([("main", "canvas", {}), ("other", "canvas", {})])
            for name in ("main", "other", "other"):
                values = {"integration": name, "source": "ids", "params": {}, "on_existing": "skip"}
                run, _ = await store.create_run(**values, note=None, created_by="cli")  # type: ignore[arg-type]
                await store.add_items(run.id, [ItemPlan(ref="1", status=I.NOT_FOUND)])

            assert seen(await store.archived_per_day(FIRST, "other")) == [(FIRST, "other", I.NOT_FOUND, 2)]
            assert len(await store.archived_per_day(FIRST)) == 2
            assert await store.archived_per_day(FIRST, "nobody") == []

        house.run(test)
