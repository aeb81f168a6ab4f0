"""Where refresh tokens are kept between processes: a file of each integration, or the keyring the first one came from.

The files stand in `credentials/` of the data directory, readable by the daemon's user only. A file is replaced as a
whole and is on disk before anybody goes on: what a process that dies leaves is the old one or the new one.
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import structlog
from pydantic import SecretStr

from coursekeep import CredentialsNeeded, KeptToken, RetryLater, TokenKeeper
from coursekeep_daemon.keyrings import KeyringAbsent, KeyringTrouble, read_secret, write_secret
from coursekeep_daemon.secrets import is_reference

__all__ = ["FileKeeper", "KeyringKeeper", "keeper_of"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: what an integration's refresh token is called in its settings
_KEY = "refresh_token"
#: seconds that one who wants the refresh token waits for another process
_PATIENCE = 90.0
_LOOKS = 0.05
_MODE = 0o600


def keeper_of(data_dir: Path, integration: str, own: Mapping[str, Any]) -> TokenKeeper:
    """Return what keeps an integration's refresh token: the keyring where its settings name one, else a file."""
    folder, written = data_dir / "credentials", own.get(_KEY)
    if is_reference(written) and "keyring" in written:
        return KeyringKeeper(folder, integration, str(written["keyring"]))
    return FileKeeper(folder, integration)


class FileKeeper:
    """Keeps a refresh token in `NAME.json`. The lock is a file beside it, which is never replaced."""

    def __init__(self, folder: Path, integration: str, *, patience: float = _PATIENCE) -> None:
        """Take the folder and the integration's name, which the settings hold to safe signs. Opens nothing."""
        self.path = folder / f"{integration}.json"
        self._lock = folder / f"{integration}.lock"
        self._integration = integration
        self._patience = patience

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """Hold the lock, which the kernel releases when its process dies, however it dies."""
        handle = self._opened()
        try:
            await self._locked(handle)
            yield
        finally:
            os.close(handle)

    async def load(self) -> KeptToken | None:
        """Return what is kept; raises `CredentialsNeeded` for a file that cannot be read, and never works around it."""
        try:
            text = await asyncio.to_thread(self.path.read_text, encoding="utf-8")
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError) as error:
            raise CredentialsNeeded(_unreadable(str(self.path), type(error).__name__)) from None
        return _kept(text, str(self.path))

    async def save(self, kept: KeptToken) -> None:
        """Write to another file, wait until it is on disk, and let it take the place of the old one."""
        try:
            await asyncio.to_thread(_replace, self.path, _text(kept))
        except OSError as error:
            raise RetryLater(f"the refresh token cannot be kept in {self.path}: {error.strerror}") from None

    def _opened(self) -> int:
        try:
            self._lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            return os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, _MODE)
        except OSError as error:
            raise RetryLater(f"the refresh token cannot be kept: {self._lock}: {error.strerror}") from None

    async def _locked(self, handle: int) -> None:
        try:
            async with asyncio.timeout(self._patience):
                while not _taken(handle):  # noqa: ASYNC110  # the kernel tells nobody when a lock is free
                    await asyncio.sleep(_LOOKS)
        except TimeoutError:
            log.warning("credentials_locked", integration=self._integration, seconds=self._patience)
            raise RetryLater(
                f"another process holds the credentials of {self._integration} for {self._patience:.0f} seconds now"
                f" ({self._lock}); stop it where it hangs"
            ) from None


class KeyringKeeper(FileKeeper):
    """Keeps a refresh token beside the first one in the keyring, under the name of its user and `.kept`."""

    def __init__(self, folder: Path, integration: str, reference: str, *, patience: float = _PATIENCE) -> None:
        super().__init__(folder, integration, patience=patience)
        self._reference = f"{reference}.kept"

    async def load(self) -> KeptToken | None:
        """Return what the keyring holds."""
        try:
            text = await asyncio.to_thread(read_secret, self._reference)
        except KeyringAbsent:
            return None
        except KeyringTrouble as error:
            raise CredentialsNeeded(str(error)) from None
        return _kept(text, f"the keyring, {self._reference}")

    async def save(self, kept: KeptToken) -> None:
        """Put it into the keyring, and look whether it is there."""
        text = _text(kept)
        try:
            await asyncio.to_thread(write_secret, self._reference, text)
            if await asyncio.to_thread(read_secret, self._reference) != text:
                raise KeyringTrouble("the keyring gives back something other than what was put there")
        except KeyringTrouble as error:
            raise RetryLater(f"the refresh token cannot be kept: {error}") from None


def _taken(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _replace(path: Path, text: str) -> None:
    """Put a text in the place of a file, on disk when this returns."""
    part = path.with_suffix(".part")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, _MODE)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            os.fchmod(file.fileno(), _MODE)
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)  # as `open` above
    except OSError:
        with suppress(OSError):
            part.unlink()
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _text(kept: KeptToken) -> str:
    content = {
        "format": 1,
        "seed": kept.seed,
        "refresh_token": None if kept.token is None else kept.token.get_secret_value(),
        "ends_at": None if kept.ends_at is None else kept.ends_at.isoformat(),
        "renewing_since": None if kept.renewing_since is None else kept.renewing_since.isoformat(),
    }
    return json.dumps(content, indent=1) + "\n"


def _kept(text: str, place: str) -> KeptToken:
    try:
        content = json.loads(text)
        if content["format"] != 1:
            raise ValueError
        token = content["refresh_token"]
        return KeptToken(
            seed=str(content["seed"]),
            token=None if token is None else SecretStr(str(token)),
            ends_at=_moment(content["ends_at"]),
            renewing_since=_moment(content["renewing_since"]),
        )
    except (ValueError, KeyError, TypeError):
        raise CredentialsNeeded(_unreadable(place, "it is not what Coursekeep wrote")) from None


def _moment(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def _unreadable(place: str, why: str) -> str:
    remedy = "restore it; or remove it, have a new refresh token issued and put that into the settings"
    return f"the kept refresh token cannot be read from {place}: {why}; {remedy}"
