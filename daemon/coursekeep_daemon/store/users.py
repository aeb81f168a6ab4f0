"""Users: who may use Coursekeep, and in what role."""

from __future__ import annotations

from dataclasses import dataclass, field

from sqlalchemy import Select, delete, func, or_, select, update

from coursekeep_daemon.store.errors import Conflict, NoSuchRecord
from coursekeep_daemon.store.models import user_account, user_session
from coursekeep_daemon.store.records import Role, User
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape, is_id
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["USER", "UserChange", "Users", "add_user", "user_key"]

USER = Shape(User, user_account, {"has_password": user_account.c.password_hash.is_not(None)})


@dataclass(frozen=True, kw_only=True, slots=True)
class UserChange:
    """What becomes different about a user; None stays as it is."""

    role: Role | None = None
    disabled: bool | None = None
    password_hash: str | None = field(default=None, repr=False)


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

    async def user_by_id(self, user_id: int) -> User | None:
        """Return a user; None where there is none."""
        if not is_id(user_id):
            return None
        query = select(*USER.columns).where(user_account.c.id == user_id)
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

    async def change_user(
        self, user_id: int, change: UserChange, *, keep_administrator: bool = False, keep_session: int | None = None
    ) -> User:
        """Change a user, all of it or nothing, and return what the user is now.

        Who is disabled or gets a new password is signed out everywhere, but for the session to keep. With
        `keep_administrator` a change is refused that leaves nobody to administer. Raises `NoSuchRecord`, `Conflict`.
        """
        return await self._writer.run(lambda tx: _change(tx, user_id, change, keep_administrator, keep_session))

    async def renew_password_hash(self, user_id: int, old: str, new: str) -> None:
        """Put a stronger hash of the same password in the place of an old one, unless the password was changed."""
        same = (user_account.c.id == user_id, user_account.c.password_hash == old)
        await self._writer.run(
            lambda tx: tx.execute(update(user_account).where(*same).values(password_hash=new)).rowcount
        )

    async def lacks_administrator(self) -> bool:
        """Tell whether no enabled user can administer."""
        return await self._reader(lambda connection: connection.execute(_administrators()).first() is None)


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


def _change(
    tx: Transaction, user_id: int, change: UserChange, keep_administrator: bool, keep_session: int | None
) -> User:
    query = select(*USER.columns).where(user_account.c.id == user_id)
    before = USER.one(tx.connection, query)
    if before is None:
        raise NoSuchRecord(f"There is no user {user_id}.")
    if change.password_hash is not None and before.issuer is not None:
        raise Conflict(f"{before.name} signs in with OpenID Connect, and has no password here.")
    if values := _values(before, change, tx):
        tx.execute(update(user_account).where(user_account.c.id == user_id).values(values))
    after = USER.one(tx.connection, query)
    assert after is not None
    if keep_administrator and _administers(before) and not _administers(after):
        _refuse_without_administrator(tx, before)
    if change.disabled or change.password_hash is not None:
        ended = user_session.c.user_id == user_id
        if keep_session is not None:
            ended &= user_session.c.id != keep_session
        tx.execute(delete(user_session).where(ended))
    return after


def _values(before: User, change: UserChange, tx: Transaction) -> dict[str, object]:
    values: dict[str, object] = {}
    if change.role is not None:
        values["role"] = change.role
    if change.password_hash is not None:
        values["password_hash"] = change.password_hash
    if change.disabled is not None and change.disabled != (before.disabled_at is not None):
        values["disabled_at"] = tx.now if change.disabled else None
    return values


def _administers(user: User) -> bool:
    return user.role is Role.ADMINISTRATOR and user.disabled_at is None


def _administrators() -> Select[int]:
    return select(user_account.c.id).where(
        user_account.c.role == Role.ADMINISTRATOR, user_account.c.disabled_at.is_(None)
    )


def _refuse_without_administrator(tx: Transaction, before: User) -> None:
    """Raise `Conflict` where nobody is left. Who cannot sign in is no replacement for who can."""
    others = _administrators()
    if before.signs_in:
        others = others.where(or_(user_account.c.password_hash.is_not(None), user_account.c.issuer.is_not(None)))
    if tx.execute(others).first() is None:
        raise Conflict(f"{before.name} is the last administrator: make somebody else one first.")
