"""The lock on a data directory: one daemon at a time. The kernel releases it when its process dies, however it dies."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TextIO

from coursekeep import SettingsError

__all__ = ["DataDirLock", "DataDirLocked"]


class DataDirLocked(SettingsError):
    """Another daemon works in this data directory."""


class DataDirLock:
    """An exclusive lock on `daemon.lock`, which says for people and commands who holds it."""

    def __init__(self, data_dir: Path, clock: Callable[[], datetime]) -> None:
        self._path = data_dir / "daemon.lock"
        self._clock = clock
        self._file: TextIO | None = None
        self._content: dict[str, Any] = {}

    def acquire(self) -> None:
        """Take the lock. Raises `DataDirLocked` naming the holder, `SettingsError` where there can be no lock."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            file = self._path.open("a+", encoding="utf-8")
        except OSError as error:
            raise SettingsError(f"daemon.data_dir: {self._path} cannot be written: {error.strerror}") from None
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _describe(file)
            file.close()
            raise DataDirLocked(
                f"daemon.data_dir: another daemon works in {self._path.parent}: {holder}; "
                "stop it first, or give this one a data_dir of its own"
            ) from None
        self._file = file
        self.write(pid=os.getpid(), host=socket.gethostname(), started_at=self._clock().isoformat())

    def write(self, **content: Any) -> None:
        """Add to what the lock says, such as the address that the daemon listens on."""
        if self._file is None:
            raise RuntimeError("the lock is not held")
        self._content |= content
        self._file.seek(0)
        self._file.truncate()
        json.dump(self._content, self._file)
        self._file.flush()

    def release(self) -> None:
        """Give the lock back. The file stays: to remove it would let two daemons hold different files."""
        if self._file is not None:
            self._file.close()
            self._file = None


def _describe(file: TextIO) -> str:
    try:
        file.seek(0)
        content = json.load(file)
        return f"process {content['pid']} on {content['host']}, since {content['started_at']}"
    except (ValueError, KeyError, TypeError):
        return "a process that did not say which"
