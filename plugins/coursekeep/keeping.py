"""Where a refresh token outlives its process: what is kept of it, and the interface of the place that keeps it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pydantic import SecretStr

__all__ = ["KeptToken", "MemoryKeeper", "TokenKeeper", "digest_of"]


@dataclass(frozen=True, kw_only=True, slots=True)
class KeptToken:
    """What is kept between two renewals of one integration's refresh token."""

    #: digest of the token in the settings from which this one descends
    seed: str
    #: the newest refresh token; None while the one in the settings is
    token: SecretStr | None = None
    #: when it ends, where the token endpoint has said so
    ends_at: datetime | None = None
    #: when a renewal was begun whose outcome has not been kept: its answer may be lost
    renewing_since: datetime | None = None


class TokenKeeper(Protocol):
    """The place of one integration's refresh token.

    `save` is called inside of `alone`, and so is `load` where a token is about to be used. What `save` was given is
    safe when it returns: a process that dies at any moment leaves what was kept before, or what was saved, whole.
    """

    def alone(self) -> AbstractAsyncContextManager[None]:
        """Wait until nobody else uses the refresh token, in this process or another, and keep all others out.

        Raises `RetryLater` where another one keeps it for too long.
        """

    async def load(self) -> KeptToken | None:
        """Return what is kept; None where nothing is. Raises `CredentialsNeeded` where it cannot be read."""

    async def save(self, kept: KeptToken) -> None:
        """Replace what is kept. Raises `RetryLater` where it cannot be written; then nothing has changed."""


class MemoryKeeper:
    """Keeps until the process ends. For tests, and for LMSs whose refresh tokens may be used any number of times."""

    def __init__(self) -> None:
        self._lock = asyncio.Lock()
        self._kept: KeptToken | None = None

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Keep out all others of this process."""
        async with self._lock:
            yield

    async def load(self) -> KeptToken | None:
        """Return what is kept."""
        return self._kept

    async def save(self, kept: KeptToken) -> None:
        """Replace what is kept."""
        self._kept = kept


def digest_of(token: SecretStr) -> str:
    """Return what tells one token of the settings from another, without telling the token."""
    return hashlib.sha256(token.get_secret_value().strip().encode()).hexdigest()
