"""The schema's version: brought to the newest by `coursekeep db upgrade`, checked at every start."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from coursekeep_daemon.store.database import Database
from coursekeep_daemon.store.errors import SchemaMismatch
from coursekeep_daemon.store.opening import translate

__all__ = ["check", "newest", "revision", "upgrade"]


def upgrade(database: Database, *, folder: bool = False) -> str | None:
    """Bring the schema to the newest revision, creating the database where there is none.

    All or nothing: an upgrade that is interrupted leaves the old schema. Returns the revision it came from, `empty` for
    a new database, None where there was nothing to do. Raises `SchemaMismatch` where the database is newer than this
    program, `StoreLocked` where another process writes, `StoreError` where the database cannot be used.
    """
    database.create(folder=folder)
    config = _config()
    try:
        with database.writer.begin() as connection:
            before = _revision(connection)
            _refuse_unknown(database, before)
            if before == newest():
                return None
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except SQLAlchemyError as error:
        raise translate(error) from error
    return before or "empty"


def check(database: Database) -> None:
    """Raise `SchemaMismatch`, saying what to do, unless the database is there and at the newest revision."""
    if not database.exists():
        raise SchemaMismatch(f"There is no database at {database.name} yet: run `coursekeep db upgrade` first.")
    try:
        with database.reader.connect() as connection:
            found = _revision(connection)
    except SQLAlchemyError as error:
        raise translate(error) from error
    if found == newest():
        return
    _refuse_unknown(database, found)
    raise SchemaMismatch(
        f"The database {database.name} is at revision {found or 'empty'}, this program needs {newest()}: "
        "make a backup, then run `coursekeep db upgrade`."
    )


def revision(connection: Connection) -> str:
    """Return the revision of the schema behind a connection."""
    return _revision(connection) or "empty"


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", "coursekeep_daemon.store:migrations")
    config.set_main_option("path_separator", "os")
    return config


def newest() -> str:
    """Return the revision that this program needs."""
    return ScriptDirectory.from_config(_config()).get_current_head() or ""


def _revision(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


def _refuse_unknown(database: Database, revision: str | None) -> None:
    known = {script.revision for script in ScriptDirectory.from_config(_config()).walk_revisions()}
    if revision is not None and revision not in known:
        raise SchemaMismatch(
            f"The database {database.name} is at revision {revision}, which this program does not know: it was "
            "upgraded by a newer Coursekeep. Install that version, or restore the backup made before the upgrade."
        )
