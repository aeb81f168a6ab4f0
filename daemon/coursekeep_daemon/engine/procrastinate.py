"""The queue in PostgreSQL: the only module that knows Procrastinate, besides `store/queue_schema.py`.

One job per offered course, in one queue per integration. Its arguments are the item and the fence of its lease, which
is what counts: a job that is lost, doubled or late does no harm. It is deleted as soon as the lease is begun, so the
tables hold no more than what waits.

Procrastinate's own worker loop is not used. It ends when the server goes away, waits for its courses before it begins
again, and cannot leave one queue alone for a while: a worker here must do all three.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import psycopg
import psycopg_pool
from procrastinate import App, PsycopgConnector, SyncPsycopgConnector
from procrastinate.exceptions import ProcrastinateException
from procrastinate.jobs import Status

from coursekeep_daemon.store import Lease, StoreError, StoreUnavailable

__all__ = ["Job", "Jobs", "queue_of"]

_TASK = "coursekeep.archive"

#: of the name of a queue: longer ones do not fit into the channel that PostgreSQL tells listeners by
_LONGEST = 40
#: seconds to get a connection
_CONNECT_TIMEOUT = 10.0
_CONNECTIONS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Job:
    """One job, as the queue has it."""

    id: int
    item_id: int
    fence: int
    #: False where somebody has fetched it
    waits: bool


def queue_of(integration: str) -> str:
    """Return the name of an integration's queue: its own, unless that is too long."""
    if len(integration) <= _LONGEST:
        return integration
    digest = hashlib.sha256(integration.encode()).hexdigest()[:16]
    return f"{integration[: _LONGEST - 17]}-{digest}"


class Jobs:
    """The queues, as workers and the leader see them. Opened by `open`, closed by `close`."""

    def __init__(self, connection: dict[str, Any]) -> None:
        """Take what psycopg connects with."""
        self._app = App(
            connector=PsycopgConnector(
                kwargs=connection,
                min_size=1,
                max_size=_CONNECTIONS,
                timeout=_CONNECT_TIMEOUT,
                configure=_configure,
                pool_factory=_pool,
            )
        )
        self._deferring = App(connector=SyncPsycopgConnector())  # opens nothing: it is given connections
        self._id: int | None = None

    def defer(self, connection: Any, leases: Sequence[Lease]) -> None:
        """Put the jobs of leases into their queues, in the transaction that is open on a connection of psycopg.

        Called in the thread of that connection. Raises `StoreError`.
        """
        with _store_errors():
            for integration, group in groupby(leases, key=lambda each: each.integration):
                task = self._deferring.configure_task(_TASK, queue=queue_of(integration), connection=connection)
                arguments: list[Any] = [{"item_id": each.item_id, "fence": each.id} for each in group]
                task.batch_defer(*arguments)

    async def open(self) -> None:
        """Connect. Raises `StoreError` where the server does not answer."""
        with _store_errors():
            await self._app.open_async()

    async def close(self) -> None:
        """Close the connections, and sign off where something was fetched."""
        try:
            with _store_errors():
                if self._id is not None:
                    await self._app.job_manager.unregister_worker(self._id)
        except StoreError:
            pass  # the row stays for the leader to clear away
        finally:
            self._id = None
            await self._app.close_async()

    async def fetch(self, integrations: Collection[str]) -> Job | None:
        """Take the job that has waited longest for any of the integrations; None where none waits."""
        if not integrations:
            return None
        queues = [queue_of(name) for name in integrations]
        with _store_errors():
            try:
                return await self._fetch(queues)
            except ProcrastinateException as error:
                if not isinstance(error.__cause__, psycopg.errors.ForeignKeyViolation):
                    raise
                self._id = None  # the leader has cleared us away: we were away for long
                return await self._fetch(queues)

    async def _fetch(self, queues: list[str]) -> Job | None:
        manager = self._app.job_manager
        if self._id is None:
            self._id = await manager.register_worker()
        found = await manager.fetch_job(queues=queues, worker_id=self._id)
        return None if found is None else _job(found)

    async def all(self) -> list[Job]:
        """Return all jobs that there are."""
        with _store_errors():
            return [_job(each) for each in await self._app.job_manager.list_jobs_async(task=_TASK)]

    async def remove(self, job: Job) -> None:
        """Delete a job, in whatever state it is; one that is gone already is no error."""
        with _store_errors():
            try:
                await self._app.job_manager.finish_job_by_id_async(job.id, Status.SUCCEEDED, delete_job=True)
            except ProcrastinateException as error:
                if not isinstance(error.__cause__, psycopg.errors.RaiseException):
                    raise

    async def alive(self, silence: float) -> None:
        """Give a sign of life, and clear away those who fetched jobs and have given none for some seconds."""
        with _store_errors():
            if self._id is not None:
                await self._app.job_manager.update_heartbeat(self._id)
            await self._app.job_manager.prune_stalled_workers(silence)

    async def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` for each new job, whatever its queue, until cancelled. Raises `StoreError` when it is cut off."""

        async def woken(*, channel: str, notification: Any) -> None:
            wake()

        with _store_errors():
            await self._app.job_manager.listen_for_jobs(on_notification=woken)


async def _configure(connection: Any) -> None:
    """Have each call be one trip to the server: all of them are single statements."""
    await connection.set_autocommit(True)
    await connection.execute("SET default_transaction_isolation = 'read committed'")


def _pool(**arguments: Any) -> psycopg_pool.AsyncConnectionPool[Any]:
    """Make the pool without a trip that asks, before each use, whether a connection is alive: callers try again."""
    return psycopg_pool.AsyncConnectionPool(**{**arguments, "check": None})


def _job(found: Any) -> Job:
    arguments = found.task_kwargs
    return Job(
        id=found.id, item_id=arguments["item_id"], fence=arguments["fence"], waits=found.status == Status.TODO.value
    )


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn what the library and the driver raise into `StoreError`."""
    try:
        yield
    except ProcrastinateException as error:
        cause = error.__cause__
        if isinstance(cause, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedFunction):
            raise StoreError(f"The queue's tables are not there ({cause}): run `coursekeep db upgrade`.") from error
        raise StoreUnavailable(f"The queue does not answer: {cause or error}") from error
    except (psycopg.Error, OSError) as error:
        raise StoreUnavailable(f"The queue does not answer: {error}") from error
