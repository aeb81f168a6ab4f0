"""Attempts to sign in: counted by what they have in common, so that guessing gets slower and slower."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Row, delete, or_, select, update

from coursekeep_daemon.store.models import sign_in_failure
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Attempt", "AttemptLimit", "Attempts"]

_Row = Row[int, datetime, datetime | None]

#: failures are counted anew after this long without one
_FORGOTTEN_AFTER: Final = timedelta(hours=24)
#: how long an attempt that succeeded is remembered
_KNOWN_FOR: Final = timedelta(days=90)


@dataclass(frozen=True, kw_only=True, slots=True)
class AttemptLimit:
    """How many attempts with one key may fail before each next one has to wait, twice as long every time."""

    key: str
    free: int
    first_wait: timedelta
    longest_wait: timedelta
    #: whether the limit holds for those too whom the first key of a list has let in before
    for_known: bool = True

    def wait(self, failures: int) -> timedelta:
        """Return how long to wait after so many failures."""
        if failures < self.free:
            return timedelta()
        return min(self.first_wait * 2.0 ** min(failures - self.free, 30), self.longest_wait)


@dataclass(frozen=True, kw_only=True, slots=True)
class Attempt:
    """What became of the wish to try."""

    #: when to try again; None where the attempt may be made now
    until: datetime | None
    #: how long that is
    wait: timedelta = timedelta()
    #: the keys that it counts under: the first is the narrowest
    keys: tuple[str, ...] = ()


class Attempts(Room):
    """Who fails to sign in. Only digests of keys are kept: people type passwords as names."""

    async def begin_attempt(self, limits: Sequence[AttemptLimit]) -> Attempt:
        """Count an attempt as failed under every key; or, where it comes too early, count nothing.

        An attempt counts before its password is looked at, so that many at once are not more than many in a row.
        The first limit is the narrowest: where it let someone in before, limits that are not `for_known` do not hold.
        """
        return await self._writer.run(lambda tx: _begin(tx, limits))

    async def attempt_succeeded(self, attempt: Attempt) -> None:
        """Take an attempt back that turned out well: its first key counts anew, and is known from now on."""
        await self._writer.run(lambda tx: _succeeded(tx, [_digest(key) for key in attempt.keys]))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode(errors="backslashreplace")).digest()


def _begin(tx: Transaction, limits: Sequence[AttemptLimit]) -> Attempt:
    rows = {limit.key: _row(tx, _digest(limit.key)) for limit in limits}
    first = rows[limits[0].key]
    known = first is not None and first.succeeded_at is not None and tx.now - first.succeeded_at < _KNOWN_FOR
    in_force = [limit for limit in limits if limit.for_known or not known]
    until = max(
        (row.last_at + limit.wait(row.failures) for limit in in_force if (row := rows[limit.key])), default=tx.now
    )
    if until > tx.now:
        return Attempt(until=until, wait=until - tx.now)
    for limit in in_force:
        _count(tx, _digest(limit.key), rows[limit.key])
    _prune(tx)
    return Attempt(until=None, keys=tuple(limit.key for limit in in_force))


def _row(tx: Transaction, key: bytes) -> _Row | None:
    columns = (sign_in_failure.c.count.label("failures"), sign_in_failure.c.last_at, sign_in_failure.c.succeeded_at)
    return tx.connection.execute(select(*columns).where(sign_in_failure.c.key == key)).one_or_none()


def _count(tx: Transaction, key: bytes, row: _Row | None) -> None:
    old = row is None or tx.now - row.last_at >= _FORGOTTEN_AFTER
    values = {"count": 1 if row is None or old else row.failures + 1, "last_at": tx.now}
    tx.execute(
        tx.insert(sign_in_failure)
        .values({"key": key, **values})
        .on_conflict_do_update(index_elements=["key"], set_=values)
    )


def _succeeded(tx: Transaction, keys: Sequence[bytes]) -> None:
    known = {"count": 0, "last_at": tx.now, "succeeded_at": tx.now}
    tx.execute(
        tx.insert(sign_in_failure)
        .values({"key": keys[0], **known})
        .on_conflict_do_update(index_elements=["key"], set_=known)
    )
    if not keys[1:]:
        return
    others = (sign_in_failure.c.key.in_(keys[1:]), sign_in_failure.c.count > 0)
    tx.execute(update(sign_in_failure).where(*others).values(count=sign_in_failure.c.count - 1))


def _prune(tx: Transaction) -> None:
    succeeded_at = sign_in_failure.c.succeeded_at
    tx.execute(
        delete(sign_in_failure).where(
            sign_in_failure.c.last_at < tx.now - _FORGOTTEN_AFTER,
            or_(succeeded_at.is_(None), succeeded_at < tx.now - _KNOWN_FOR),
        )
    )
