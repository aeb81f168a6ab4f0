"""Files to be checked, wherever they lie: in a directory, in a zip, or scattered over an object's versions."""

from __future__ import annotations

import errno
import hashlib
import stat
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Protocol

from coursekeep_daemon.package.bag import escapes
from coursekeep_daemon.package.report import VerifyReport
from coursekeep_daemon.package.storage import BLOCK, storage_errors
from coursekeep_daemon.package.targets.base import Opened, Place
from coursekeep_daemon.package.targets.disk import Disk

__all__ = ["DirectoryTree", "Hashed", "LogicalTree", "Tree", "Unreadable", "ZipTree", "hash_stored"]


class Unreadable(Exception):
    """This one file cannot be read: a fault of the file, not of the whole place."""


class Tree(Protocol):
    """Files by their paths."""

    def paths(self) -> Collection[str]:
        """Return all paths."""

    def size(self, path: str) -> int:
        """Return a file's size in bytes."""

    def lines(self, path: str) -> Iterator[str]:
        """Yield a text file's lines without their ends. Raises `Unreadable`."""

    def digests(self, path: str, algorithms: Collection[str]) -> dict[str, str]:
        """Return a file's digests, reading it once. Raises `Unreadable`."""


def _lines(file: IO[bytes]) -> Iterator[str]:
    try:
        for line in file:
            yield line.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise Unreadable("it is not UTF-8 text") from error


def _hash(file: IO[bytes], algorithms: Collection[str], report: VerifyReport) -> dict[str, str]:
    hashes = {name: hashlib.new(name, usedforsecurity=False) for name in algorithms}
    while block := file.read(BLOCK):
        for digest in hashes.values():
            digest.update(block)
        report.block(len(block))
    report.checked_files += 1
    return {name: digest.hexdigest() for name, digest in hashes.items()}


def _hash_opened(
    open_: Callable[[], Opened], where: str, algorithms: Collection[str], report: VerifyReport
) -> tuple[dict[str, str], int]:
    """Return a file's digests and size. Raises `Unreadable` for a bad or vanished file, `PackageError` for the rest."""
    try:
        with open_() as opened:
            return _hash(opened.file, algorithms, report), opened.size
    except OSError as error:
        if error.errno in (errno.EIO, errno.ENOENT, errno.EISDIR):
            raise Unreadable(f"it cannot be read ({error.strerror})") from error
        with storage_errors(where):
            raise


@dataclass(frozen=True, slots=True)
class Hashed:
    """What a stored file turned out to be."""

    sha512: str
    size: int


def hash_stored(place: Place, path: str, report: VerifyReport) -> Hashed:
    """Read a stored file of an object to its end. Raises `Unreadable`, and `PackageError` as storage raises it."""
    found, size = _hash_opened(lambda: place.open(path), f"{place.address}/{path}", ("sha512",), report)
    return Hashed(found["sha512"], size)


class DirectoryTree:
    """Files below a directory."""

    def __init__(self, top: Path, report: VerifyReport) -> None:
        self._report = report
        self._disk = Disk(top)
        listing = self._disk.listing("")
        for path in sorted(listing.strange):
            report.problem(path, "it is a link or a special file; only plain files are allowed")
        self._files = {path: top / path for path in listing.files}

    def paths(self) -> Collection[str]:
        return self._files.keys()

    def size(self, path: str) -> int:
        with storage_errors(self._files[path]):
            return self._files[path].stat().st_size

    def lines(self, path: str) -> Iterator[str]:
        with storage_errors(self._files[path]), self._files[path].open("rb") as file:
            yield from _lines(file)

    def digests(self, path: str, algorithms: Collection[str]) -> dict[str, str]:
        return _hash_opened(lambda: self._disk.open(path), str(self._files[path]), algorithms, self._report)[0]


class LogicalTree:
    """The files of one version of an object, whose SHA-512 and sizes were found before."""

    def __init__(
        self, place: Place, files: Mapping[str, str], known: Mapping[str, Hashed], report: VerifyReport
    ) -> None:
        self._place = place
        self._report = report
        #: logical path -> path below the object
        self._files = dict(files)
        self._known = known

    def paths(self) -> Collection[str]:
        return self._files.keys()

    def size(self, path: str) -> int:
        return self._known[self._files[path]].size

    def lines(self, path: str) -> Iterator[str]:
        stored = self._files[path]
        with storage_errors(f"{self._place.address}/{stored}"), self._place.open(stored) as opened:
            yield from _lines(opened.file)

    def digests(self, path: str, algorithms: Collection[str]) -> dict[str, str]:
        stored = self._files[path]
        digests = {"sha512": self._known[stored].sha512}
        if others := [name for name in algorithms if name != "sha512"]:
            where = f"{self._place.address}/{stored}"
            digests |= _hash_opened(lambda: self._place.open(stored), where, others, self._report)[0]
        return digests


class ZipTree:
    """Files below the one directory of a zip. Nothing is unpacked."""

    def __init__(self, archive: zipfile.ZipFile, report: VerifyReport) -> None:
        self._zip = archive
        self._report = report
        self._entries: dict[str, zipfile.ZipInfo] = {}
        tops: set[str] = set()
        for entry in archive.infolist():
            if self._refused(entry):
                continue
            top, _, path = entry.filename.partition("/")
            tops.add(top)
            if path in self._entries:
                report.problem(entry.filename, "it is in the zip twice")
            elif not entry.is_dir():
                self._entries[path] = entry
        if len(tops) != 1:
            report.problem(".", f"a bag's zip holds one directory, this one has {len(tops)} entries at the top")

    def _refused(self, entry: zipfile.ZipInfo) -> bool:
        mode = entry.external_attr >> 16
        if escapes(entry.filename.rstrip("/")):
            self._report.problem(entry.filename, "its path leads out of the directory it is unpacked in")
        elif mode and not (stat.S_ISREG(mode) or stat.S_ISDIR(mode) or stat.S_IFMT(mode) == 0):
            self._report.problem(entry.filename, "it is a link or a special file; only plain files are allowed")
        elif entry.flag_bits & 1:
            self._report.problem(entry.filename, "it is encrypted")
        else:
            return False
        return True

    def paths(self) -> Collection[str]:
        return self._entries.keys()

    def size(self, path: str) -> int:
        return self._entries[path].file_size

    def lines(self, path: str) -> Iterator[str]:
        with self._open(path) as file:
            yield from _lines(file)

    def digests(self, path: str, algorithms: Collection[str]) -> dict[str, str]:
        try:
            with self._open(path) as file:
                return _hash(file, algorithms, self._report)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            raise Unreadable(f"it cannot be unpacked ({error})") from error

    def _open(self, path: str) -> IO[bytes]:
        return self._zip.open(self._entries[path])
