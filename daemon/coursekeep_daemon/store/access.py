"""Who may: tokens. Who did: audit events."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, bindparam, insert, select, update

from coursekeep_daemon.store.errors import Conflict, NoSuchRecord, StoreError
from coursekeep_daemon.store.models import api_token, audit_event, user_account
from coursekeep_daemon.store.records import ApiToken, AuditEvent, Role, Slice, User
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape, page
from coursekeep_daemon.store.transaction import Transaction
from coursekeep_daemon.store.users import USER, add_user, user_key

__all__ = ["SCOPE_ROLES", "Access"]

_TOKEN = Shape(ApiToken, api_token)
#: target of what is done to a run
_OF_RUN = re.compile(r"run ([0-9]{1,18})")
_AUDIT = Shape(AuditEvent, audit_event)

_BOTH = [*_TOKEN.columns, *USER.columns]

#: scopes of tokens, each with the role that its user needs
SCOPE_ROLES: Final = {"read": Role.VIEWER, "operate": Role.OPERATOR, "admin": Role.ADMINISTRATOR}

_BY_DIGESTS = (
    select(api_token.c.digest, *_BOTH)
    .join(user_account, user_account.c.id == api_token.c.user_id)
    .where(api_token.c.digest.in_(bindparam("digests", expanding=True)))
    .where(api_token.c.revoked_at.is_(None), user_account.c.disabled_at.is_(None))
)

#: how exactly the last use of a token is known: noting every request would make each of them a write
_USE_NOTED_EVERY: Final = timedelta(minutes=1)


class Access(Room):
    """Tokens and the audit trail."""

    async def create_token(self, name: str, scope: str, *, user: str | None = None) -> tuple[ApiToken, str]:
        """Make a token of a user, and return it with its secret, which is kept nowhere.

        Without a user it belongs to the user of its own name; where there is none, an account for a program is made,
        without a password. Raises `Conflict` where a token of that name is in force, or the user's role does not
        allow the scope; `NoSuchRecord` for an unknown user, ValueError for an unknown scope.
        """
        if scope not in SCOPE_ROLES:
            raise ValueError(f"A scope is one of {', '.join(SCOPE_ROLES)}, not {scope!r}.")
        secret = "ck_" + secrets.token_urlsafe(32)
        return await self._writer.run(lambda tx: _create(tx, name, scope, user, _digest(secret))), secret

    async def token_for(self, secret: str) -> tuple[ApiToken, User] | None:
        """Return the token of a secret with its user, and note its use, to the minute.

        None where there is no such token, it is revoked, or its user is disabled.
        """
        found = await self._reader.together(_tokens_of, _digest(secret))
        if found is None:
            return None
        token, user = found
        if token.last_used_at is None or self._clock() - token.last_used_at >= _USE_NOTED_EVERY:
            await self._note_use(token.id)
        return token, user

    async def _note_use(self, token_id: int) -> None:
        statement = update(api_token).where(api_token.c.id == token_id)
        try:
            await self._writer.run(lambda tx: tx.execute(statement.values(last_used_at=tx.now)).rowcount)
        except StoreError:
            return  # a database that cannot be written must not lock out whoever comes to mend it

    async def tokens(self, user_id: int | None = None) -> list[ApiToken]:
        """Return all tokens, or those of one user, revoked ones too, oldest first."""
        query = select(*_TOKEN.columns).order_by(api_token.c.id)
        if user_id is not None:
            query = query.where(api_token.c.user_id == user_id)
        return await self._reader(lambda connection: _TOKEN.all(connection, query))

    async def revoke_token(self, name: str, *, user_id: int | None = None) -> bool:
        """Revoke the token of that name for good; False where none is in force, or it belongs to another user."""
        statement = update(api_token).where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
        if user_id is not None:
            statement = statement.where(api_token.c.user_id == user_id)
        return await self._writer.run(lambda tx: tx.execute(statement.values(revoked_at=tx.now)).rowcount > 0)

    async def audit(
        self, who: str, action: str, target: str, result: str, detail: Mapping[str, Any] | None = None
    ) -> None:
        """Note for good who did what, with what result. `detail` must hold no secret."""
        row = {"who": who, "action": action, "target": target, "result": result, "detail": dict(detail or {})}
        await self._writer.submit(_audit, row)

    async def audit_events(
        self,
        *,
        limit: int = 50,
        cursor: str | None = None,
        who: str | None = None,
        action: str | None = None,
        target: str | None = None,
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> Slice[AuditEvent]:
        """List audit events, newest first. Raises `BadCursor`."""
        asked = {"who": who, "action": action, "target": target}
        query = select(*_AUDIT.columns)
        for name, value in asked.items():
            if value is not None:
                query = query.where(audit_event.c[name] == value)
        if since is not None:
            query = query.where(audit_event.c.at >= since)
        if before is not None:
            query = query.where(audit_event.c.at < before)
        scope = f"audit {asked} {since} {before}"
        return await self._reader(
            lambda connection: page(
                connection, _AUDIT, query, audit_event.c.id, scope=scope, limit=limit, cursor=cursor, newest_first=True
            )
        )

    async def audit_actions(self) -> list[str]:
        """Return every action that the audit knows, for a filter to offer."""
        query = select(audit_event.c.action).distinct().order_by(audit_event.c.action)
        return await self._reader(lambda connection: list(connection.scalars(query)))


def _digest(secret: str) -> bytes:
    # the secret is 256 random bits: nothing to guess, so nothing that a slow hash would protect
    return hashlib.sha256(secret.encode(errors="backslashreplace")).digest()


def _tokens_of(connection: Connection, digests: Sequence[bytes]) -> list[tuple[ApiToken, User] | None]:
    split = 1 + len(_TOKEN.columns)
    rows = connection.execute(_BY_DIGESTS, {"digests": sorted(set(digests))})
    found = {row[0]: (_TOKEN.record(row[1:split]), USER.record(row[split:])) for row in rows}
    return [found.get(digest) for digest in digests]


def _create(tx: Transaction, name: str, scope: str, owner: str | None, digest: bytes) -> ApiToken:
    taken = select(api_token.c.id).where(api_token.c.name == name, api_token.c.revoked_at.is_(None))
    if tx.execute(taken).first() is not None:
        raise Conflict(f"There is a token {name!r} already: revoke it first, or choose another name.")
    user = _owner(tx, owner, name, SCOPE_ROLES[scope])
    row = {"name": name, "scope": scope, "digest": digest, "created_at": tx.now, "user_id": user.id}
    key = tx.add(api_token, row)
    made = _TOKEN.one(tx.connection, select(*_TOKEN.columns).where(api_token.c.id == key))
    assert made is not None
    return made


def _owner(tx: Transaction, owner: str | None, name: str, needed: Role) -> User:
    """Return the user whom a new token belongs to. Raises `Conflict`, `NoSuchRecord`."""
    query = select(*USER.columns).where(user_account.c.name_key == user_key(name if owner is None else owner))
    user = USER.one(tx.connection, query)
    if user is None and owner is None:
        return add_user(tx, name, needed)
    if user is None:
        raise NoSuchRecord(f"There is no user {owner!r}: `coursekeep user list` shows all.")
    if user.disabled_at is not None:
        raise Conflict(f"The user {user.name!r} is disabled: enable it, or choose another.")
    if not user.role.includes(needed):
        raise Conflict(f"The user {user.name!r} is {user.role}; this token needs {needed}.")
    return user


def _audit(tx: Transaction, rows: Sequence[Mapping[str, Any]]) -> Sequence[None]:
    tx.execute_many(insert(audit_event), [{"at": tx.now, **row} for row in rows])
    for row in rows:
        if run := _OF_RUN.fullmatch(row["target"]):
            # what was done is told before who did it is noted: whoever shows both has to look again
            tx.tell("activity", {"action": row["action"], "result": row["result"]}, run_id=int(run[1]))
    return [None] * len(rows)
