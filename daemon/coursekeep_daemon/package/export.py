"""Hand a version over as one standard package: a bag in a zip, or in a directory."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path

from coursekeep_daemon.package.bag import escapes
from coursekeep_daemon.package.errors import PackageDamaged, PackageError
from coursekeep_daemon.package.ocfl import Inventory
from coursekeep_daemon.package.storage import BLOCK, storage_errors, sync_directory

__all__ = ["bag_name", "extract", "iter_zip"]

#: worth compressing; uploads mostly are compressed already
_TEXT = (".csv", ".htm", ".html", ".json", ".jsonl", ".md", ".svg", ".txt", ".xml")
#: the earliest time a zip can hold, so that the same version always gives the same zip
_MTIME = (1980, 1, 1, 0, 0, 0)


def bag_name(object_id: str, version: int) -> str:
    """Return the name of the one directory in an exported zip."""
    return f"{object_id.removeprefix('urn:uuid:')}-v{version}".replace(":", "-").replace("/", "-")


def iter_zip(directory: Path, inventory: Inventory, version: int) -> Iterator[bytes]:
    """Yield a version as a zip with one bag, checking every file's digest on the way."""
    pipe = _Pipe()
    top = bag_name(inventory.id, version)
    with zipfile.ZipFile(pipe, "w", allowZip64=True) as archive:
        for path, digest in sorted(inventory.files(version).items()):
            stored = directory / inventory.content(digest)
            info = zipfile.ZipInfo(f"{top}/{path}", _MTIME)
            info.create_system = 3  # with Unix permissions, on every system
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if path.lower().endswith(_TEXT) else zipfile.ZIP_STORED
            with archive.open(info, "w", force_zip64=_size(stored) >= zipfile.ZIP64_LIMIT // 2) as entry:
                for block in _checked(stored, digest):
                    entry.write(block)
                    yield from pipe.take()
            yield from pipe.take()
    yield from pipe.take()


def extract(directory: Path, inventory: Inventory, version: int, target: Path) -> None:
    """Write a version as a bag into a new or empty directory, checking every file's digest on the way."""
    with storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise PackageError(f"The directory {target} is not empty. Choose a new one.")
        for path, digest in sorted(inventory.files(version).items()):
            if escapes(path):
                raise PackageDamaged(f"The inventory of {inventory.id} names the path {path!r}, which leads elsewhere.")
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            with (target / path).open("xb") as file:
                for block in _checked(directory / inventory.content(digest), digest):
                    file.write(block)
        sync_directory(target)


def _size(path: Path) -> int:
    with storage_errors(path):
        return path.stat().st_size


def _checked(path: Path, digest: str) -> Iterator[bytes]:
    found = hashlib.sha512(usedforsecurity=False)
    with storage_errors(path), path.open("rb") as file:
        while block := file.read(BLOCK):
            found.update(block)
            yield block
    if found.hexdigest() != digest:
        raise PackageDamaged(f"The stored file {path} does not match its checksum; the export was given up.")


class _Pipe(io.RawIOBase):
    """Where zipfile writes; gives back what has come in since the last time."""

    def __init__(self) -> None:
        super().__init__()
        self._waiting: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: bytes | bytearray | memoryview, /) -> int:  # type: ignore[override]  # all zipfile writes
        self._waiting.append(bytes(data))
        return len(data)

    def take(self) -> Iterator[bytes]:
        """Yield what is waiting, in one piece."""
        if self._waiting:
            yield b"".join(self._waiting)
            self._waiting.clear()
