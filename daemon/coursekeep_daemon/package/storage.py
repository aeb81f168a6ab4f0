"""Where versions are built: files that are hashed while they are written, synced, and locked.

An archive on a disk builds within itself, one in an object store in a directory of this machine.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from coursekeep_daemon.package.errors import PackageBusy, PackageError, StorageFull, StorageUnavailable

__all__ = [
    "BLOCK",
    "HashedFile",
    "Lock",
    "Staged",
    "Staging",
    "names_in",
    "storage_errors",
    "sync_directory",
    "sync_file",
]

#: bytes read or written at once
BLOCK = 1 << 20

#: within a writer's part of the staging area
_NOTE = "note"

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_UNAVAILABLE = frozenset(
    {
        errno.EACCES,
        errno.EIO,
        errno.ENODEV,
        errno.ENOENT,
        errno.ENOTDIR,
        errno.ENXIO,
        errno.EPERM,
        errno.EROFS,
        errno.ESTALE,
        errno.ETIMEDOUT,
    }
)


@contextmanager
def storage_errors(where: Path | str) -> Iterator[None]:
    """Turn an `OSError` into `StorageFull`, `StorageUnavailable` or `PackageError`, naming the place and what to do."""
    try:
        yield
    except OSError as error:
        place = error.filename or where
        if error.errno in _FULL:
            raise StorageFull(
                f"The storage is full ({error.strerror}) at {place}. Make room, or give the archive more."
            ) from error
        if error.errno in _UNAVAILABLE:
            raise StorageUnavailable(
                f"The storage cannot be used ({error.strerror}) at {place}. Check that it is mounted and writable."
            ) from error
        raise PackageError(f"The storage failed ({error.strerror or error}) at {place}.") from error


def sync_file(path: Path) -> None:
    """Wait until a file's bytes are on the disk."""
    _sync(path, os.O_RDONLY)


def sync_directory(path: Path) -> None:
    """Wait until a directory's entries are on the disk."""
    _sync(path, os.O_RDONLY | os.O_DIRECTORY)


def _sync(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@dataclass(frozen=True, kw_only=True, slots=True)
class Staged:
    """A whole file in the staging area, waiting for its place in a version."""

    path: Path
    sha512: str
    size: int


class HashedFile:
    """A file that is hashed while it is written, so that nobody has to read it again.

    As a context manager it is aborted where an error leaves the block: a file that stays open keeps its place on a disk
    that is full, though its name is gone.
    """

    def __init__(self, path: Path, also: str | None = None) -> None:
        """Create the file. `also` names a second digest, as hashlib calls it."""
        self.path = path
        self.size = 0
        self._sha512 = hashlib.sha512(usedforsecurity=False)
        self._also = hashlib.new(also, usedforsecurity=False) if also else None
        with storage_errors(path):
            self._file: IO[bytes] = path.open("xb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abort()

    def write(self, data: bytes) -> None:
        """Append bytes. Raises `StorageFull` and `StorageUnavailable`."""
        with storage_errors(self.path):
            self._file.write(data)
        self._sha512.update(data)
        if self._also is not None:
            self._also.update(data)
        self.size += len(data)

    def also(self) -> str | None:
        """Return the second digest so far, in hexadecimal."""
        return self._also.hexdigest() if self._also is not None else None

    def finish(self) -> Staged:
        """Close the file and return what it became."""
        with storage_errors(self.path):
            self._file.close()
        return Staged(path=self.path, sha512=self._sha512.hexdigest(), size=self.size)

    def abort(self) -> None:
        """Remove the file. Does nothing where that is not possible: staging is cleared at the next start."""
        with suppress(OSError):  # what was buffered may not fit any more, and is not wanted
            self._file.close()
        with suppress(OSError):
            self.path.unlink()


class Lock:
    """A lock between threads and processes, held on a file; the file goes when the lock is released."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def take(self) -> bool:
        """Take the lock without waiting; tell whether that worked."""
        while True:
            # the area goes when nobody is at work (decision 004); its parent must be there, or the archive is not
            # `exist_ok` would raise where another makes it before this line and removes it behind
            with suppress(FileExistsError):
                self.path.parent.mkdir()
            try:
                handle = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except FileNotFoundError:
                continue
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(handle).st_ino == os.stat(self.path).st_ino:
                    self._handle = handle
                    return True
            except BlockingIOError:
                os.close(handle)
                return False
            except FileNotFoundError:
                pass  # the holder before us has just removed it: begin again with a new file
            except BaseException:
                os.close(handle)
                raise
            os.close(handle)

    def release(self) -> None:
        """Give the lock back. The file is removed first, so that nobody can wait on a name that is gone."""
        if self._handle is None:
            return
        try:
            self.path.unlink(missing_ok=True)
        finally:
            os.close(self._handle)
            self._handle = None


def names_in(area: Path) -> list[str]:
    """Return what is being built, or was left, in a staging area: a directory beside its lock, or one of them alone."""
    try:
        entries = os.listdir(area)
    except FileNotFoundError:  # it goes with the last who was at work, also while others look
        return []
    return sorted({entry.removesuffix(".lock") for entry in entries})


class Staging:
    """The place where one version is built, on the same file system as the archive, under one writer's lock."""

    def __init__(self, area: Path, name: str) -> None:
        self.directory = area / name
        #: the note of an earlier writer, which died before it could remove what it says
        self.left: str | None = None
        self._lock = Lock(area / f"{name}.lock")
        self._number = 0

    def __enter__(self) -> Self:
        """Take the lock and start empty. Raises `PackageBusy` where another writer holds it."""
        with storage_errors(self.directory):
            if not self._lock.take():
                raise PackageBusy(f"Another writer is at work on this package: {self.directory.name}. Try again later.")
            try:
                self.left = self._note()
                self.clear()
            except BaseException:
                self._lock.release()
                raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # best effort: what cannot be removed now is removed by the next writer or at the next start
        with suppress(OSError):
            self.clear()
        with suppress(OSError):
            self._lock.release()
        with suppress(OSError):
            self.directory.parent.rmdir()  # fails while others are at work

    def clear(self) -> None:
        """Remove what an earlier writer left, but for its note: that stays until somebody has acted upon it."""
        if self.left is None:
            if self.directory.exists():
                shutil.rmtree(self.directory)
            return
        for entry in self.directory.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            elif entry.name != _NOTE:
                entry.unlink()

    def leave_note(self, text: str) -> None:
        """Write down what whoever comes next has to remove elsewhere, should this process die."""
        with storage_errors(self.directory):
            self.path(_NOTE).write_text(text)
            sync_file(self.path(_NOTE))

    def keep_note(self) -> None:
        """Keep the own note for whoever comes next: what it says may not have been removed."""
        self.left = self._note()

    def forget_note(self) -> None:
        """Forget what an earlier writer has left: it is removed."""
        with storage_errors(self.directory):
            self.path(_NOTE).unlink(missing_ok=True)
        self.left = None

    def _note(self) -> str | None:
        with suppress(FileNotFoundError, UnicodeDecodeError):
            return self.path(_NOTE).read_text() or None
        return None

    def prepare(self) -> None:
        """Make the directory for new files."""
        with storage_errors(self.directory):
            self.directory.mkdir(exist_ok=True)

    def path(self, name: str) -> Path:
        """Return a path of this name in the staging area."""
        return self.directory / name

    def new_path(self) -> Path:
        """Return a path that was not given out before."""
        self._number += 1
        return self.directory / f"{self._number:08d}"

    def write(self, data: bytes) -> Staged:
        """Stage a small file as a whole."""
        with HashedFile(self.new_path()) as target:
            target.write(data)
            return target.finish()
