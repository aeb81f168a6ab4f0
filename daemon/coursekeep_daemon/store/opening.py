"""Which database an address means, and what errors mean, whichever database they come from."""

from __future__ import annotations

import sqlite3

from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, SQLAlchemyError, StatementError

from coursekeep import SettingsError
from coursekeep_daemon.store import postgresql, sqlite
from coursekeep_daemon.store.database import Database, Sharing
from coursekeep_daemon.store.errors import StoreError

__all__ = ["open_database", "translate"]

#: what PostgreSQL says to a text of more than 2,700 bytes in an index
_TOO_LONG = "54000"
_POSTGRESQL = ("postgresql", "postgres", "postgresql+psycopg")


def open_database(
    url: str, *, password: str | None = None, lock_timeout: float = 5.0, sharing: Sharing = Sharing.COMMAND
) -> Database:
    """Take the address of a database; open nothing yet. Raises `SettingsError` for one that cannot be used.

    `sharing` is for daemons and workers: see `PostgresDatabase`.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        shown = "" if "@" in url else f", not {url!r}"  # it may hold a password in a place where nobody looks for one
        raise SettingsError(
            f"`url` in [store] is not a database address: use sqlite:///path or postgresql://user@host/database{shown}."
        ) from None
    if parsed.drivername == "sqlite":
        return sqlite.SqliteDatabase(parsed, lock_timeout=lock_timeout)
    if parsed.drivername in _POSTGRESQL:
        return postgresql.PostgresDatabase(parsed, password=password, lock_timeout=lock_timeout, sharing=sharing)
    raise SettingsError(
        f"`url` in [store]: {parsed.drivername!r} is not supported; use sqlite:///path or "
        "postgresql://user@host/database."
    )


def translate(error: BaseException) -> BaseException:
    """Give the `StoreError` that tells a caller what happened; other errors stay as they are."""
    if isinstance(error, StatementError) and isinstance(error.orig, (StoreError, ValueError, TypeError)):
        return error.orig  # a value was refused before the database saw it
    if isinstance(error, DBAPIError):
        if isinstance(error.orig, sqlite3.Error):
            return sqlite.meaning(error.orig)
        if getattr(error.orig, "sqlstate", None) == _TOO_LONG:
            # no trouble of the database: waiting would not help
            return ValueError(f"A name or id is too long for PostgreSQL to find it again: {error.orig}")
        return postgresql.meaning(error.orig, lost=error.connection_invalidated)
    if isinstance(error, SQLAlchemyError):
        return StoreError(f"The database could not do it: {error}")
    return error
