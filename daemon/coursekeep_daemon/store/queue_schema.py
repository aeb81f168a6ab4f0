"""The schema of Procrastinate's queue, which `coursekeep db upgrade` keeps in the store's own database.

Procrastinate gives its schema as one file, and as one file per change since; which of these a database has, it does not
note. So the name of the newest is noted here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from coursekeep_daemon.store.errors import SchemaMismatch
from coursekeep_daemon.store.opening import translate
from coursekeep_daemon.store.postgresql import PostgresDatabase

__all__ = ["check_queue", "upgrade_queue"]

_NOTED: Final = "CREATE TABLE IF NOT EXISTS queue_schema (id INTEGER PRIMARY KEY, newest VARCHAR NOT NULL)"
_NOTE: Final = "INSERT INTO queue_schema VALUES (1, %s) ON CONFLICT (id) DO UPDATE SET newest = excluded.newest"


def upgrade_queue(database: PostgresDatabase) -> bool:
    """Install the queue's tables, or bring them to the newest schema; tell whether there was something to do.

    Each change is one transaction with its note, so an upgrade that is interrupted goes on where it was. Raises
    `SchemaMismatch` for tables that are not Coursekeep's, `StoreError`.
    """
    changed = False
    try:
        while True:
            with database.writer.begin() as connection:
                connection.exec_driver_sql(_NOTED)
                if (step := _next(database, connection)) is None:
                    return changed
                name, sql = step
                _cursor(connection, sql)
                connection.exec_driver_sql(_NOTE, (name,))
            changed = True
    except SQLAlchemyError as error:
        raise translate(error) from error


def check_queue(database: PostgresDatabase) -> None:
    """Raise `SchemaMismatch`, naming what to run, unless the queue's tables are there and at the newest schema."""
    try:
        with database.reader.connect() as connection:
            found = _noted(connection)
    except SQLAlchemyError as error:
        raise translate(error) from error
    if found != _files()[-1].name:
        raise SchemaMismatch(
            f"The database {database.name} {'has an older queue' if found else 'has no queue yet'}, which `engine.kind "
            '= "procrastinate"` needs: make a backup, then run `coursekeep db upgrade`.'
        )


def _next(database: PostgresDatabase, connection: Connection) -> tuple[str, str] | None:
    """Return the newest name that is true after the next step, and the SQL of it; None where all is done."""
    files, noted = _files(), _noted(connection)
    if noted is None:
        if connection.exec_driver_sql("SELECT to_regclass('procrastinate_jobs')").scalar() is not None:
            raise SchemaMismatch(
                f"The database {database.name} has tables of Procrastinate that Coursekeep did not make: give "
                "Coursekeep a database of its own."
            )
        return files[-1].name, files[-1].parents[1].joinpath("schema.sql").read_text(encoding="utf-8")
    if noted > files[-1].name:
        raise SchemaMismatch(
            f"The queue in the database {database.name} was upgraded by a newer Coursekeep: install that version."
        )
    newer = [file for file in files if file.name > noted]
    return (newer[0].name, newer[0].read_text(encoding="utf-8")) if newer else None


def _noted(connection: Connection) -> str | None:
    if connection.exec_driver_sql("SELECT to_regclass('queue_schema')").scalar() is None:
        return None
    found = connection.exec_driver_sql("SELECT newest FROM queue_schema").scalar()
    return None if found is None else str(found)


def _files() -> list[Path]:
    """Return the files of the library's changes, in the order of their names, which begin with its versions."""
    from procrastinate.schema import SchemaManager  # an extra, which nobody else needs

    return sorted(Path(SchemaManager.get_migrations_path()).glob("*.sql"), key=lambda file: file.name)


def _cursor(connection: Connection, sql: str) -> None:
    """Run a whole file, which has many statements, on the driver's own cursor."""
    driver = connection.connection.driver_connection
    assert driver is not None
    with driver.cursor() as cursor:
        cursor.execute(sql)
