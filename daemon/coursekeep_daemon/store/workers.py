"""Workers: who they are, their signs of life, and what becomes of their courses when they leave or fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store.errors import StoreError
from coursekeep_daemon.store.models_work import lease, worker
from coursekeep_daemon.store.opening import translate
from coursekeep_daemon.store.records import Item, ItemResult
from coursekeep_daemon.store.records_work import Crew, LeaseState, Worker
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.transaction import Transaction
from coursekeep_daemon.store.work import Finishing

__all__ = ["Workers"]

_BUSY = (
    select(func.count())
    .select_from(lease)
    .where(lease.c.worker_id == worker.c.id, lease.c.state == LeaseState.BEGUN)
    .scalar_subquery()
)
_WORKER = Shape(Worker, worker, {"busy": _BUSY})
_TAKING = select(worker.c.concurrency, worker.c.integrations).where(~worker.c.draining)
_GIVEN = select(lease.c.integration, func.count()).group_by(lease.c.integration)


class Workers(Room):
    """The processes that take courses."""

    async def enlist_worker(self, new: Worker) -> None:
        """Make a worker known, and tell listeners. `seen_at` and `busy` of the record are not looked at."""
        row = {name: getattr(new, name) for name in _WORKER.names if name != "busy"}
        moment = self._database.moment()

        def enlist(tx: Transaction) -> None:
            tx.execute(insert(worker).values({**row, "seen_at": moment}))
            _tell(tx, new.name, present=True)

        await self._writer.run(enlist)

    async def beat_worker(
        self, worker_id: str, *, draining: bool = False, plugin_troubles: Mapping[str, str] | None = None
    ) -> frozenset[int] | None:
        """Give a sign of life, and return the fences of the leases that the worker still has.

        None says that it is not known any more: it was silent for too long, and its courses are others' now. Waits for
        no writer. Raises `StoreError`.
        """
        if self._pulses is None:
            raise StoreError("The store is not started, or stopped already.")
        moment = self._database.moment()

        def beat(connection: Connection) -> frozenset[int] | None:
            values = {"seen_at": moment, "draining": draining, "plugin_troubles": dict(plugin_troubles or {})}
            if connection.execute(update(worker).where(worker.c.id == worker_id).values(values)).rowcount == 0:
                return None
            held = select(lease.c.id).where(lease.c.worker_id == worker_id)
            return frozenset(connection.execute(held).scalars())

        try:
            return await asyncio.get_running_loop().run_in_executor(self._pulses, self._database.pulse, beat)
        except SQLAlchemyError as error:
            raise translate(error) from error

    async def workers(self) -> list[Worker]:
        """Return the workers that are known, by name."""
        query = select(*_WORKER.columns).order_by(worker.c.name, worker.c.id)
        return await self._reader(lambda connection: _WORKER.all(connection, query))

    async def crew(self) -> Crew:
        """Return what workers can take and have been given: what the leader asks for at each look."""

        def read(connection: Connection) -> Crew:
            taking = connection.execute(_TAKING).all()
            return Crew(
                slots=[slots for slots, _ in taking],
                integrations=frozenset(name for _, names in taking for name in names),
                leased=dict(connection.execute(_GIVEN).all()),
            )

        return await self._reader(read)

    async def leave_worker(self, worker_id: str) -> int:
        """Forget a worker that ends, and queue again what it had begun; return how many items.

        These attempts do not count.
        """
        return await self._writer.run(lambda tx: len(self._dismiss(tx, {worker_id}, count=False)))

    async def sweep_workers(self, silent: Mapping[str, datetime]) -> tuple[frozenset[str], list[Item]]:
        """Forget workers that are silent, and queue again what they had begun: the attempts stay counted.

        `silent` says of each worker when it was last seen; one that has been seen since is left alone. Also swept are
        leases whose worker is not known at all. Returns the ids of the workers that were forgotten, and the items.
        """

        def sweep(tx: Transaction) -> tuple[frozenset[str], list[Item]]:
            known = tx.execute(select(worker.c.id, worker.c.seen_at).with_for_update()).all()
            dead = {name for name, seen_at in known if silent.get(name) == seen_at}
            living = {name for name, _ in known} - dead
            held = select(lease.c.worker_id).where(lease.c.worker_id.is_not(None)).distinct()
            items = self._dismiss(tx, dead | (set(tx.execute(held).scalars()) - living), count=True)
            return frozenset(dead), items

        return await self._writer.run(sweep)

    def _dismiss(self, tx: Transaction, gone: Iterable[str], *, count: bool) -> list[Item]:
        if not (gone := sorted(gone)):
            return []
        for name in tx.execute(delete(worker).where(worker.c.id.in_(gone)).returning(worker.c.name)).scalars().all():
            _tell(tx, name, present=False)
        left = select(lease.c.item_id, lease.c.id).where(lease.c.worker_id.in_(gone))
        results = [
            ItemResult(item_id=item_id, status=ItemStatus.QUEUED, count_attempt=count, fence=fence)
            for item_id, fence in tx.execute(left)
        ]
        done: list[Any] = self._returning(tx, results)
        return [each for each in done if isinstance(each, Item)]

    @cached_property
    def _returning(self) -> Finishing:
        return Finishing(self._database)


def _tell(tx: Transaction, name: str, *, present: bool) -> None:
    """Note the event of a worker that came or went: runs may have waited for it, or wait from now on."""
    tx.tell("worker", {"worker": name, "present": present})
