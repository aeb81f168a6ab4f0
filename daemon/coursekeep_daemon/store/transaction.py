"""One open transaction, as the functions that change things see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Any, Self

from sqlalchemy import Connection, Executable, Table, delete, insert
from sqlalchemy.engine import CursorResult
from sqlalchemy.exc import DBAPIError

from coursekeep_daemon.store.database import Database, Insert
from coursekeep_daemon.store.errors import StoreError
from coursekeep_daemon.store.models import event

__all__ = ["Clock", "Transaction"]

#: gives the present, aware
Clock = Callable[[], datetime]

#: events are pruned each time their ids pass a multiple of this, not at every insert
_PRUNE_EVERY = 1000


class Transaction:
    """An open transaction. Used in the writer's thread only, and left through `with`."""

    def __init__(self, database: Database, *, clock: Clock, events_kept: int) -> None:
        self._database = database
        self._events_kept = events_kept
        self._events: list[dict[str, Any]] = []
        self.connection: Connection
        #: the moment of all changes of this transaction
        self.now = clock()

    def __enter__(self) -> Self:
        try:
            self._open()
        except DBAPIError as error:
            if not self._database.begins_again(error):
                raise
            self._open()
        return self

    def _open(self) -> None:
        self.connection = self._database.writer.connect()
        try:
            self.connection.begin()
        except BaseException:
            self.connection.close()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.connection.close()  # rolls back what is not committed

    def commit(self) -> None:
        """Make all changes lasting. Raises what the database says, which then has stored none of them."""
        ticket = self._database.ticket(self.connection)
        try:
            self.connection.commit()
        except BaseException as error:
            # a transaction may still be open on it, which the pool would hand to the next group: closing ends it
            self.connection.invalidate()
            if not self._database.was_committed(ticket, error):
                raise

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what is done inside, events included, where it ends with a `StoreError`."""
        events = len(self._events)
        savepoint = self.connection.begin_nested()
        try:
            yield
        except StoreError:
            del self._events[events:]
            savepoint.rollback()
            raise
        savepoint.commit()

    def insert(self, table: Table) -> Insert:
        """Begin an INSERT that may say what to do on conflict."""
        return self._database.insert(table)

    def execute(self, statement: Executable, values: Mapping[str, Any] | None = None) -> CursorResult[*tuple[Any, ...]]:
        """Run one statement."""
        return self.connection.execute(statement, values)

    def add(self, table: Table, values: Mapping[str, Any]) -> int:
        """Insert one row, and return the id that it got."""
        key = self.connection.execute(insert(table), values).inserted_primary_key
        assert key is not None
        return int(key[0])

    def insert_new(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows in their order, leaving out those that conflict with others."""
        if rows:
            self._database.insert_new(self.connection, table, rows)

    def execute_many(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        """Run one statement for many rows, by the driver's executemany; for none, do nothing."""
        if rows:
            # one by itself: psycopg's executemany makes more trips to the server than its execute
            self.connection.execute(statement, rows if len(rows) > 1 else rows[0])

    def tell(
        self, kind: str, data: Mapping[str, Any], *, run_id: int | None = None, item_id: int | None = None
    ) -> None:
        """Note an event: it is written with this transaction, and listeners are woken after the commit."""
        self._events.append({"at": self.now, "kind": kind, "run_id": run_id, "item_id": item_id, "data": data})

    def write_events(self) -> bool:
        """Write the noted events, drop the oldest beyond what is kept, and tell whether there were any."""
        if not self._events:
            return False
        newest = self._database.announce(self.connection, event, self._events)
        if newest // _PRUNE_EVERY != (newest - len(self._events)) // _PRUNE_EVERY:
            self.execute(delete(event).where(event.c.id <= newest - self._events_kept))
        return True
