"""Items at work: claimed, ended, queued again. The hot path: whole groups at a time, no ORM, driver executemany.

Every status an item gets after its creation is judged here, by `ITEM_CHANGES`; runs that end cancel their queued items
in `runs.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, func, or_, select, update

from coursekeep import Course
from coursekeep_daemon.runs.states import FINAL_RUN, ItemStatus, may_change_item
from coursekeep_daemon.store.catalogue import VersionStatements, write_versions
from coursekeep_daemon.store.counts import Tally
from coursekeep_daemon.store.database import Database
from coursekeep_daemon.store.errors import Conflict, NaiveDatetime, NoSuchRecord, StoreError
from coursekeep_daemon.store.holding import held_runs
from coursekeep_daemon.store.items import ITEM, select_items, tell_item
from coursekeep_daemon.store.models import item, run, run_count
from coursekeep_daemon.store.models_work import lease, worker
from coursekeep_daemon.store.records import Item, ItemResult
from coursekeep_daemon.store.reimports import mark_reimported
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import is_id
from coursekeep_daemon.store.runs import find_run, tell_run
from coursekeep_daemon.store.telling import tell_recovered_runs
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["DUE", "Finishing", "Work", "write_items"]

#: what a change may touch; all changes write all of it, so that one statement serves every kind
_WRITTEN = (
    "status",
    "reason",
    "detail",
    "attempts",
    "gaps",
    "package_id",
    "package_version",
    "archived_in_run",
    "not_before",
    "started_at",
    "finished_at",
)

_UPDATE = (
    update(item)
    .where(item.c.id == bindparam("of_item"))
    .values({name: bindparam(f"new_{name}", type_=item.c[name].type) for name in _WRITTEN})
)
_BY_IDS = (
    select_items()
    .add_columns(run.c.status, lease.c.id)
    .outerjoin(lease, lease.c.item_id == item.c.id)
    .where(item.c.id.in_(bindparam("ids", expanding=True)))
    .with_for_update(of=item)
)
_NOT_LEASED = ~select(lease.c.id).where(lease.c.item_id == item.c.id).exists()
#: what may be claimed or offered; takes `of_run`, `now` and `most`
DUE = (
    select_items()
    .where(item.c.run_id == bindparam("of_run"), item.c.status == ItemStatus.QUEUED, _NOT_LEASED)
    .where(or_(item.c.not_before.is_(None), item.c.not_before <= bindparam("now", type_=item.c.not_before.type)))
    .order_by(item.c.id)
    .limit(bindparam("most"))
    .with_for_update(of=item)
)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Claim:
    run_id: int
    limit: int
    now: datetime


class Work(Room):
    """Handing out items, and taking back what became of them."""

    async def claim_items(self, run_id: int, *, limit: int, now: datetime) -> list[Item]:
        """Take up to `limit` items that are queued and due, oldest first: they are `processing` when this returns.

        None of a run that a pause holds, and no item is given to two callers. Each claim counts as an attempt. Raises
        `NaiveDatetime`, and ValueError for a limit below 1. A caller that is cancelled while it waits may leave items
        in processing, until `requeue_interrupted` at the next start.
        """
        if now.utcoffset() is None:
            raise NaiveDatetime("`now` must have a time zone.")
        if limit < 1:
            raise ValueError(f"limit must be 1 or more, not {limit}")
        return await self._writer.submit(_claim, _Claim(run_id=run_id, limit=limit, now=now))

    async def next_due(self, run_id: int) -> datetime | None:
        """Return when the first of a run's postponed items is due; None where none is postponed."""
        query = select(func.min(item.c.not_before)).where(item.c.run_id == run_id, item.c.not_before.is_not(None))
        return await self._reader(lambda connection: connection.execute(query).scalar())

    async def finish_item(self, result: ItemResult) -> Item:
        """Store how an attempt at an item ended, with everything that follows from it, in one transaction.

        That is: the item, the package version and the course's newest package, the run's counters and gaps, and the
        event. An item that would be queued again in a run that has ended becomes canceled. A result with a fence counts
        only while the item's lease has that fence, and ends the lease; without one, only while there is no lease.
        Raises `Conflict` where lease or status do not allow it, `NoSuchRecord`, and ValueError for a result that
        contradicts itself.
        """
        _check(result)
        return await self._writer.submit(self._finishing, result)

    async def requeue_interrupted(self) -> int:
        """Queue again what a dead process was processing, and return how many items those are.

        Call it at start of the only process that works on items, before anything is claimed: workers that may still
        be about lose their leases. The attempts stay counted.
        """
        return await self._writer.run(_requeue_all)

    async def requeue_unleased(self) -> int:
        """Queue again what is being processed under no lease: the daemon did it itself, before there were workers.

        Returns how many items those are. The attempts stay counted.
        """
        return await self._writer.run(lambda tx: _requeue(tx, _NOT_LEASED))

    @cached_property
    def _finishing(self) -> Finishing:
        return Finishing(self._database)


def _check(result: ItemResult) -> None:
    version = result.version
    where = f"item {result.item_id}"
    if result.status is ItemStatus.COMPLETED and (result.package_id is None or result.package_version is None):
        raise ValueError(f"{where}: `completed` must name the version of the package that holds the course.")
    if result.status in (ItemStatus.FAILED, ItemStatus.SKIPPED) and not result.reason:
        raise ValueError(f"{where}: `{result.status}` needs a reason.")
    if version is not None and result.status is not ItemStatus.COMPLETED:
        raise ValueError(f"{where}: `{result.status}` cannot have written a version.")
    if version is not None and (version.package_id, version.version) != (result.package_id, result.package_version):
        raise ValueError(f"{where}: the version written is not the one the result names.")
    if result.gaps < 0:
        raise ValueError(f"{where}: {result.gaps} gaps")
    if result.not_before is not None and result.not_before.utcoffset() is None:
        raise NaiveDatetime(f"{where}: `not_before` must have a time zone.")


class Finishing:
    """Applies the results of a group: one read, and one executemany for each table."""

    def __init__(self, database: Database) -> None:
        self._versions = VersionStatements(database)

    def __call__(self, tx: Transaction, results: Sequence[ItemResult]) -> list[Item | StoreError]:
        ids = [result.item_id for result in results if is_id(result.item_id)]
        known: dict[int, Item] = {}
        ended_runs: set[int] = set()
        fences: dict[int, int] = {}
        for row in tx.execute(_BY_IDS, {"ids": ids}):
            run_status, fence = row[-2:]
            each = ITEM.record(row[:-2])
            known[each.id] = each
            if run_status in FINAL_RUN:
                ended_runs.add(each.run_id)
            if fence is not None:
                fences[each.id] = fence
        tally = Tally()
        outcomes: list[Item | StoreError] = []
        done: list[tuple[Item, ItemResult]] = []
        for result in results:
            old = known.get(result.item_id)
            ended = old is not None and old.run_id in ended_runs
            outcome = _judge(tx, old, result, run_ended=ended, fence=fences.get(result.item_id))
            if isinstance(outcome, Item) and outcome.course_id is None and result.found is not None:
                outcome = _learn(tx, outcome, result.found)
            outcomes.append(outcome)
            if old is not None and isinstance(outcome, Item):
                known[old.id] = outcome  # a second result for one item meets the first
                fences.pop(old.id, None)
                tally.move(old.run_id, old.status, outcome.status, gaps=outcome.gaps - old.gaps)
                done.append((outcome, result))
        if leases := [result.fence for _, result in done if result.fence is not None]:
            tx.execute(delete(lease).where(lease.c.id.in_(leases)))
        mended = mark_reimported(tx, [each for each, _ in done], tally)
        write_items(tx, [each for each, _ in done], tally)
        if mended:  # judged by the counters, which stand only now
            tell_recovered_runs(tx, mended)
        write_versions(tx, self._versions, [result.version for _, result in done if result.version is not None])
        return outcomes


def _judge(
    tx: Transaction, old: Item | None, result: ItemResult, *, run_ended: bool, fence: int | None
) -> Item | StoreError:
    if old is None:
        return NoSuchRecord(f"There is no item {result.item_id}.")
    if result.fence != fence and old.status is ItemStatus.PROCESSING:
        return Conflict(f"Item {old.id} is worked on by another process meanwhile: this result does not count.")
    if old.status is not ItemStatus.PROCESSING or not may_change_item(old.status, result.status):
        return Conflict(f"Item {old.id} is {old.status}; it cannot become {result.status}.")
    again = result.status is ItemStatus.QUEUED
    canceled = again and run_ended  # processing -> queued -> canceled in one go: nobody will claim it any more
    return replace(
        old,
        status=ItemStatus.CANCELED if canceled else result.status,
        reason=result.reason,
        detail=result.detail,
        attempts=old.attempts if result.count_attempt else max(old.attempts - 1, 0),
        gaps=result.gaps if result.status is ItemStatus.COMPLETED else 0,
        package_id=result.package_id,
        package_version=result.package_version,
        archived_in_run=result.archived_in_run,
        not_before=result.not_before if again and not canceled else None,
        started_at=None if again else old.started_at,
        finished_at=None if again and not canceled else tx.now,
    )


def _claim(tx: Transaction, claims: Sequence[_Claim]) -> list[list[Item] | StoreError]:
    by_run: dict[int, list[_Claim]] = {}
    for claim in claims:
        by_run.setdefault(claim.run_id, []).append(claim)
    tally = Tally()
    held = held_runs(tx, [run_id for run_id in by_run if is_id(run_id)])
    queues = {run_id: [] if run_id in held else _take(tx, run_id, those, tally) for run_id, those in by_run.items()}
    taken: list[Item] = [each for queue in queues.values() for each in queue]
    write_items(tx, taken, tally)
    outcomes: list[list[Item] | StoreError] = []
    for claim in claims:
        queue = queues[claim.run_id]
        outcomes.append(queue[: claim.limit])
        del queue[: claim.limit]
    return outcomes


def _take(tx: Transaction, run_id: int, claims: Sequence[_Claim], tally: Tally) -> list[Item]:
    if not is_id(run_id):
        return []
    # callers' clocks differ by microseconds: what is due for the earliest is due for all
    now = min(claim.now for claim in claims)
    values = {"of_run": run_id, "now": now, "most": min(sum(claim.limit for claim in claims), 2**31)}
    taken = [
        replace(each, status=ItemStatus.PROCESSING, attempts=each.attempts + 1, started_at=now, not_before=None)
        for each in ITEM.rows(tx.execute(DUE, values))
    ]
    tally.move(run_id, ItemStatus.QUEUED, ItemStatus.PROCESSING, items=len(taken))
    return taken


def write_items(tx: Transaction, items: Sequence[Item], tally: Tally) -> None:
    rows = []
    for each in items:
        row = {f"new_{name}": getattr(each, name) for name in _WRITTEN}
        row["of_item"] = each.id
        rows.append(row)
        tell_item(tx, each)
    tx.execute_many(_UPDATE, rows)
    if rows:
        tally.write(tx)


def _learn(tx: Transaction, of: Item, course: Course) -> Item:
    """Note the course of an item that was known by its reference only; its id unless another item has it already."""
    taken = select(item.c.id).where(item.c.run_id == of.run_id, item.c.course_id == course.id)
    learnt: dict[str, Any] = {"course_name": course.name, "course_code": course.code}
    if tx.execute(taken).first() is None:
        learnt["course_id"] = course.id
    tx.execute(update(item).where(item.c.id == of.id).values(**learnt))
    return replace(of, **learnt)


def _requeue_all(tx: Transaction) -> int:
    tx.execute(delete(lease))
    tx.execute(delete(worker))
    return _requeue(tx)


def _requeue(tx: Transaction, *which: ColumnElement[bool]) -> int:
    interrupted = select(run_count.c.run_id, run.c.status).join(run, run.c.id == run_count.c.run_id)
    total = 0
    for run_id, run_status in tx.execute(interrupted.where(run_count.c.processing > 0)).all():
        ended = run_status in FINAL_RUN
        to = ItemStatus.CANCELED if ended else ItemStatus.QUEUED
        values = {"status": to, "started_at": None, "finished_at": tx.now if ended else None}
        at_work = update(item).where(item.c.run_id == run_id, item.c.status == ItemStatus.PROCESSING, *which)
        moved = tx.execute(at_work.values(**values)).rowcount
        if not moved:
            continue
        tally = Tally()
        tally.move(run_id, ItemStatus.PROCESSING, to, items=moved)
        tally.write(tx)
        tell_run(tx, find_run(tx, run_id))
        total += moved
    return total
