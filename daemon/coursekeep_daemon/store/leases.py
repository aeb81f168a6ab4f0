"""Leases: how items get from the leader to workers, each to one at a time.

The leader offers an item: it stays `queued`, but has a lease, whose id is the fence, and a job that says both. The
worker that fetches the job begins the item, if the lease is still there: now it is `processing`, and the lease names
the worker. Whatever the worker does for it afterwards names the fence. Whoever takes an item from a worker deletes the
lease: from then on nothing that names the old fence counts, and the next lease has a higher one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, delete, insert, select, update

from coursekeep_daemon.runs.states import FINAL_RUN, ItemStatus
from coursekeep_daemon.store.counts import Tally
from coursekeep_daemon.store.errors import NaiveDatetime, StoreError
from coursekeep_daemon.store.holding import withheld_runs
from coursekeep_daemon.store.items import ITEM
from coursekeep_daemon.store.models import item, run
from coursekeep_daemon.store.models_work import lease, worker
from coursekeep_daemon.store.records import Item
from coursekeep_daemon.store.records_work import Lease, LeaseState
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape, is_id
from coursekeep_daemon.store.transaction import Transaction
from coursekeep_daemon.store.work import DUE, write_items

__all__ = ["LEASE", "Defer", "Leases"]

LEASE = Shape(Lease, lease)

#: puts the jobs of new leases into the engine's queue, on the driver's connection that the transaction is open on.
#: Raises `StoreError`; then nothing is offered.
Defer = Callable[[Any, Sequence[Lease]], None]

_OFFER = insert(lease).returning(*LEASE.columns)
_OFFERED = (
    select(*ITEM.columns)
    .add_columns(run.c.status, *LEASE.columns)
    .join(run, run.c.id == item.c.run_id)
    .join(lease, lease.c.item_id == item.c.id)
    .where(lease.c.id.in_(bindparam("fences", expanding=True)))
    .with_for_update(of=item)
)
_KNOWN = select(worker.c.id).where(worker.c.id.in_(bindparam("workers", expanding=True)))
_BEGIN = (
    update(lease)
    .where(lease.c.id == bindparam("fence"))
    .values(state=LeaseState.BEGUN, worker_id=bindparam("by"), begun_at=bindparam("at", type_=lease.c.begun_at.type))
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Begin:
    item_id: int
    fence: int
    worker_id: str


class Leases(Room):
    """Items on their way to workers."""

    async def offer_items(self, run_id: int, *, limit: int, now: datetime, defer: Defer) -> list[Lease]:
        """Offer up to `limit` items that are queued and due, oldest first, and defer their jobs in one transaction.

        None of a run that a pause or a halted integration holds, and none that is offered already. Raises
        `NaiveDatetime`, ValueError for a limit below 1, and what `defer` raises; then nothing is offered.
        """
        if now.utcoffset() is None:
            raise NaiveDatetime("`now` must have a time zone.")
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        return await self._writer.run(lambda tx: _offer(tx, run_id, limit, now, defer))

    async def begin_item(self, item_id: int, fence: int, worker_id: str) -> Item | None:
        """Take an offered item for a worker, and return it: it is `processing`, and its attempt is counted.

        Returns None where it is not to be begun: its lease is gone, or was taken by another worker; the worker itself
        has been swept; or its run has ended or is held now, which takes the offer back. Asked again by the worker that
        has it, for example after an answer was lost, it gives the item once more.
        """
        return await self._writer.submit(_begin, _Begin(item_id=item_id, fence=fence, worker_id=worker_id))

    async def holds_lease(self, item_id: int, fence: int) -> bool:
        """Tell whether an item is still leased under a fence."""
        query = select(lease.c.id).where(lease.c.id == fence, lease.c.item_id == item_id)
        return await self._reader(lambda connection: connection.execute(query).first() is not None)

    async def leases(self) -> list[Lease]:
        """Return all leases, oldest first: never more than workers have slots, and a few in hand."""
        query = select(*LEASE.columns).order_by(lease.c.id)
        return await self._reader(lambda connection: LEASE.all(connection, query))

    async def withdraw_offers(self, fences: Collection[int]) -> int:
        """Take back those of the offers that nobody has begun, and return how many: their items may be offered anew."""
        which = delete(lease).where(lease.c.id.in_(fences), lease.c.state == LeaseState.OFFERED)
        return await self._writer.run(lambda tx: tx.execute(which).rowcount)


def _offer(tx: Transaction, run_id: int, limit: int, now: datetime, defer: Defer) -> list[Lease]:
    if not is_id(run_id) or withheld_runs(tx, [run_id]):
        return []
    due = ITEM.all(tx.connection, DUE.params(of_run=run_id, now=now, most=min(limit, 2**31)))
    if not due:
        return []
    rows = [
        {
            "item_id": each.id,
            "run_id": run_id,
            "integration": each.integration,
            "state": LeaseState.OFFERED,
            "offered_at": tx.now,
        }
        for each in due
    ]
    offered = sorted(LEASE.rows(tx.connection.execute(_OFFER, rows)), key=lambda each: each.item_id)
    defer(tx.connection.connection.driver_connection, offered)
    return offered


def _begin(tx: Transaction, begins: Sequence[_Begin]) -> list[Item | StoreError | None]:
    width = len(ITEM.columns)
    offered: dict[int, tuple[Item, bool, Lease]] = {}
    for row in tx.execute(_OFFERED, {"fences": [each.fence for each in begins if is_id(each.fence)]}):
        found = LEASE.record(row[width + 1 :])
        offered[found.id] = (ITEM.record(row[:width]), row[width] in FINAL_RUN, found)
    live = set(tx.execute(_KNOWN, {"workers": list({each.worker_id for each in begins})}).scalars())
    withheld = withheld_runs(tx, {found.run_id for _, _, found in offered.values()})
    begun: dict[int, tuple[Item, str]] = {}
    refused: list[int] = []
    outcomes: list[Item | StoreError | None] = []
    for each in begins:
        if each.fence not in offered or each.worker_id not in live:
            outcomes.append(None)
            continue
        of, ended, found = offered[each.fence]
        if each.fence not in begun and found.state is LeaseState.OFFERED:
            if ended or found.run_id in withheld or of.id != each.item_id or of.status is not ItemStatus.QUEUED:
                refused.append(each.fence)
                outcomes.append(None)
                continue
            begun[each.fence] = (_at_work(of, tx.now), each.worker_id)
        outcomes.append(_given(each, of, found, begun))
    _write(tx, begun, refused)
    return outcomes


def _at_work(of: Item, now: datetime) -> Item:
    return replace(of, status=ItemStatus.PROCESSING, attempts=of.attempts + 1, started_at=now, not_before=None)


def _given(asked: _Begin, of: Item, found: Lease, begun: Mapping[int, tuple[Item, str]]) -> Item | None:
    """Return the item to the worker that has it, now or from before."""
    if asked.fence in begun:
        now, by = begun[asked.fence]
        return now if by == asked.worker_id else None
    return of if found.worker_id == asked.worker_id and found.item_id == asked.item_id else None


def _write(tx: Transaction, begun: Mapping[int, tuple[Item, str]], refused: Iterable[int]) -> None:
    tally = Tally()
    for of, _ in begun.values():
        tally.move(of.run_id, ItemStatus.QUEUED, ItemStatus.PROCESSING)
    write_items(tx, [of for of, _ in begun.values()], tally)
    tx.execute_many(_BEGIN, [{"fence": fence, "by": by, "at": tx.now} for fence, (_, by) in begun.items()])
    if gone := list(refused):
        tx.execute(delete(lease).where(lease.c.id.in_(gone)))
