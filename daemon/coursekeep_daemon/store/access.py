"""Who may: tokens. Who did: audit events."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from coursekeep_daemon.store.errors import Conflict, StoreError
from coursekeep_daemon.store.models import api_token, audit_event
from coursekeep_daemon.store.records import ApiToken, AuditEvent, Slice
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape, page
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Access"]

_TOKEN = Shape(ApiToken, api_token)
_AUDIT = Shape(AuditEvent, audit_event)

_BY_DIGESTS = (
    select(api_token.c.digest, *_TOKEN.columns)
    .where(api_token.c.digest.in_(bindparam("digests", expanding=True)))
    .where(api_token.c.revoked_at.is_(None))
)

_SCOPES = ("read", "operate", "admin")

#: how exactly the last use of a token is known: noting every request would make each of them a write
_USE_NOTED_EVERY: Final = timedelta(minutes=1)


class Access(Room):
    """Tokens and the audit trail."""

    async def create_token(self, name: str, scope: str) -> tuple[ApiToken, str]:
        """Make a token, and return it with its secret, which is kept nowhere.

        Raises `Conflict` where a token of that name is in force, ValueError for an unknown scope.
        """
        if scope not in _SCOPES:
            raise ValueError(f"A scope is one of {', '.join(_SCOPES)}, not {scope!r}.")
        secret = "ck_" + secrets.token_urlsafe(32)
        return await self._writer.run(lambda tx: _create(tx, name, scope, _digest(secret))), secret

    async def token_for(self, secret: str) -> ApiToken | None:
        """Return the token of a secret; None where there is none, or it is revoked. Notes its use, to the minute."""
        token = await self._reader.together(_tokens_of, _digest(secret))
        if token is not None and (token.last_used_at is None or self._clock() - token.last_used_at >= _USE_NOTED_EVERY):
            await self._note_use(token.id)
        return token

    async def _note_use(self, token_id: int) -> None:
        statement = update(api_token).where(api_token.c.id == token_id)
        try:
            await self._writer.run(lambda tx: tx.execute(statement.values(last_used_at=tx.now)).rowcount)
        except StoreError:
            return  # a database that cannot be written must not lock out whoever comes to mend it

    async def tokens(self) -> list[ApiToken]:
        """Return all tokens, revoked ones too, oldest first."""
        query = select(*_TOKEN.columns).order_by(api_token.c.id)
        return await self._reader(lambda connection: _TOKEN.all(connection, query))

    async def revoke_token(self, name: str) -> bool:
        """Revoke the token of that name for good; False where none is in force."""
        statement = update(api_token).where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
        return await self._writer.run(lambda tx: tx.execute(statement.values(revoked_at=tx.now)).rowcount > 0)

    async def audit(
        self, who: str, action: str, target: str, result: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Note for good who did what, with what result. `detail` must hold no secret."""
        row = {"who": who, "action": action, "target": target, "result": result, "detail": dict(detail or {})}
        await self._writer.submit(_audit, row)

    async def audit_events(
        self, *, limit: int = 50, cursor: str | None = None, who: str | None = None, action: str | None = None
    ) -> Slice[AuditEvent]:
        """List audit events, newest first. Raises `BadCursor`."""
        query = select(*_AUDIT.columns)
        if who is not None:
            query = query.where(audit_event.c.who == who)
        if action is not None:
            query = query.where(audit_event.c.action == action)
        scope = f"audit {who!r} {action!r}"
        return await self._reader(
            lambda connection: page(
                connection, _AUDIT, query, audit_event.c.id, scope=scope, limit=limit, cursor=cursor, newest_first=True
            )
        )


def _digest(secret: str) -> bytes:
    # the secret is 256 random bits: nothing to guess, so nothing that a slow hash would protect
    return hashlib.sha256(secret.encode(errors="backslashreplace")).digest()


def _tokens_of(connection: Connection, digests: Sequence[bytes]) -> list[ApiToken | None]:
    rows = connection.execute(_BY_DIGESTS, {"digests": sorted(set(digests))})
    found = {row[0]: _TOKEN.record(row[1:]) for row in rows}
    return [found.get(digest) for digest in digests]


def _create(tx: Transaction, name: str, scope: str, digest: bytes) -> ApiToken:
    taken = select(api_token.c.id).where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
    if tx.execute(taken).first() is not None:
        raise Conflict(f"There is a token {name!r} already: revoke it first, or choose another name.")
    row = {"name": name, "scope": scope, "digest": digest, "created_at": tx.now}
    key = tx.add(api_token, row)
    made = _TOKEN.one(tx.connection, select(*_TOKEN.columns).where(api_token.c.id == key))
    assert made is not None
    return made


def _audit(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> Sequence[None]:
    tx.execute_many(insert(audit_event), [{"at": tx.now, **row} for row in rows])
    return [None] * len(rows)
