"""Signing in: who a browser speaks for. Passwords are hashed with argon2; sessions live in the store."""

from __future__ import annotations

import asyncio
import ipaddress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from coursekeep_daemon.requests import BadRequest
from coursekeep_daemon.settings import AccountSettings
from coursekeep_daemon.store import Attempt, AttemptLimit, Conflict, Role, Session, Store, User, UserChange

__all__ = ["Accounts", "SignInRefused", "SignedIn", "TooManyAttempts", "check_name", "check_password", "hash_password"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_SHORTEST_PASSWORD = 12
_LONGEST_PASSWORD = 1000
_LONGEST_NAME = 100
#: each hash takes 64 MiB: more at once would let strangers fill the memory
_HASHES_AT_ONCE = 2

_SECOND: Final = timedelta(seconds=1)


class SignInRefused(Exception):
    """The attempt failed. The message is for whoever tried, and does not tell whether the name exists."""

    def __init__(self, message: str, user: User | None = None) -> None:
        super().__init__(message)
        #: whom the name belongs to, for the audit; None where there is no such user
        self.user = user


class TooManyAttempts(SignInRefused):
    """So many attempts failed that the next has to wait. The password was not looked at."""

    def __init__(self, until: datetime, wait: timedelta) -> None:
        super().__init__("Too many attempts failed.")
        self.until = until
        self.wait = wait


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """A browser that is signed in."""

    user: User
    session: Session


class Accounts:
    """Signs users in and out, and changes accounts."""

    def __init__(self, store: Store, settings: AccountSettings, *, hasher: PasswordHasher | None = None) -> None:
        """Take the store and the settings; for tests also a hasher that is cheap."""
        self._store = store
        self._idle = timedelta(hours=settings.session_idle_hours)
        self._lifetime = timedelta(hours=settings.session_hours)
        self._hasher = hasher or PasswordHasher()
        self._hashing = asyncio.Semaphore(_HASHES_AT_ONCE)
        self._nobody: str | None = None

    async def sign_in(self, name: str, password: str, *, address: str, agent: str) -> tuple[SignedIn, str]:
        """Sign a user in with a password; return the new session and the secret for its cookie.

        Raises `SignInRefused` where name or password is wrong, the user is disabled, or has no password, and
        `TooManyAttempts` where too many failed before.
        """
        attempt = await self._begin(name, address)
        user, kept = await self._checked(name, password)
        if self._hasher.check_needs_rehash(kept):
            renewed = await self.hash(password)
            await self._store.renew_password_hash(user.id, kept, renewed)
            kept = renewed
        try:
            opened = await self.open_session(user, agent=agent, password_hash=kept)
        except Conflict:
            raise SignInRefused(_WRONG, user) from None
        await self._store.attempt_succeeded(attempt)
        return opened

    async def _begin(self, name: str, address: str) -> Attempt:
        attempt = await self._store.begin_attempt(_limits(name, address))
        if attempt.until is not None:
            raise TooManyAttempts(attempt.until, attempt.wait)
        return attempt

    async def _checked(self, name: str, password: str) -> tuple[User, str]:
        """Return the user whose name and password these are, and the hash. Raises `SignInRefused`."""
        user = await self._store.user(name)
        kept = None if user is None else await self._store.password_hash(user.id)
        fits = len(password) <= _LONGEST_PASSWORD and await self._fits(kept, password)
        if user is None or kept is None or user.disabled_at is not None or not fits:
            raise SignInRefused(_WRONG, user)
        return user, kept

    async def open_session(self, user: User, *, agent: str, password_hash: str | None = None) -> tuple[SignedIn, str]:
        """Begin a session of a user whose identity is certain; return it with the secret for its cookie.

        Raises `Conflict` where the user was disabled, or the password of that hash changed, meanwhile.
        """
        session, secret = await self._store.create_session(
            user.id, agent=agent, lifetime=self._lifetime, password_hash=password_hash
        )
        return SignedIn(user=user, session=session), secret

    async def signed_in(self, secret: str, *, used: bool = True) -> SignedIn | None:
        """Return who is signed in with a cookie's secret; None where nobody is.

        A session that is not `used` by this, but only looked at, grows idle all the same.
        """
        found = await self._store.session_for(secret, idle=self._idle, used=used)
        return None if found is None else SignedIn(session=found[0], user=found[1])

    async def add(self, name: str, role: Role, password: str | None) -> User:
        """Add a user, who without a password can only have tokens. Raises `BadRequest`, `Conflict`."""
        check_name(name)
        if password is None:
            return await self._store.create_user(name, role)
        check_password(password, name)
        return await self._store.create_user(name, role, password_hash=await self.hash(password))

    async def change(
        self, user: User, *, role: Role | None = None, disabled: bool | None = None, password: str | None = None
    ) -> User:
        """Change a user, all of it or nothing; None stays as it is.

        Who is disabled or gets a new password is signed out everywhere. Raises `BadRequest`, and `Conflict` where
        nobody would be left to administer.
        """
        if password is not None:
            check_password(password, user.name)
        kept = None if password is None else await self.hash(password)
        change = UserChange(role=role, disabled=disabled, password_hash=kept)
        return await self._store.change_user(user.id, change, keep_administrator=True)

    async def change_own_password(self, signed_in: SignedIn, current: str, new: str, *, address: str) -> None:
        """Change the password of who is signed in, and end the user's other sessions.

        The current password is asked for, since a browser may be left alone, and guessing it gets slower as at the
        sign-in. Raises `BadRequest`, `TooManyAttempts`, `Conflict`.
        """
        user = signed_in.user
        check_password(new, user.name)
        attempt = await self._begin(user.name, address)
        try:
            await self._checked(user.name, current)
        except SignInRefused:
            raise BadRequest("this is not your current password", where="current", remedy="Type it again.") from None
        change = UserChange(password_hash=await self.hash(new))
        await self._store.change_user(user.id, change, keep_session=signed_in.session.id)
        await self._store.attempt_succeeded(attempt)

    async def hash(self, password: str) -> str:
        """Hash a password, in a thread: it takes a tenth of a second and 64 MiB, on purpose."""
        async with self._hashing:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def _fits(self, kept: str | None, password: str) -> bool:
        async with self._hashing:
            return await asyncio.to_thread(self._compare, kept, password)

    def _compare(self, kept: str | None, password: str) -> bool:
        """Tell whether a password fits a hash. Without a hash it takes as long, so that time does not tell names."""
        if kept is None:
            self._nobody = self._nobody or self._hasher.hash("nobody's")
        try:
            return self._hasher.verify(kept or self._nobody or "", password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


_WRONG: Final = "The name or the password is wrong."


def _limits(name: str, address: str) -> list[AttemptLimit]:
    """Return what slows guessing down.

    Somebody who guesses from one address is slowed down there, and waits up to five minutes. Whoever guesses
    a name from many addresses, or many names from one, meets the looser limits, whose waits stay short: they also
    meet people who did nothing wrong. Those do not hold where the very name signed in from the very address before,
    so that nobody can keep a person out of the place the person works at.
    """
    key, place = name.casefold(), _place(address)
    loose = partial(AttemptLimit, first_wait=5 * _SECOND, longest_wait=60 * _SECOND, for_known=False)
    return [
        AttemptLimit(key=f"both {place} {key}", free=5, first_wait=15 * _SECOND, longest_wait=300 * _SECOND),
        loose(key=f"name {key}", free=30),
        loose(key=f"address {place}", free=50),
    ]


def _place(address: str) -> str:
    """Return the network that an address counts as: one customer has a whole /64 of IPv6."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(found, ipaddress.IPv6Address):
        if found.ipv4_mapped is not None:
            return str(found.ipv4_mapped)
        return str(ipaddress.ip_network((found, 64), strict=False))
    return str(found)


def check_name(name: str) -> None:
    """Raise `BadRequest`, saying what to do, for a name that no user can have."""
    if not name or name != name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise BadRequest(
            f"a name has 1 to {_LONGEST_NAME} printable characters, and no space at its ends",
            where="name",
            remedy="Choose another.",
        )


def check_password(password: str, name: str) -> None:
    """Raise `BadRequest`, saying what to do, where a new password is too weak."""
    if len(password) < _SHORTEST_PASSWORD:
        raise BadRequest(
            f"a password has {_SHORTEST_PASSWORD} characters or more",
            where="password",
            remedy="A few words together do well.",
        )
    if len(password) > _LONGEST_PASSWORD:
        raise BadRequest(f"a password has at most {_LONGEST_PASSWORD} characters", where="password")
    if password.casefold() == name.casefold() * (len(password) // max(len(name), 1)):
        raise BadRequest("the password must not be the name", where="password", remedy="Choose another.")


def hash_password(password: str) -> str:
    """Hash a password where no daemon runs, as on the command line."""
    return PasswordHasher().hash(password)
