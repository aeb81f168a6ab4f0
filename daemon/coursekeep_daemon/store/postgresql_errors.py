"""What errors of PostgreSQL mean: which are waited out, and what people do about the others."""

from __future__ import annotations

from typing import Any, Final

from coursekeep_daemon.store.errors import StoreError, StoreLocked, StoreUnavailable

__all__ = ["meaning"]

# Codes of https://www.postgresql.org/docs/current/errcodes-appendix.html; two letters stand for a whole class.

#: another session holds what is needed, or came in between
_LOCKED: Final = frozenset({"55P03", "57014", "40001", "40P01", "25P03"})
#: the server stops, starts, has crashed, was told to end the session, or is a standby until the fail-over is done
_AWAY: Final = frozenset({"08", "57P01", "57P02", "57P03", "57P04", "57P05", "25006"})
_FULL: Final = frozenset({"53100", "58030"})
_BUSY: Final = frozenset({"53300", "53200", "53000", "53400"})
_DAMAGED: Final = frozenset({"XX001", "XX002"})
_FORBIDDEN: Final = frozenset({"42501", "28000", "28P01"})

#: what a server says while it refuses a connection, for which drivers are given no code; English where it is set so
_REFUSALS: Final = (
    ("too many", "Raise `max_connections` of the server, or stop what else uses it: a daemon takes up to eight."),
    ("remaining connection slots", "Raise `max_connections` of the server, or stop what else uses it."),
    (
        "does not exist",
        "Make the role with `createuser` and the database with `createdb`, or correct `url` in [store].",
    ),
    ("password", "Set `password` in [store], or correct the password file."),
    ("no pg_hba.conf entry", "Let the server's pg_hba.conf allow this user from this machine."),
    ("certificate", "Correct `sslrootcert` in the address, or the certificate of the server."),
)


def meaning(error: Any, *, lost: bool = False) -> StoreError:
    """Give the `StoreError` that says what to do about an error of the driver; `lost` where the connection is gone."""
    code = getattr(error, "sqlstate", None) or ""
    # of what a server says, the first part only: what follows may hold whole rows
    said = " ".join(((code and error.diag.message_primary) or str(error)).split())
    if code in _LOCKED:
        return StoreLocked(f"The database is held by another session ({said}): try again later.")
    if code in _FULL:
        return StoreError(f"The database could not write ({said}): make space on its disk. Nothing was changed.")
    if code in _BUSY:
        return StoreUnavailable(f"The database server is at its limits ({said}): {_REFUSALS[0][1]}")
    if code in _DAMAGED:
        return StoreError(f"The database is damaged ({said}): restore it from a backup.")
    if code in _FORBIDDEN:
        return StoreError(f"The database server does not allow it ({said}): give the user of `url` that right.")
    if lost or code in _AWAY or code[:2] in _AWAY:
        return StoreUnavailable(f"The database server went away ({said}). Nothing was changed; try again later.")
    if not code and type(error).__name__ == "OperationalError":
        return StoreUnavailable(f"The database server cannot be used: {said}. {_remedy(said)}")
    return StoreError(f"The database refused it: {said}")


def _remedy(said: str) -> str:
    for sign, remedy in _REFUSALS:
        if sign in said:
            return remedy
    return "Start it, or correct `url` in [store]."
