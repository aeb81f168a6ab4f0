"""What the store needs of a database, whichever it is. `sqlite.py` and `postgresql.py` have what differs.

The statements of the other modules are portable, and lock what they judge with FOR UPDATE, which SQLite leaves out.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Any, TypeAlias, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Table, func, insert, literal, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError

from coursekeep_daemon.store.errors import StoreError
from coursekeep_daemon.store.leading import Candidate
from coursekeep_daemon.store.listening import Listening
from coursekeep_daemon.store.records_daemons import DaemonState
from coursekeep_daemon.store.types import UtcDateTime

__all__ = ["READERS", "Database", "Insert", "Sharing"]

#: reads at once; each has a connection and a thread
READERS = 4

#: an INSERT that knows `on_conflict_do_nothing` and `on_conflict_do_update`, which both databases spell alike
Insert: TypeAlias = sqlite.Insert | postgresql.Insert


T = TypeVar("T")


class Sharing(Enum):
    """With whom a process shares the database that it writes to. Commands run beside everybody."""

    COMMAND = auto()
    ALONE = auto()  # a daemon that is the only one
    MANY = auto()  # one of many daemons and workers


class Database(ABC):
    """One database: an engine for the writer's connection and one for readers. Opens nothing until it is used."""

    #: what people call it: a path, or an address without credentials
    name: str
    #: whether several daemons may work on it
    takes_many = False
    writer: Engine
    reader: Engine

    def __init__(self) -> None:
        #: set when the store stops, so that nothing is waited for any longer than it must be
        self.closing = threading.Event()

    @abstractmethod
    def insert(self, table: Table) -> Insert:
        """Begin an INSERT that may say what to do on conflict."""

    @abstractmethod
    def exists(self) -> bool:
        """Tell whether there is anything at the address that an upgrade would have to respect.

        Raises `StoreError` where that cannot be found out.
        """

    def is_absent(self) -> bool:
        """Tell whether there is nothing at all, so that a database may be made unasked. Raises `StoreError`."""
        return not self.exists()

    @abstractmethod
    def create(self, *, folder: bool = False) -> None:
        """Make an empty database, unless there is one; with `folder`, what it lies in as well.

        Raises `StoreError` where it cannot be used.
        """

    @abstractmethod
    def size(self) -> int | None:
        """Return the bytes that the database takes; None where that is not known."""

    @abstractmethod
    def version(self) -> tuple[str, str]:
        """Return the name and the version of the software."""

    def claim(self) -> None:  # noqa: B027  # where a folder is locked instead, there is nothing to do
        """Make sure that no daemon works on the database with which it is not shared. Raises `StoreLocked`."""

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows in their order, leaving out those that conflict with others."""
        connection.execute(self.insert(table).on_conflict_do_nothing(), rows)

    def announce(self, connection: Connection, table: Table, events: Sequence[Mapping[str, Any]]) -> int:
        """Insert events in their order, have the commit wake other processes, and return the id of the last."""
        connection.execute(insert(table), events)
        found: int = connection.execute(select(func.max(table.c.id))).scalar_one()
        return found

    def listening(self, wake: Callable[[], None]) -> Listening | None:
        """Return what calls `wake` after each commit of another process that wrote events; None where none can be."""
        return None

    def candidate(self, me: DaemonState) -> Candidate:
        """Return what a daemon stands for leader with. Raises `StoreError` where there can be no second daemon."""
        raise StoreError(f"{self.name} cannot be shared by several daemons: that needs PostgreSQL.")

    def begins_again(self, error: DBAPIError) -> bool:
        """Tell whether a connection was found dead when it was first used, so that a new one may do."""
        return False

    def ticket(self, connection: Connection) -> object:
        """Return what `was_committed` needs to find the open transaction of a connection again."""
        return None

    def was_committed(self, ticket: object, error: BaseException) -> bool:
        """Find out what became of a transaction whose COMMIT ended with an error.

        False says for certain that nothing of it is stored. Raises `OutcomeUnknown` where nobody can tell.
        """
        return False

    def moment(self) -> ColumnElement[datetime]:
        """Return the expression of the present by the database's own clock; here, of the machine that it runs on."""
        return literal(datetime.now(UTC), UtcDateTime())

    def pulse(self, work: Callable[[Connection], T]) -> T:
        """Run statements that must not wait behind the writers of other processes, as signs of life must not."""
        with self.writer.begin() as connection:
            return work(connection)

    def close(self) -> None:
        """Close every connection."""
        self.reader.dispose()
        self.writer.dispose()
