"""Runs: created, changed by the table of states, finished when nothing is left to do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update

from coursekeep_daemon.runs.states import FINAL_RUN, ItemStatus, RunStatus, may_change_run
from coursekeep_daemon.store import counts
from coursekeep_daemon.store.errors import Conflict, NoSuchRecord, StoreError
from coursekeep_daemon.store.holding import held_runs, lift_pause
from coursekeep_daemon.store.models import integration as integration_table
from coursekeep_daemon.store.models import item, run, run_count
from coursekeep_daemon.store.models_work import lease
from coursekeep_daemon.store.records import PauseLevel, Run, Slice
from coursekeep_daemon.store.records_work import LeaseState
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape, is_id, page
from coursekeep_daemon.store.telling import tell_failed_run
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Runs", "create_run", "find_run", "new_run_row", "open_runs_in_brief", "tell_run"]

_FIELDS = [name for name in Run.__dataclass_fields__ if name not in ("counts", "total", "gaps")]


class _RunShape(Shape[Run]):
    """Runs are read from two tables; some without what was asked for, which may be megabytes of ids."""

    def __init__(self, *, without: Collection[str] = ()) -> None:
        names = [name for name in _FIELDS if name not in without]
        self.names = [*names, *counts.COUNTERS]
        self.columns = [*(run.c[name] for name in names), *(run_count.c[name] for name in counts.COUNTERS)]
        self._empty: dict[str, Any] = {name: MappingProxyType({}) for name in without}

    def record(self, row: Sequence[Any]) -> Run:
        values = dict(zip(self.names, row, strict=True))
        by_status = {status: values.pop(status.value) for status in ItemStatus}
        return Run(**values, **self._empty, counts=by_status)


_RUN = _RunShape()
_BRIEF = _RunShape(without=("params", "options"))


class Runs(Room):
    """Requests to archive courses."""

    async def create_run(
        self,
        *,
        integration: str,
        source: str,
        params: Mapping[str, Any],
        on_existing: str,
        note: str | None,
        created_by: str,
        options: Mapping[str, Any] | None = None,
        schedule: str | None = None,
        idempotency_key: str | None = None,
        reimport_of: int | None = None,
    ) -> tuple[Run, bool]:
        """Create a run, and return it with True.

        With a key that `created_by` has used before, nothing is created: the earlier run comes back with False, as it
        is now. Raises `Conflict` where that earlier request was another, `NoSuchRecord` for an unknown integration or
        run, ValueError for what cannot be stored as JSON.
        """
        request = {
            "integration": integration,
            "source": source,
            "params": dict(params),
            "on_existing": on_existing,
            "note": note,
            "options": dict(options or {}),
            "schedule": schedule,
            "reimport_of": reimport_of,
        }
        row = new_run_row(request, created_by=created_by, idempotency_key=idempotency_key)
        return await self._writer.run(lambda tx: create_run(tx, row))

    async def run(self, run_id: int) -> Run | None:
        """Return one run; None where there is none of that id."""
        if not is_id(run_id):
            return None
        return await self._reader(lambda connection: _RUN.one(connection, _select().where(run.c.id == run_id)))

    async def run_in_brief(self, run_id: int) -> Run | None:
        """Return one run as `run` does, but with empty `params` and `options`: for whoever asks how it stands."""
        if not is_id(run_id):
            return None
        query = _select(_BRIEF).where(run.c.id == run_id)
        return await self._reader(lambda connection: _BRIEF.one(connection, query))

    async def runs(
        self,
        *,
        status: RunStatus | None = None,
        integration: str | None = None,
        schedule: str | None = None,
        created_since: datetime | None = None,
        created_before: datetime | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Slice[Run]:
        """List runs, newest first. Raises `BadCursor`, and `NaiveDatetime` for moments without time zone."""
        query = _select()
        if status is not None:
            query = query.where(run.c.status == status)
        if integration is not None:
            query = query.where(run.c.integration == integration)
        if schedule is not None:
            query = query.where(run.c.schedule == schedule)
        if created_since is not None:
            query = query.where(run.c.created_at >= created_since)
        if created_before is not None:
            query = query.where(run.c.created_at < created_before)
        scope = f"runs {status} {integration!r} {schedule!r} {created_since} {created_before}"
        return await self._reader(
            lambda connection: page(
                connection, _RUN, query, run.c.id, scope=scope, limit=limit, cursor=cursor, newest_first=True
            )
        )

    async def run_of_key(self, created_by: str, key: str) -> Run | None:
        """Return the run that someone started under an idempotency key; None where there is none."""
        query = _select().where(run.c.created_by == created_by, run.c.idempotency_key == key)
        return await self._reader(lambda connection: _RUN.one(connection, query))

    async def run_statuses(self, run_ids: Iterable[int]) -> dict[int, RunStatus]:
        """Return the statuses of those of the runs that are there."""
        query = select(run.c.id, run.c.status).where(run.c.id.in_({one for one in run_ids if is_id(one)}))
        return await self._reader(lambda connection: {row[0]: row[1] for row in connection.execute(query)})

    async def open_runs(self) -> list[Run]:
        """Return the runs that are not final, oldest first."""
        still_open = [status for status in RunStatus if status not in FINAL_RUN]
        query = _select().where(run.c.status.in_(still_open)).order_by(run.c.id)
        return await self._reader(lambda connection: _RUN.all(connection, query))

    async def open_work(self) -> dict[str, tuple[int, int]]:
        """Return how many items wait and how many are being archived, by integration."""
        still_open = [status for status in RunStatus if status not in FINAL_RUN]
        sums = (func.sum(run_count.c.queued), func.sum(run_count.c.processing))
        query = (
            select(run.c.integration, *sums)
            .join(run_count, run_count.c.run_id == run.c.id)
            .where(run.c.status.in_(still_open))
            .group_by(run.c.integration)
        )
        return await self._reader(
            lambda connection: {name: (queued, busy) for name, queued, busy in connection.execute(query)}
        )

    async def change_run(self, run_id: int, to: RunStatus, reason: str | None = None) -> Run:
        """Change a run's status as `RUN_CHANGES` allows, and return the run.

        A run that fails or is canceled takes its queued items along: they become canceled; what is processing ends by
        itself. Raises `NoSuchRecord`; `Conflict` for a change that is not allowed, and for `completed` or
        `completed_with_errors` where the items say otherwise.
        """
        return await self._writer.run(lambda tx: _change(tx, run_id, to, reason))

    async def cancel_run(self, run_id: int, by: str) -> Run:
        """Cancel a run that an operator's pause holds, at whichever level, and return it. Its queued items follow.

        Raises `NoSuchRecord`; `Conflict` where the run has ended, or no pause holds it.
        """
        return await self._writer.run(lambda tx: _cancel(tx, run_id, by))

    async def finish_run_if_done(self, run_id: int) -> Run | None:
        """Complete a run that is processing and has nothing left to do, in one transaction.

        Returns the run where it was completed by this very call, else None. Raises `NoSuchRecord`.
        """
        return await self._writer.submit(_finish_done, run_id)

    async def check_counters(self, run_id: int) -> dict[str, tuple[int, int]]:
        """Compare a run's counters with its items: {name: (kept, counted)} of those that differ; empty if all is well.

        Raises `NoSuchRecord`.
        """

        def read(connection: Connection) -> dict[str, tuple[int, int]]:
            kept = counts.kept(connection, run_id)
            if not kept:
                raise NoSuchRecord(f"There is no run {run_id}.")
            counted = counts.counted(connection, run_id)
            return {name: (kept[name], counted[name]) for name in kept if kept[name] != counted[name]}

        return await self._reader(read)


def find_run(tx: Transaction, run_id: int) -> Run:
    """Read a run, and lock it for the rest of the transaction. Raises `NoSuchRecord`."""
    query = _select().where(run.c.id == run_id).with_for_update()
    found = _RUN.one(tx.connection, query) if is_id(run_id) else None
    if found is None:
        raise NoSuchRecord(f"There is no run {run_id}.")
    return found


def tell_run(tx: Transaction, changed: Run) -> None:
    """Note the event of a run that changed."""
    data = {
        "integration": changed.integration,
        "status": changed.status,
        "reason": changed.reason,
        "total": changed.total,
        "gaps": changed.gaps,
        "counts": dict(changed.counts),
    }
    tx.tell("run", data, run_id=changed.id)


def _select(shape: _RunShape = _RUN) -> Select[Any]:
    return select(*shape.columns).join(run_count, run_count.c.run_id == run.c.id)


def _digest(request: Mapping[str, Any]) -> str:
    try:
        text = json.dumps(request, sort_keys=True, allow_nan=False)
    except TypeError as error:
        raise ValueError(f"A request must be plain JSON: {error}") from error
    return hashlib.sha256(text.encode()).hexdigest()


def new_run_row(request: Mapping[str, Any], *, created_by: str, idempotency_key: str | None) -> dict[str, Any]:
    """Return what `create_run` takes. Raises ValueError for what cannot be stored as JSON."""
    digest = _digest(request)
    return {**request, "created_by": created_by, "idempotency_key": idempotency_key, "request_digest": digest}


def open_runs_in_brief(connection: Connection) -> list[Run]:
    """Read the runs that are not final, oldest first, with empty `params` and `options`."""
    still_open = [status for status in RunStatus if status not in FINAL_RUN]
    return _BRIEF.all(connection, _select(_BRIEF).where(run.c.status.in_(still_open)).order_by(run.c.id))


def create_run(tx: Transaction, row: Mapping[str, Any]) -> tuple[Run, bool]:
    """Create a run, or find the one that was created under the same key: see `Runs.create_run`."""
    earlier = _find_by_key(tx, row)
    if earlier is not None:
        return earlier, False
    name = row["integration"]
    if tx.execute(select(integration_table.c.name).where(integration_table.c.name == name)).first() is None:
        raise NoSuchRecord(f"There is no integration {name!r}.")
    if row["reimport_of"] is not None:
        find_run(tx, row["reimport_of"])
    values = {**row, "status": RunStatus.QUEUED, "created_at": tx.now}
    key = tx.add(run, values)
    tx.execute(insert(run_count), {"run_id": key, **dict.fromkeys(counts.COUNTERS, 0)})
    made = find_run(tx, key)
    tell_run(tx, made)
    return made, True


def _find_by_key(tx: Transaction, row: Mapping[str, Any]) -> Run | None:
    key, who = row["idempotency_key"], row["created_by"]
    if key is None:
        return None
    query = select(run.c.id, run.c.request_digest).where(run.c.created_by == who, run.c.idempotency_key == key)
    found = tx.execute(query).one_or_none()
    if found is None:
        return None
    if found.request_digest != row["request_digest"]:
        raise Conflict(f"The key {key!r} was used for another request, run {found.id}: choose a new key.")
    return find_run(tx, found.id)


def _change(tx: Transaction, run_id: int, to: RunStatus, reason: str | None) -> Run:
    old = find_run(tx, run_id)
    if not may_change_run(old.status, to):
        raise Conflict(f"Run {run_id} is {old.status}; it cannot become {to}.")
    if to in (RunStatus.COMPLETED, RunStatus.COMPLETED_WITH_ERRORS) and _completion(old) is not to:
        raise Conflict(f"Run {run_id} cannot become {to}: its items are {_describe(old.counts)}.")
    return _apply(tx, old, to, reason)


def _cancel(tx: Transaction, run_id: int, by: str) -> Run:
    old = find_run(tx, run_id)
    if old.status in FINAL_RUN:
        raise Conflict(f"Run {run_id} is {old.status}, which is final.")
    if not held_runs(tx, [run_id]):
        raise Conflict(f"Run {run_id} is not paused: pause it first, since canceling is final.")
    return _apply(tx, old, RunStatus.CANCELED, f"canceled by {by}")


def _finish_done(tx: Transaction, run_ids: Sequence[int]) -> list[Run | StoreError | None]:
    # asked after every item: so look at the counters first, and read the run itself only where it is done
    table = run_count
    query = select(run.c.id, run.c.status, table.c.queued + table.c.processing).join(table, table.c.run_id == run.c.id)
    ids = {run_id for run_id in run_ids if is_id(run_id)}
    found = {row[0]: row for row in tx.execute(query.where(run.c.id.in_(ids)).with_for_update())}
    outcomes: list[Run | StoreError | None] = []
    for run_id in run_ids:
        if run_id not in found:
            outcomes.append(NoSuchRecord(f"There is no run {run_id}."))
        elif found[run_id][1] is not RunStatus.PROCESSING or found[run_id][2]:
            outcomes.append(None)
        else:
            outcomes.append(_finish(tx, run_id))
    return outcomes


def _finish(tx: Transaction, run_id: int) -> Run | None:
    old = find_run(tx, run_id)  # again: two callers may ask in one transaction, and only one has finished it
    to = _completion(old)
    if to is None or not may_change_run(old.status, to):
        return None
    return _apply(tx, old, to, None)


def _completion(of: Run) -> RunStatus | None:
    """Judge by the items alone how a run is complete; None while there is something left to do.

    A course that failed counts, even if another run archived it before this one was over.
    """
    if of.counts[ItemStatus.QUEUED] or of.counts[ItemStatus.PROCESSING]:
        return None
    had_errors = of.counts[ItemStatus.FAILED] or of.counts[ItemStatus.FAILED_REIMPORTED]
    return RunStatus.COMPLETED_WITH_ERRORS if had_errors else RunStatus.COMPLETED


def _describe(by_status: Mapping[ItemStatus, int]) -> str:
    return ", ".join(f"{number} {status}" for status, number in by_status.items() if number) or "none"


def _apply(tx: Transaction, old: Run, to: RunStatus, reason: str | None) -> Run:
    values: dict[str, Any] = {"status": to, "reason": reason}
    if old.started_at is None:
        values["started_at"] = tx.now
    if to in FINAL_RUN:
        values["finished_at"] = tx.now
        lift_pause(tx, PauseLevel.RUN, str(old.id))
    tx.execute(update(run).where(run.c.id == old.id).values(**values))
    if to in (RunStatus.FAILED, RunStatus.CANCELED):
        _cancel_queued(tx, old.id)
    changed = find_run(tx, old.id)
    tell_run(tx, changed)
    tell_failed_run(tx, changed)
    return changed


def _cancel_queued(tx: Transaction, run_id: int) -> None:
    queued = (item.c.run_id == run_id, item.c.status == ItemStatus.QUEUED)
    values = {"status": ItemStatus.CANCELED, "not_before": None, "finished_at": tx.now}
    canceled = tx.execute(update(item).where(*queued).values(**values)).rowcount
    tally = counts.Tally()
    tally.move(run_id, ItemStatus.QUEUED, ItemStatus.CANCELED, items=canceled)
    tally.write(tx)
    # what was offered to workers is taken back; what they have begun ends by itself
    tx.execute(delete(lease).where(lease.c.run_id == run_id, lease.c.state == LeaseState.OFFERED))
