"""Users: who may use Coursekeep, and in what role."""

from __future__ import annotations

from sqlalchemy import delete, func, select, update

from coursekeep_daemon.store.errors import Conflict, NoSuchRecord
from coursekeep_daemon.store.models import user_account, user_session
from coursekeep_daemon.store.records import Role, User
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["USER", "Users", "add_user", "user_key"]

USER = Shape(User, user_account)


class Users(Room):
    """The accounts. Names are unique whatever their case."""

    async def create_user(
        self,
        name: str,
        role: Role,
        *,
        password_hash: str | None = None,
        issuer: str | None = None,
        subject: str | None = None,
    ) -> User:
        """Add a user. Raises `Conflict` where there is one of that name, or with that subject at that issuer."""
        more = {"password_hash": password_hash, "issuer": issuer, "subject": subject}
        return await self._writer.run(lambda tx: add_user(tx, name, role, **more))

    async def users(self) -> list[User]:
        """Return all users, disabled ones too, by name."""
        query = select(*USER.columns).order_by(user_account.c.name_key)
        return await self._reader(lambda connection: USER.all(connection, query))

    async def user(self, name: str) -> User | None:
        """Return the user of that name, in whatever case; None where there is none."""
        query = select(*USER.columns).where(user_account.c.name_key == user_key(name))
        return await self._reader(lambda connection: USER.one(connection, query))

    async def user_of_subject(self, issuer: str, subject: str) -> User | None:
        """Return the user who signs in at that OpenID provider by that subject; None where there is none."""
        query = select(*USER.columns).where(user_account.c.issuer == issuer, user_account.c.subject == subject)
        return await self._reader(lambda connection: USER.one(connection, query))

    async def password_hash(self, user_id: int) -> str | None:
        """Return the hash of a user's password; None where the user has none, and cannot sign in with one."""
        query = select(user_account.c.password_hash).where(user_account.c.id == user_id)
        return await self._reader(lambda connection: connection.scalar(query))

    async def has_passwords(self) -> bool:
        """Tell whether anyone can sign in with a password."""
        query = select(func.count()).where(
            user_account.c.password_hash.is_not(None), user_account.c.disabled_at.is_(None)
        )
        return await self._reader(lambda connection: bool(connection.scalar(query)))

    async def set_password_hash(self, user_id: int, password_hash: str) -> None:
        """Change a user's password. Raises `NoSuchRecord`."""
        await self._writer.run(lambda tx: _change(tx, user_id, {"password_hash": password_hash}))

    async def set_role(self, user_id: int, role: Role) -> None:
        """Change a user's role, and with it what the user's tokens may do. Raises `NoSuchRecord`."""
        await self._writer.run(lambda tx: _change(tx, user_id, {"role": role}))

    async def disable_user(self, user_id: int) -> None:
        """Let a user in no more: sessions end, tokens are refused. Raises `NoSuchRecord`."""
        await self._writer.run(lambda tx: _disable(tx, user_id))

    async def enable_user(self, user_id: int) -> None:
        """Let a user in again; sessions have ended, tokens that are not revoked work again. Raises `NoSuchRecord`."""
        await self._writer.run(lambda tx: _change(tx, user_id, {"disabled_at": None}))


def user_key(name: str) -> str:
    """Fold a name, so that two users never differ by case alone."""
    return name.casefold()


def add_user(tx: Transaction, name: str, role: Role, **more: str | None) -> User:
    """Add a user within a transaction. Raises `Conflict`."""
    same = user_account.c.name_key == user_key(name)
    if more.get("subject") is not None:
        same |= (user_account.c.issuer == more["issuer"]) & (user_account.c.subject == more["subject"])
    if tx.execute(select(user_account.c.id).where(same)).first() is not None:
        raise Conflict(f"There is a user {name!r} already: choose another name.")
    row = {"name": name, "name_key": user_key(name), "role": role, "created_at": tx.now, **more}
    key = tx.add(user_account, row)
    made = USER.one(tx.connection, select(*USER.columns).where(user_account.c.id == key))
    assert made is not None
    return made


def _change(tx: Transaction, user_id: int, values: dict[str, object]) -> None:
    if tx.execute(update(user_account).where(user_account.c.id == user_id).values(values)).rowcount == 0:
        raise NoSuchRecord(f"There is no user {user_id}.")


def _disable(tx: Transaction, user_id: int) -> None:
    _change(tx, user_id, {"disabled_at": tx.now})
    tx.execute(delete(user_session).where(user_session.c.user_id == user_id))
