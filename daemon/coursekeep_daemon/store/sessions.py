"""Sessions: browsers in which users are signed in."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta
from typing import Final

from sqlalchemy import delete, select, update

from coursekeep_daemon.store.errors import Conflict, StoreError
from coursekeep_daemon.store.models import user_account, user_session
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

    async def create_session(
        self, user_id: int, *, agent: str, lifetime: timedelta, password_hash: str | None = None
    ) -> tuple[Session, str]:
        """Sign a user in, and return the session with the secret for its cookie, which is kept nowhere.

        Every sign-in makes a new secret. Sessions that have expired are forgotten on this occasion. Raises `Conflict`
        where the user is disabled, or no longer has the password that was found right: who was signed out everywhere
        a moment ago stays out.
        """
        secret = "cks_" + secrets.token_urlsafe(32)
        made = await self._writer.run(lambda tx: _create(tx, user_id, _digest(secret), agent, lifetime, password_hash))
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


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="backslashreplace")).digest()


def _create(
    tx: Transaction, user_id: int, digest: bytes, agent: str, lifetime: timedelta, password_hash: str | None
) -> Session:
    kept = tx.execute(
        select(user_account.c.password_hash, user_account.c.disabled_at).where(user_account.c.id == user_id)
    )
    now_kept, disabled_at = kept.one()
    if disabled_at is not None or (password_hash is not None and now_kept != password_hash):
        raise Conflict("The account was changed while it signed in.")
    tx.execute(delete(user_session).where(user_session.c.expires_at <= tx.now))
    moments = {"created_at": tx.now, "last_used_at": tx.now, "expires_at": tx.now + lifetime}
    key = tx.add(user_session, {"user_id": user_id, "digest": digest, "agent": agent[:200], **moments})
    tx.execute(update(user_account).where(user_account.c.id == user_id).values(last_signed_in_at=tx.now))
    made = _SESSION.one(tx.connection, select(*_SESSION.columns).where(user_session.c.id == key))
    assert made is not None
    return made
