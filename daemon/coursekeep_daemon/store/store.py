"""The store: put together from one class per topic, started and stopped in mirrored order."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, Self

from coursekeep import SettingsError
from coursekeep_daemon.store import schema
from coursekeep_daemon.store.access import Access
from coursekeep_daemon.store.attempts import Attempts
from coursekeep_daemon.store.catalogue import Catalogue
from coursekeep_daemon.store.daemons import Daemons
from coursekeep_daemon.store.database import Sharing
from coursekeep_daemon.store.days import Days
from coursekeep_daemon.store.events import Events
from coursekeep_daemon.store.fixity import Fixity
from coursekeep_daemon.store.integrations import Integrations
from coursekeep_daemon.store.items import Items
from coursekeep_daemon.store.leases import Leases
from coursekeep_daemon.store.notifications import Notifications
from coursekeep_daemon.store.opening import open_database
from coursekeep_daemon.store.pauses import Pauses
from coursekeep_daemon.store.postgresql import PostgresDatabase
from coursekeep_daemon.store.queue_schema import check_queue, upgrade_queue
from coursekeep_daemon.store.reader import Reader
from coursekeep_daemon.store.reimports import Reimports
from coursekeep_daemon.store.replicas import Replicas
from coursekeep_daemon.store.runs import Runs
from coursekeep_daemon.store.schedules import Schedules
from coursekeep_daemon.store.sessions import Sessions
from coursekeep_daemon.store.transaction import Clock
from coursekeep_daemon.store.troubles import Troubles
from coursekeep_daemon.store.users import Users
from coursekeep_daemon.store.watching import StoreObserver
from coursekeep_daemon.store.work import Work
from coursekeep_daemon.store.work_state import WorkStates
from coursekeep_daemon.store.workers import Workers
from coursekeep_daemon.store.writer import EVENTS_KEPT, Writer

__all__ = ["Store"]


def _now() -> datetime:
    return datetime.now(UTC)


class Store(
    Integrations,
    Catalogue,
    Runs,
    Items,
    Work,
    Leases,
    Workers,
    Reimports,
    Pauses,
    Schedules,
    Users,
    Sessions,
    Attempts,
    Access,
    Events,
    Notifications,
    Days,
    Daemons,
    Fixity,
    Replicas,
    Troubles,
    WorkStates,
):
    """The only thing that knows the database. Records go in and come out, never rows; times are aware, in UTC.

    Reads run in threads, each on a snapshot. Writes go through the one writer and return when they are committed.
    Every method raises `StoreError` where the database fails; then nothing of that change is stored.
    """

    def __init__(
        self,
        url: str,
        *,
        password: str | None = None,
        clock: Clock = _now,
        lock_timeout: float = 5.0,
        events_kept: int = EVENTS_KEPT,
        sharing: Sharing = Sharing.COMMAND,
        queue: bool = False,
        observer: StoreObserver | None = None,
    ) -> None:
        """Take an address such as `sqlite:///coursekeep.db` or `postgresql://user@host/database`; open nothing yet.

        `sharing` says who else may write to the same PostgreSQL database, and `queue` asks for the tables by which
        workers get their jobs; `observer` is told how the store works. Raises `SettingsError`.
        """
        self._database = open_database(url, password=password, lock_timeout=lock_timeout, sharing=sharing)
        self._queue = queue
        self._clock = clock
        self._listeners: set[asyncio.Event] = set()
        self._listening = self._database.listening(self._wake_listeners)
        self._reader = Reader(self._database, observer)
        self._pulses = None
        self._writer = Writer(
            self._database, clock=clock, on_events=self._wake_listeners, events_kept=events_kept, observer=observer
        )

    async def start(self) -> None:
        """Check the schema, and make reading and writing possible.

        Raises `SchemaMismatch`, naming `coursekeep db upgrade` where that helps, and `StoreError`.
        """
        self._database.closing.clear()
        try:
            await asyncio.to_thread(schema.check, self._database)
            if self._queue and isinstance(self._database, PostgresDatabase):
                await asyncio.to_thread(check_queue, self._database)
            await asyncio.to_thread(self._database.claim)
        except BaseException:
            self._database.close()
            raise
        self._reader.start()
        # not the loop's threads: all of these may hang in a storage that does not answer, and the worker is alive
        self._pulses = ThreadPoolExecutor(1, thread_name_prefix="store-pulse")
        await self._writer.start()

    async def stop(self) -> None:
        """Commit what waits, then close the database. Harmless where the store is not started."""
        await self._writer.stop()
        if self._listening is not None:
            await self._listening.stop()
        await asyncio.to_thread(self._reader.stop)
        pulses, self._pulses = self._pulses, None
        if pulses is not None:
            pulses.shutdown(wait=False)
        self._database.close()

    @property
    def changes_waiting(self) -> int:
        """Return how many changes wait for the next transaction."""
        return self._writer.waiting

    async def revision(self) -> str:
        """Return the revision of the schema."""
        return await self._reader(schema.revision)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    async def size(self) -> int | None:
        """Return the bytes that the database takes; None where that is not known."""
        return await asyncio.to_thread(self._database.size)

    async def version(self) -> tuple[str, str]:
        """Return the name and the version of the database's software."""
        return await asyncio.to_thread(self._database.version)

    @staticmethod
    def driver_arguments(url: str, *, password: str | None = None) -> dict[str, Any]:
        """Return what the driver of PostgreSQL connects with, for those who need a connection of their own.

        Raises `SettingsError`.
        """
        database = open_database(url, password=password)
        if not isinstance(database, PostgresDatabase):
            raise SettingsError(
                "`url` in [store] names a SQLite file, which only one process can work with: many workers need "
                "postgresql://user@host/database. `coursekeep db migrate-store` moves the store there."
            )
        try:
            return database.driver_arguments()
        finally:
            database.close()

    @staticmethod
    def make(url: str, *, password: str | None = None) -> bool:
        """Make the database where there is none yet, and tell whether; leave any other as it is.

        Raises `SettingsError`, `StoreError`.
        """
        database = open_database(url, password=password)
        try:
            if not database.is_absent() or schema.upgrade(database, folder=True) != "empty":
                return False
            if isinstance(database, PostgresDatabase):
                upgrade_queue(database)
            return True
        finally:
            database.close()

    @staticmethod
    def upgrade(url: str, *, password: str | None = None, folder: bool = False) -> str | None:
        """Bring the database to the newest schema, creating it where there is none, or its `folder`; idempotent.

        Returns the revision it came from, `empty` for a new database, None where there was nothing to do. Raises
        `SettingsError`, `SchemaMismatch`, `StoreLocked`, `StoreError`.
        """
        database = open_database(url, password=password)
        try:
            before = schema.upgrade(database, folder=folder)
            if isinstance(database, PostgresDatabase) and upgrade_queue(database):
                return before or schema.newest()
            return before
        finally:
            database.close()
