"""PostgreSQL: a server, and how the store keeps its promises there. Why so: `docs/decisions/020-postgresql.md`.

SQLite lets one transaction write at a time, and nobody has to be told how it ended, since the library is in the
process. Here both are made: every writing transaction first takes an advisory lock, and leaves a mark that says, should
the answer to its COMMIT be lost, whether it was stored.
"""

from __future__ import annotations

import itertools
import json
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, Table, create_engine, event, func
from sqlalchemy.dialects import postgresql
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from coursekeep import SettingsError
from coursekeep_daemon.store.copying import copy_rows
from coursekeep_daemon.store.database import READERS, Database, Sharing
from coursekeep_daemon.store.errors import OutcomeUnknown, StoreError, StoreLocked
from coursekeep_daemon.store.leading import Candidate
from coursekeep_daemon.store.listening import CHANNEL, Listening
from coursekeep_daemon.store.postgresql_errors import meaning
from coursekeep_daemon.store.records_daemons import DaemonState
from coursekeep_daemon.store.standing import Standing
from coursekeep_daemon.store.types import UtcDateTime

__all__ = ["OLDEST", "PostgresDatabase", "meaning"]

T = TypeVar("T")

#: the oldest major version that the tests have run on
OLDEST: Final = 16

# advisory locks are numbers that all users of one database agree on: it has to be Coursekeep's own
_WRITING: Final = 0x636F757273650001
_DAEMON: Final = 0x636F757273650002
_LEADING: Final = 0x636F757273650003

_LOCK_NOT_AVAILABLE: Final = "55P03"

#: how connections are opened, where the address does not say otherwise; seconds
_CONNECTION: Final = {"connect_timeout": 10, "target_session_attrs": "read-write", "keepalives_idle": 10}
#: rows from which on a COPY is worth its three statements
_WORTH_COPYING: Final = 100
#: seconds to find out how a COMMIT ended: longer than the server takes to give up a connection that was cut
_FINDING_OUT: Final = 300.0
#: the same where the store stops meanwhile
_FINDING_OUT_AT_STOP: Final = 5.0

#: the same for a connection that must be known to be lost within two seconds
_SHORT: Final = {
    "connect_timeout": 2,
    "keepalives_idle": 1,
    "keepalives_interval": 1,
    "keepalives_count": 2,
    "tcp_user_timeout": 2000,
}

_MARKS: Final = """
CREATE TABLE IF NOT EXISTS store_writer (
    writer VARCHAR(32) PRIMARY KEY, mark BIGINT NOT NULL, at TIMESTAMP WITH TIME ZONE NOT NULL
)
"""
# the ids follow the order of the lists
_TELL: Final = """
WITH told AS (
    INSERT INTO {} (at, kind, run_id, item_id, data)
    SELECT at, kind, run_id, item_id, data::json
    FROM unnest(%s::timestamptz[], %s::text[], %s::bigint[], %s::bigint[], %s::text[])
        WITH ORDINALITY AS new (at, kind, run_id, item_id, data, place)
    ORDER BY place
    RETURNING id
)
SELECT max(id), pg_notify(%s, %s) FROM told
"""
# one trip: the lock is taken before the mark is written, and both before anything is read
_BEGIN: Final = """
WITH held AS MATERIALIZED (SELECT pg_advisory_xact_lock(%(lock)s))
INSERT INTO store_writer (writer, mark, at) SELECT %(writer)s, %(mark)s, now() FROM held
ON CONFLICT (writer) DO UPDATE SET mark = excluded.mark, at = excluded.at
"""
_PRUNE: Final = "DELETE FROM store_writer WHERE at < now() - INTERVAL '1 day'"

#: why the daemon's lock is not to be had, and what to do
_TAKEN: Final = {
    Sharing.ALONE: "Another daemon works on {}: stop it first, or give this one a database of its own. To have several "
    'daemons work on it, set kind = "procrastinate" in [engine] of all.',
    Sharing.MANY: 'A daemon with kind = "local" in [engine] works on {}, and shares it with nobody: stop it first, or '
    'set kind = "procrastinate" there too.',
}
_NOTICED: Final = "After a cut of the network the server notices within a minute that the old connection is gone."

#: what a session must not take from the server's configuration
_SESSION: Final = """
SELECT set_config('timezone', 'UTC', false), set_config('datestyle', 'ISO, YMD', false),
       set_config('lock_timeout', %s, false), set_config('default_transaction_read_only', %s, false),
       set_config('application_name', 'coursekeep', false),
       set_config('idle_in_transaction_session_timeout', '60s', false),
       set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false),
       set_config('tcp_keepalives_count', '4', false),
       set_config('synchronous_commit', CASE WHEN current_setting('synchronous_commit') = 'off' THEN 'on'
                  ELSE current_setting('synchronous_commit') END, false)
"""


class PostgresDatabase(Database):
    """A database on a PostgreSQL server.

    With `Sharing.ALONE` every connection that writes also holds the daemon's lock: a second daemon is refused, and one
    whose connection was cut cannot write any more once another has taken over. With `Sharing.MANY` it is shared among
    those that open it so. Raises `SettingsError` for an address that cannot be used.
    """

    takes_many = True

    def __init__(self, url: URL, *, password: str | None, lock_timeout: float, sharing: Sharing) -> None:
        super().__init__()
        self._url = _checked(url).set(drivername="postgresql+psycopg", password=password)
        where = f"{url.host or url.query.get('host') or 'localhost'}{f':{url.port}' if url.port else ''}"
        self.name = f"postgresql://{where}/{url.database}"
        self._lock_timeout = f"{max(round(lock_timeout * 1000), 1)}ms"
        self._sharing = sharing
        self._writer_id = uuid.uuid4().hex
        self._marks = itertools.count(1)
        # a statement sees what was committed before it, not before its transaction: so what waited for the lock judges
        # by what is there once it has it
        self.writer = self._engine(connections=1, read_only="off", isolation="READ COMMITTED")
        event.listen(self.writer, "begin", self._begin)
        event.listen(self.writer, "commit", _refuse_broken)
        self.reader = self._engine(connections=READERS, read_only="on", isolation="REPEATABLE READ")
        self._pulse = self._engine(connections=1, read_only="off", isolation="AUTOCOMMIT")

    def aside(self, options: Mapping[str, str]) -> Engine:
        """Make an engine of one connection that writes without the writers' lock: for what they do not touch.

        `options` are set for its sessions.
        """
        engine = self._engine(connections=1, read_only="off", isolation="READ COMMITTED")

        def prepare(connection: Any, record: object) -> None:
            connection.autocommit = True
            for option in options.items():
                connection.execute("SELECT set_config(%s, %s, false)", option)
            connection.autocommit = False

        event.listen(engine, "connect", prepare)
        return engine

    def insert(self, table: Table) -> postgresql.Insert:
        """Begin an INSERT that may say what to do on conflict."""
        return postgresql.insert(table)

    def exists(self) -> bool:
        """Tell whether there are tables in the schema, ours or others. Raises `StoreError`."""
        query = (
            "SELECT count(*) FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p') "
            "AND relnamespace = current_schema()::regnamespace AND relname <> 'store_writer'"
        )
        return bool(self._ask(query))

    def create(self, *, folder: bool = False) -> None:
        """Make the table of marks. The database itself is made by its administrator. Raises `StoreError`."""
        try:
            with self._plain(self.writer) as connection:
                connection.exec_driver_sql("SELECT pg_advisory_lock(%s)", (_WRITING,))
                try:
                    connection.exec_driver_sql(_MARKS)
                finally:
                    connection.exec_driver_sql("SELECT pg_advisory_unlock(%s)", (_WRITING,))
        except SQLAlchemyError as error:
            raise _translated(error) from error

    def size(self) -> int | None:
        """Return the bytes of the database."""
        try:
            return int(self._ask("SELECT pg_database_size(current_database())"))
        except StoreError:
            return None

    def version(self) -> tuple[str, str]:
        """Return the version of the server, as it calls itself."""
        return "postgresql", str(self._ask("SHOW server_version"))

    def claim(self) -> None:
        """Take the daemon's lock, where the database was opened as daemons do. Raises `StoreLocked`."""
        if self._sharing is Sharing.COMMAND:
            return
        try:
            self.writer.connect().close()
        except SQLAlchemyError as error:
            raise _translated(error) from error

    def insert_new(self, connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """Insert many rows in their order, leaving out those that conflict with others: by COPY where they are many.

        COPY itself knows no conflicts, so it fills a table of this connection's own, which the rows are taken from.
        """
        if len(rows) < _WORTH_COPYING:
            super().insert_new(connection, table, rows)
            return
        columns = ", ".join(f'"{name}"' for name in rows[0])
        staged = f"staged_{table.name}"
        make = "CREATE TEMPORARY TABLE IF NOT EXISTS {0} ON COMMIT DELETE ROWS AS {1} WITH NO DATA"
        like = "SELECT 0::BIGINT AS place, {0} FROM {1}"
        take = "INSERT INTO {2} ({1}) SELECT {1} FROM {0} ORDER BY place ON CONFLICT DO NOTHING"
        connection.exec_driver_sql(make.format(staged, like.format(columns, table.name)))
        copy_rows(connection, table, [{"place": place, **row} for place, row in enumerate(rows)], into=staged)
        connection.exec_driver_sql(take.format(staged, columns, table.name))

    def announce(self, connection: Connection, table: Table, events: Sequence[Mapping[str, Any]]) -> int:
        """Insert events in their order, and have the commit notify all who listen: in one trip, however many."""
        data = [json.dumps(each["data"]) for each in events]
        columns = [[each[name] for each in events] for name in ("at", "kind", "run_id", "item_id")]
        found = connection.exec_driver_sql(_TELL.format(table.name), (*columns, data, CHANNEL, self._writer_id))
        return int(found.one()[0])

    def listening(self, wake: Callable[[], None]) -> Listening:
        """Return what calls `wake` after each commit of another process that wrote events."""
        return Listening(lambda: self._standing("coursekeep listening"), wake, own=self._writer_id)

    def candidate(self, me: DaemonState) -> Candidate:
        """Return what a daemon stands for leader with."""
        return Candidate(lambda: self._standing("coursekeep leading", **_SHORT), _LEADING, me)

    async def _standing(self, application: str, **options: Any) -> Standing:
        driver: Any = self.reader.dialect.loaded_dbapi
        arguments = {**self.driver_arguments(), "application_name": application, **options}
        return await Standing.open(driver, arguments)

    def moment(self) -> ColumnElement[datetime]:
        """Return the expression of the present by the server's clock."""
        return func.clock_timestamp(type_=UtcDateTime())

    def pulse(self, work: Callable[[Connection], T]) -> T:
        """Run statements on a connection of their own, without transaction and without the writers' lock."""
        with self._pulse.connect() as connection:
            return work(connection)

    def close(self) -> None:
        """Close every connection."""
        super().close()
        self._pulse.dispose()

    def begins_again(self, error: DBAPIError) -> bool:
        """Tell whether the server had closed a connection before it was used, as it does when it is restarted."""
        return error.connection_invalidated

    def ticket(self, connection: Connection) -> object:
        """Return the mark that the open transaction leaves."""
        return connection.info.get("mark")

    def was_committed(self, ticket: object, error: BaseException) -> bool:
        """Find out how a COMMIT ended whose answer never came, however long the server is away.

        Asked with the writers' lock held: so the transaction in question is over, whichever way.
        """
        if isinstance(error, DBAPIError) and not error.connection_invalidated:
            return False  # the server itself says that it did not
        end = time.monotonic() + _FINDING_OUT
        pause = 0.05
        while time.monotonic() < end:
            try:
                return bool(self._mark() == ticket)
            except (SQLAlchemyError, StoreError):
                if self.closing.is_set():
                    end = min(end, time.monotonic() + _FINDING_OUT_AT_STOP)
                time.sleep(pause)
                pause = min(pause * 2, 1.0)
        raise OutcomeUnknown(
            "The database server went away while it stored a change, and has not come back to say whether it did: "
            "look before you try again."
        ) from error

    def _mark(self) -> Any:
        with self._plain(self.reader) as connection:
            connection.exec_driver_sql("SELECT pg_advisory_lock_shared(%s)", (_WRITING,))
            try:
                query = "SELECT mark FROM store_writer WHERE writer = %s"
                return connection.exec_driver_sql(query, (self._writer_id,)).scalar()
            finally:
                connection.exec_driver_sql("SELECT pg_advisory_unlock_shared(%s)", (_WRITING,))

    def _ask(self, query: str) -> Any:
        try:
            with self.reader.connect() as connection:
                return connection.exec_driver_sql(query).scalar_one()
        except SQLAlchemyError as error:
            raise _translated(error) from error

    def driver_arguments(self) -> dict[str, Any]:
        """Return the keyword arguments that psycopg connects with."""
        _, arguments = self.writer.dialect.create_connect_args(self._url)
        return {**self._with_timeouts(), **arguments, "application_name": "coursekeep"}

    def _with_timeouts(self) -> dict[str, Any]:
        return {key: value for key, value in _CONNECTION.items() if key not in self._url.query}

    def _engine(self, *, connections: int, read_only: str, isolation: str) -> Engine:
        try:
            engine = create_engine(
                self._url,
                poolclass=QueuePool,
                pool_size=connections,
                isolation_level=isolation,
                hide_parameters=True,  # in tracebacks
                max_overflow=0,
                connect_args=self._with_timeouts(),
            )
        except ModuleNotFoundError as error:
            raise SettingsError(
                "`url` in [store] names a PostgreSQL database, and its driver is not installed: "
                "pip install 'coursekeep[postgresql]'"
            ) from error
        # before all else: SQLAlchemy looks at the server's version in a way that a strange encoding makes it fail
        event.listen(engine, "connect", self._prepare(read_only), insert=True)
        return engine

    def _prepare(self, read_only: str) -> Callable[[Any, object], None]:
        def prepare(connection: Any, record: object) -> None:
            try:
                self._check_server(connection)
                connection.autocommit = True  # what is set in a transaction ends with it
                connection.execute(_SESSION, (self._lock_timeout, read_only))
                if self._sharing is not Sharing.COMMAND and read_only == "off":
                    self._take_daemon_lock(connection)
                connection.autocommit = False
            except BaseException:
                connection.close()
                raise

        return prepare

    def _check_server(self, connection: Any) -> None:
        major = connection.info.server_version // 10000
        if major < OLDEST:
            raise StoreError(
                f"The server of {self.name} is PostgreSQL {major}; Coursekeep needs {OLDEST} or newer. Upgrade the "
                "server, or name another in `url` of [store]."
            )
        encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise StoreError(
                f"The database {self.name} is encoded as {encoding}, which cannot hold every text. Make one with "
                "`createdb --encoding=UTF8 --template=template0`."
            )

    def _take_daemon_lock(self, connection: Any) -> None:
        try:  # waits a little: the server needs a moment to notice that a killed daemon is gone
            which = "pg_advisory_lock" if self._sharing is Sharing.ALONE else "pg_advisory_lock_shared"
            connection.execute(f"SELECT {which}(%s)", (_DAEMON,))
        except Exception as error:
            if getattr(error, "sqlstate", None) != _LOCK_NOT_AVAILABLE:
                raise
            raise StoreLocked(f"{_TAKEN[self._sharing].format(self.name)} {_NOTICED}") from error

    def _begin(self, connection: Connection) -> None:
        if connection.get_execution_options().get("isolation_level") == "AUTOCOMMIT":
            return
        mark = next(self._marks)
        connection.exec_driver_sql(_BEGIN, {"lock": _WRITING, "writer": self._writer_id, "mark": mark})
        connection.info["mark"] = mark
        if mark == 1:
            connection.exec_driver_sql(_PRUNE)

    @staticmethod
    def _plain(engine: Engine) -> Connection:
        """Open a connection without transactions."""
        return engine.connect().execution_options(isolation_level="AUTOCOMMIT")


def _refuse_broken(connection: Connection) -> None:
    """Raise `StoreError` where a statement has failed: to a COMMIT after it the server rolls back without an error."""
    driver: Any = connection.connection.driver_connection
    if driver.info.transaction_status.name == "INERROR":
        raise StoreError("A statement of this transaction has failed: nothing of it was stored.")


def _checked(url: URL) -> URL:
    if url.password is not None or {"password", "sslpassword"} & set(url.query):
        raise SettingsError(
            "`url` in [store] holds a password, which would be shown wherever the address is: take it out, and set "
            'password = { env = "NAME" } or { file = "path" } in [store], or use a password file of PostgreSQL.'
        )
    if not url.database:
        raise SettingsError("`url` in [store] must name a database: postgresql://user@host/database.")
    return url


def _translated(error: SQLAlchemyError) -> StoreError:
    if isinstance(error, DBAPIError):
        return meaning(error.orig, lost=error.connection_invalidated)
    return StoreError(f"The database could not do it: {error}")
