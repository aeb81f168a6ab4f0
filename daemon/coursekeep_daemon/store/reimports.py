"""Reimports: failed items taken again in a run of their own, and what its success means for them.

An item, those that it takes again, and those that take it again are one family: the same course, tried again and again.
At most one of a family is open at any time. When one of them gets its course into a package, all of the family that had
failed become `failed_reimported` in the same transaction, and name the item and the run that succeeded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, and_, bindparam, func, insert, literal, select, update

from coursekeep_daemon.runs.states import ItemStatus, has_package
from coursekeep_daemon.store.counts import Tally
from coursekeep_daemon.store.errors import Conflict, NoSuchRecord
from coursekeep_daemon.store.items import ITEM, select_items, tell_item
from coursekeep_daemon.store.models import item, run
from coursekeep_daemon.store.records import Item, Run
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.runs import create_run, find_run, new_run_row, tell_run
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Reimports", "mark_reimported"]

_OPEN = (ItemStatus.QUEUED, ItemStatus.PROCESSING)

#: what a new item takes from the one that failed
_TAKEN = ("ref", "course_id", "course_name", "course_code")

_MARK = (
    update(item)
    .where(item.c.id == bindparam("of_item"))
    .values(
        status=ItemStatus.FAILED_REIMPORTED,
        reimported_by=bindparam("new_reimported_by"),
        reimported_in_run=bindparam("new_reimported_in_run"),
    )
)


class Reimports(Room):
    """Runs that take failed items of another run again."""

    async def reimport(
        self,
        run_id: int,
        items: Sequence[int] | None = None,
        *,
        created_by: str,
        note: str | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Run, bool]:
        """Create a run with the failed items of another, or a chosen few of them, and return it with True.

        Without `items`, those that are being reimported already are left out. The run and its items are one
        transaction. With a key that `created_by` has used before, the earlier run comes back with False. Raises
        `NoSuchRecord` for an unknown run, or an item that is none of it; `Conflict` where there is nothing to reimport,
        a chosen item has not failed or is being reimported already, or the key was used for another request;
        ValueError for an empty choice.
        """
        chosen = None if items is None else sorted(set(items))
        if chosen is not None and not chosen:
            raise ValueError("Name at least one item, or leave `items` out for all that failed.")
        return await self._writer.run(lambda tx: _reimport(tx, run_id, chosen, created_by, note, idempotency_key))

    async def reimports(self, run_ids: Collection[int]) -> Mapping[int, list[int]]:
        """Return the runs that take failed items of these runs again, oldest first; nothing for runs without any."""
        query = select(run.c.reimport_of, run.c.id).where(run.c.reimport_of.in_(run_ids)).order_by(run.c.id)

        def read(connection: Connection) -> dict[int, list[int]]:
            found: dict[int, list[int]] = {}
            for old, new in connection.execute(query):
                found.setdefault(old, []).append(new)
            return found

        return await self._reader(read)


def mark_reimported(tx: Transaction, ended: Sequence[Item], tally: Tally) -> set[int]:
    """Mark the failed families of items that have just ended well, count them, and return the runs they are of."""
    well = {each.id: each for each in ended if each.reimport_of is not None and has_package(each.status, each.reason)}
    if not well:
        return set()
    rows = []
    runs = set()
    for origin, *row in tx.execute(_family(item.c.id.in_(well), member_is=(ItemStatus.FAILED,))):
        old, new = ITEM.record(row), well[origin]
        runs.add(old.run_id)
        tally.move(old.run_id, ItemStatus.FAILED, ItemStatus.FAILED_REIMPORTED)
        rows.append({"of_item": old.id, "new_reimported_by": new.id, "new_reimported_in_run": new.run_id})
        marked = replace(old, status=ItemStatus.FAILED_REIMPORTED, reimported_by=new.id, reimported_in_run=new.run_id)
        tell_item(tx, marked)
    tx.execute_many(_MARK, rows)
    return runs


def _family(of: ColumnElement[bool], *, member_is: Collection[ItemStatus]) -> Select[Any]:
    """Select the members in some statuses of the families of some items: the item's id, then the member."""
    up = select(item.c.id.label("origin"), item.c.id, item.c.reimport_of).where(of).cte("up", recursive=True)
    older = item.alias("older")
    up = up.union(select(up.c.origin, older.c.id, older.c.reimport_of).join(older, older.c.id == up.c.reimport_of))
    down = select(up.c.origin, up.c.id).cte("down", recursive=True)
    newer = item.alias("newer")
    down = down.union(select(down.c.origin, newer.c.id).join(newer, newer.c.reimport_of == down.c.id))
    members = (
        select(down.c.origin, *ITEM.columns).join(item, item.c.id == down.c.id).join(run, run.c.id == item.c.run_id)
    )
    return members.where(item.c.status.in_(member_is)).order_by(down.c.origin, item.c.id)


def _reimport(
    tx: Transaction, run_id: int, chosen: Sequence[int] | None, created_by: str, note: str | None, key: str | None
) -> tuple[Run, bool]:
    old = find_run(tx, run_id)
    request = {
        "integration": old.integration,
        "source": "reimport",
        "params": {"run": old.id} if chosen is None else {"run": old.id, "items": list(chosen)},
        "on_existing": old.on_existing,
        "note": note,
        "options": {},
        "schedule": None,
        "reimport_of": old.id,
    }
    new, created = create_run(tx, new_run_row(request, created_by=created_by, idempotency_key=key))
    if not created:
        return new, False
    failed = and_(item.c.run_id == old.id, item.c.status == ItemStatus.FAILED)
    if chosen is None:
        taken = _take_all(tx, old, new, failed)
    else:
        _check_chosen(tx, old, chosen)
        taken = _copy(tx, new, and_(failed, item.c.id.in_(chosen)))
    tally = Tally()
    tally.create(new.id, ItemStatus.QUEUED, taken)
    tally.write(tx)
    new = find_run(tx, new.id)
    tell_run(tx, new)
    return new, True


def _take_all(tx: Transaction, old: Run, new: Run, failed: ColumnElement[bool]) -> int:
    """Take what has failed and is not under way, and return how many items those are."""
    under_way = {each.origin: each.run_id for each in tx.execute(_family(failed, member_is=_OPEN))}
    # left out one by one only where there are some: a list of 200,000 ids is no condition for a database
    taken = _copy(tx, new, failed if not under_way else and_(failed, item.c.id.not_in(_under_way(failed))))
    if taken == 0 and under_way:
        runs = ", ".join(str(each) for each in sorted(set(under_way.values())))
        raise Conflict(f"All failed items of run {old.id} are being reimported already, in run {runs}.")
    if taken == 0:
        raise Conflict(f"Run {old.id} has no failed items to reimport.")
    return taken


def _under_way(failed: ColumnElement[bool]) -> Select[Any]:
    members = _family(failed, member_is=_OPEN).subquery()
    return select(members.c.origin)


def _check_chosen(tx: Transaction, old: Run, chosen: Sequence[int]) -> None:
    """Raise unless every chosen item is one of the run, has failed, and is not under way."""
    query = select_items().where(item.c.run_id == old.id, item.c.id.in_(chosen))
    known = {each.id: each for each in ITEM.all(tx.connection, query)}
    for item_id in chosen:
        if item_id not in known:
            raise NoSuchRecord(f"Run {old.id} has no item {item_id}.")
        found = known[item_id]
        if found.status is ItemStatus.FAILED_REIMPORTED:
            by = f"item {found.reimported_by} of run {found.reimported_in_run}"
            raise Conflict(f"Item {item_id} was reimported already: {by} archived its course.")
        if found.status is not ItemStatus.FAILED:
            raise Conflict(f"Item {item_id} is {found.status}; only failed items can be reimported.")
    other = tx.execute(_family(item.c.id.in_(chosen), member_is=_OPEN)).first()
    if other is not None:
        by = f"as item {other.id} of run {other.run_id}"
        raise Conflict(f"Item {other.origin} is being reimported already, {by}: wait for it, or cancel that run.")


def _copy(tx: Transaction, new: Run, which: ColumnElement[bool]) -> int:
    """Add an item to the new run for each old one, in their order and within the database; return how many."""
    moment = literal(tx.now, item.c.created_at.type)
    values: dict[str, ColumnElement[Any]] = {
        **{name: item.c[name] for name in _TAKEN},
        "run_id": literal(new.id),
        "status": literal(ItemStatus.QUEUED, item.c.status.type),
        "attempts": literal(0),
        "gaps": literal(0),
        "reimport_of": item.c.id,
        "created_at": moment,
    }
    source = select(*values.values()).where(which).order_by(item.c.id)
    tx.execute(insert(item).from_select(list(values), source))
    # counted, since drivers need not tell how many rows such an INSERT made
    added: int = tx.execute(select(func.count()).select_from(item).where(item.c.run_id == new.id)).scalar_one()
    return added
