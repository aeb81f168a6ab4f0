"""What can go wrong in the store, split by what the caller can do about it.

::

    StoreError              the database could not do it; nothing of the change was stored
    ├── Conflict            the change is not allowed as things stand; asking again will not help
    ├── NoSuchRecord        there is nothing of that id or name
    ├── StoreLocked         another process holds the database; asking later may help
    ├── StoreUnavailable    the database server is away, or refuses us; asking later may help
    ├── OutcomeUnknown      the server was lost while it stored the change, which may be stored or not
    ├── SchemaMismatch      the database is not at the schema of this program: `coursekeep db upgrade`
    ├── BadCursor           a list's cursor was not made by that list (also a ValueError)
    └── NaiveDatetime       a moment without time zone (also a ValueError)
"""

from __future__ import annotations

from coursekeep import CoursekeepError

__all__ = [
    "BadCursor",
    "Conflict",
    "NaiveDatetime",
    "NoSuchRecord",
    "OutcomeUnknown",
    "SchemaMismatch",
    "StoreError",
    "StoreLocked",
    "StoreUnavailable",
]


class StoreError(CoursekeepError):
    """The database could not do what was asked."""


class Conflict(StoreError):
    """The change is not allowed as things stand."""


class NoSuchRecord(StoreError):
    """There is nothing of that id or name."""


class StoreLocked(StoreError):
    """Another process holds the database longer than we wait."""


class StoreUnavailable(StoreError):
    """The database server is away, or takes no connection of ours."""


class OutcomeUnknown(StoreError):
    """Nobody can tell whether the change was stored: the one exception to "nothing of the change was stored"."""


class SchemaMismatch(StoreError):
    """The database is older or newer than this program."""


class BadCursor(StoreError, ValueError):
    """A cursor that this list did not make."""


class NaiveDatetime(StoreError, ValueError):
    """A moment without time zone: it could mean any of 25 hours."""
