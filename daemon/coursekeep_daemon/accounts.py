"""Signing in: who a browser speaks for. Passwords are hashed with argon2; sessions live in the store."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import timedelta

import structlog
from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from coursekeep_daemon.settings import AccountSettings
from coursekeep_daemon.store import Session, Store, User

__all__ = ["Accounts", "SignInRefused", "SignedIn", "check_password"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_SHORTEST_PASSWORD = 12


class SignInRefused(Exception):
    """The attempt failed. The message is for whoever tried, and does not tell whether the name exists."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignedIn:
    """A browser that is signed in."""

    user: User
    session: Session


class Accounts:
    """Signs users in and out."""

    def __init__(self, store: Store, settings: AccountSettings, *, hasher: PasswordHasher | None = None) -> None:
        """Take the store and the settings; for tests also a hasher that is cheap."""
        self._store = store
        self._idle = timedelta(hours=settings.session_idle_hours)
        self._lifetime = timedelta(hours=settings.session_hours)
        self._hasher = hasher or PasswordHasher()
        self._nobody: str | None = None

    async def sign_in(self, name: str, password: str, *, address: str, agent: str) -> tuple[SignedIn, str]:
        """Sign a user in with a password; return the new session and the secret for its cookie.

        Raises `SignInRefused` where name or password is wrong, the user is disabled, or has no password.
        """
        user = await self._store.user(name)
        kept = None if user is None else await self._store.password_hash(user.id)
        fits = await asyncio.to_thread(self._fits, kept, password)
        if user is None or kept is None or user.disabled_at is not None or not fits:
            raise SignInRefused("The name or the password is wrong.")
        if self._hasher.check_needs_rehash(kept):
            await self._store.set_password_hash(user.id, await self.hash(password))
        session, secret = await self.open_session(user, agent=agent)
        return session, secret

    async def open_session(self, user: User, *, agent: str) -> tuple[SignedIn, str]:
        """Begin a session of a user whose identity is certain; return it with the secret for its cookie."""
        session, secret = await self._store.create_session(user.id, agent=agent, lifetime=self._lifetime)
        return SignedIn(user=user, session=session), secret

    async def signed_in(self, secret: str) -> SignedIn | None:
        """Return who is signed in with a cookie's secret; None where nobody is."""
        found = await self._store.session_for(secret, idle=self._idle)
        return None if found is None else SignedIn(session=found[0], user=found[1])

    async def hash(self, password: str) -> str:
        """Hash a password, in a thread: it takes a tenth of a second and 64 MiB, on purpose."""
        return await asyncio.to_thread(self._hasher.hash, password)

    def _fits(self, kept: str | None, password: str) -> bool:
        """Tell whether a password fits a hash. Without a hash it takes as long, so that time does not tell names."""
        if kept is None:
            self._nobody = self._nobody or self._hasher.hash("nobody's")
        try:
            return self._hasher.verify(kept or self._nobody or "", password) and kept is not None
        except (VerificationError, InvalidHashError):
            return False


def check_password(password: str, name: str) -> None:
    """Raise ValueError, saying what to do, where a new password is too weak."""
    if len(password) < _SHORTEST_PASSWORD:
        raise ValueError(f"A password has {_SHORTEST_PASSWORD} characters or more: a few words together do well.")
    if len(password) > 1000:
        raise ValueError("A password has at most 1000 characters.")
    if password.casefold() == name.casefold() * (len(password) // max(len(name), 1)):
        raise ValueError("The password must not be the name.")
