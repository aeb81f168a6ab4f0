"""Sessions: browsers in which users are signed in; and attempts that failed."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select, update

from coursekeep_daemon.store.errors import StoreError
from coursekeep_daemon.store.models import sign_in_failure, user_account, user_session
from coursekeep_daemon.store.records import Session, User
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.transaction import Transaction
from coursekeep_daemon.store.users import USER

__all__ = ["Sessions"]

_SESSION = Shape(Session, user_session)
_BOTH = [*_SESSION.columns, *USER.columns]

#: how exactly the last use of a session is known: noting every request would make each of them a write
_USE_NOTED_EVERY: Final = timedelta(minutes=1)


class Sessions(Room):
    """Who is signed in where."""

    async def create_session(self, user_id: int, *, agent: str, lifetime: timedelta) -> tuple[Session, str]:
        """Sign a user in, and return the session with the secret for its cookie, which is kept nowhere.

        Every sign-in makes a new secret. Sessions that have expired are forgotten on this occasion.
        """
        secret = "cks_" + secrets.token_urlsafe(32)
        made = await self._writer.run(lambda tx: _create(tx, user_id, _digest(secret), agent, lifetime))
        return made, secret

    async def session_for(self, secret: str, *, idle: timedelta) -> tuple[Session, User] | None:
        """Return the session of a secret with its user, and note the use, to the minute.

        None where there is no such session, it has expired or lain idle too long, or its user is disabled.
        """
        query = (
            select(*_BOTH)
            .join(user_account, user_account.c.id == user_session.c.user_id)
            .where(user_session.c.digest == _digest(secret), user_account.c.disabled_at.is_(None))
        )
        row = await self._reader(lambda connection: connection.execute(query).one_or_none())
        if row is None:
            return None
        split = len(_SESSION.columns)
        session, user, now = _SESSION.record(row[:split]), USER.record(row[split:]), self._clock()
        if now >= session.expires_at or now - session.last_used_at >= idle:
            return None
        if now - session.last_used_at >= _USE_NOTED_EVERY:
            await self._note_session_use(session.id)
        return session, user

    async def _note_session_use(self, session_id: int) -> None:
        statement = update(user_session).where(user_session.c.id == session_id)
        try:
            await self._writer.run(lambda tx: tx.execute(statement.values(last_used_at=tx.now)).rowcount)
        except StoreError:
            return  # a database that cannot be written must not lock out whoever comes to mend it

    async def sessions(self, user_id: int) -> list[Session]:
        """Return a user's sessions that have not expired, newest first."""
        query = (
            select(*_SESSION.columns)
            .where(user_session.c.user_id == user_id, user_session.c.expires_at > self._clock())
            .order_by(user_session.c.id.desc())
        )
        return await self._reader(lambda connection: _SESSION.all(connection, query))

    async def end_session(self, session_id: int, *, user_id: int) -> bool:
        """Sign a user out of one browser; False where that is no session of this user."""
        statement = delete(user_session).where(user_session.c.id == session_id, user_session.c.user_id == user_id)
        return await self._writer.run(lambda tx: tx.execute(statement).rowcount > 0)

    async def end_sessions(self, user_id: int) -> int:
        """Sign a user out everywhere, and return from how many browsers."""
        statement = delete(user_session).where(user_session.c.user_id == user_id)
        return await self._writer.run(lambda tx: tx.execute(statement).rowcount)

    async def sign_in_failures(self, key: str) -> tuple[int, datetime] | None:
        """Return how many attempts with this key failed in a row, and when the last did; None where none did."""
        query = select(sign_in_failure.c.count, sign_in_failure.c.last_at).where(sign_in_failure.c.key == _digest(key))
        row = await self._reader(lambda connection: connection.execute(query).one_or_none())
        return None if row is None else (row[0], row[1])

    async def note_sign_in_failure(self, *keys: str) -> None:
        """Count a failed attempt under each key. Only digests of keys are kept: people type passwords as names."""
        await self._writer.run(lambda tx: _note_failures(tx, [_digest(key) for key in keys]))

    async def forget_sign_in_failures(self, *keys: str) -> None:
        """Begin counting anew, after an attempt that succeeded."""
        statement = delete(sign_in_failure).where(sign_in_failure.c.key.in_([_digest(key) for key in keys]))
        await self._writer.run(lambda tx: tx.execute(statement).rowcount)


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="backslashreplace")).digest()


def _create(tx: Transaction, user_id: int, digest: bytes, agent: str, lifetime: timedelta) -> Session:
    tx.execute(delete(user_session).where(user_session.c.expires_at <= tx.now))
    moments = {"created_at": tx.now, "last_used_at": tx.now, "expires_at": tx.now + lifetime}
    key = tx.add(user_session, {"user_id": user_id, "digest": digest, "agent": agent[:200], **moments})
    tx.execute(update(user_account).where(user_account.c.id == user_id).values(last_signed_in_at=tx.now))
    made = _SESSION.one(tx.connection, select(*_SESSION.columns).where(user_session.c.id == key))
    assert made is not None
    return made


def _note_failures(tx: Transaction, keys: list[bytes]) -> None:
    for key in keys:
        row = {"key": key, "count": 1, "last_at": tx.now}
        again = {"count": sign_in_failure.c.count + 1, "last_at": tx.now}
        tx.execute(tx.insert(sign_in_failure).values(row).on_conflict_do_update(index_elements=["key"], set_=again))
