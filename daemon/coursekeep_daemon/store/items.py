"""Items as they are planned and listed. What happens to them in work is in `work.py`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, select

from coursekeep_daemon.runs.states import FINAL_RUN, NEW_ITEM, ItemStatus
from coursekeep_daemon.store.counts import Tally
from coursekeep_daemon.store.errors import Conflict
from coursekeep_daemon.store.models import item, run
from coursekeep_daemon.store.records import Item, ItemPlan, Slice
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape, is_id, page
from coursekeep_daemon.store.runs import find_run, tell_run
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["ITEM", "Items", "items_scope", "select_items", "tell_item"]

ITEM = Shape(Item, item, {"integration": run.c.integration})

#: plans in one transaction, so that other writers wait for tens of milliseconds, not for 200,000 items
PLANS_AT_ONCE = 5000

#: items in one read of `iter_items`
_PAGE = 1000

_PLAN_FIELDS = list(ItemPlan.__dataclass_fields__)


class Items(Room):
    """The course imports of runs."""

    async def add_items(self, run_id: int, plans: Sequence[ItemPlan]) -> int:
        """Add items to an open run, in this order, and return how many were new.

        A plan whose `ref`, or whose `course_id`, the run has already is dropped. Up to 5,000 plans are added in one
        transaction, more in several: who died in between adds them all again. Raises `NoSuchRecord`; `Conflict` where
        the run has ended; ValueError for a status that no new item may have.
        """
        for plan in plans:
            if plan.status not in NEW_ITEM:
                raise ValueError(f"An item cannot be created as {plan.status} ({plan.ref!r}).")
        new = 0
        for start in range(0, len(plans), PLANS_AT_ONCE):
            part = plans[start : start + PLANS_AT_ONCE]
            new += await self._writer.run(lambda tx, part=part: _add(tx, run_id, part))  # type: ignore[misc]  # bound now
        return new

    async def item(self, item_id: int) -> Item | None:
        """Return one item; None where there is none of that id."""
        if not is_id(item_id):
            return None
        return await self._reader(lambda connection: ITEM.one(connection, select_items().where(item.c.id == item_id)))

    async def items(
        self, run_id: int, *, status: ItemStatus | None = None, limit: int = 50, cursor: str | None = None
    ) -> Slice[Item]:
        """List the items of a run in the order they were added; none for an unknown run. Raises `BadCursor`."""
        if not is_id(run_id):
            return Slice(items=[])
        return await self._reader(lambda connection: _page(connection, run_id, status, limit, cursor))

    async def iter_items(self, run_id: int, status: ItemStatus | None = None) -> AsyncIterator[Item]:
        """Yield the items of a run, a thousand to a read, each once.

        With a status, an item that changes it meanwhile may be missed.
        """
        cursor: str | None = None
        while True:
            part = await self.items(run_id, status=status, limit=_PAGE, cursor=cursor)
            for each in part.items:
                yield each
            cursor = part.next_cursor
            if cursor is None:
                return

    async def refs_of(self, run_id: int) -> set[str]:
        """Return the refs of a run's items, so that an interrupted planning can go on."""
        query = select(item.c.ref).where(item.c.run_id == run_id)
        return await self._reader(lambda connection: set(connection.execute(query).scalars()))


def select_items() -> Select[Any]:
    """Begin a query for items, with their run's integration."""
    return select(*ITEM.columns).join(run, run.c.id == item.c.run_id)


def tell_item(tx: Transaction, changed: Item) -> None:
    """Note the event of an item that changed."""
    data = {
        "integration": changed.integration,
        "ref": changed.ref,
        "course_id": changed.course_id,
        "status": changed.status,
        "reason": changed.reason,
        "attempts": changed.attempts,
        "gaps": changed.gaps,
        "package_id": changed.package_id,
        "package_version": changed.package_version,
        "reimported_by": changed.reimported_by,
        "reimported_in_run": changed.reimported_in_run,
    }
    tx.tell("item", data, run_id=changed.run_id, item_id=changed.id)


def items_scope(run_id: int, status: ItemStatus | None) -> str:
    """Name the list of a run's items, for its cursors."""
    return f"items {run_id} {status}"


def _page(
    connection: Connection, run_id: int, status: ItemStatus | None, limit: int, cursor: str | None
) -> Slice[Item]:
    query = select_items().where(item.c.run_id == run_id)
    if status is not None:
        query = query.where(item.c.status == status)
    return page(connection, ITEM, query, item.c.id, scope=items_scope(run_id, status), limit=limit, cursor=cursor)


def _add(tx: Transaction, run_id: int, plans: Sequence[ItemPlan]) -> int:
    owner = find_run(tx, run_id)
    if owner.status in FINAL_RUN:
        raise Conflict(f"Run {run_id} is {owner.status}: nothing can be added to it.")
    before = tx.execute(select(func.coalesce(func.max(item.c.id), 0))).scalar_one()
    tx.insert_new(item, [_row(tx, run_id, plan) for plan in plans])
    added = select(item.c.status, func.count()).where(item.c.run_id == run_id, item.c.id > before)
    tally = Tally()
    new = 0
    for status, number in tx.execute(added.group_by(item.c.status)):
        tally.create(run_id, status, number)
        new += number
    if new:
        tally.write(tx)
        tell_run(tx, find_run(tx, run_id))
    return new


def _row(tx: Transaction, run_id: int, plan: ItemPlan) -> dict[str, Any]:
    row = {name: getattr(plan, name) for name in _PLAN_FIELDS}
    row["run_id"] = run_id
    row["created_at"] = tx.now
    row["attempts"] = row["gaps"] = 0
    row["finished_at"] = None if plan.status is ItemStatus.QUEUED else tx.now
    return row
