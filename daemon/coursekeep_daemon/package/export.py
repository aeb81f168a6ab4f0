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
from coursekeep_daemon.package.targets.base import Opened, Place

__all__ = ["bag_name", "extract", "iter_zip"]

#: worth compressing; uploads mostly are compressed already
_TEXT = (".csv", ".htm", ".html", ".json", ".jsonl", ".md", ".svg", ".txt", ".xml")
#: the earliest time a zip can hold, so that the same version always gives the same zip
_MTIME = (1980, 1, 1, 0, 0, 0)


def bag_name(object_id: str, version: int) -> str:
    """Return the name of the one directory in an exported zip."""
    return f"{object_id.removeprefix('urn:uuid:')}-v{version}".replace(":", "-").replace("/", "-")


def iter_zip(place: Place, inventory: Inventory, version: int) -> Iterator[bytes]:
    """Yield a version as a zip with one bag, checking every file's digest on the way."""
    pipe = _Pipe()
    top = bag_name(inventory.id, version)
    with zipfile.ZipFile(pipe, "w", allowZip64=True) as archive:
        for path, digest in sorted(inventory.files(version).items()):
            info = zipfile.ZipInfo(f"{top}/{path}", _MTIME)
            info.create_system = 3  # with Unix permissions, on every system
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED if path.lower().endswith(_TEXT) else zipfile.ZIP_STORED
            with _open(place, stored := inventory.content(digest)) as opened:
                large = opened.size >= zipfile.ZIP64_LIMIT // 2
                with archive.open(info, "w", force_zip64=large) as entry:
                    for block in _checked(place, stored, opened, digest):
                        entry.write(block)
                        yield from pipe.take()
            yield from pipe.take()
    yield from pipe.take()


def extract(place: Place, inventory: Inventory, version: int, target: Path) -> None:
    """Write a version as a bag into a new or empty directory, checking every file's digest on the way."""
    with storage_errors(target):
        target.mkdir(parents=True, exist_ok=True)
        if any(target.iterdir()):
            raise PackageError(f"The directory {target} is not empty. Choose a new one.")
        for path, digest in sorted(inventory.files(version).items()):
            if escapes(path):
                raise PackageDamaged(f"The inventory of {inventory.id} names the path {path!r}, which leads elsewhere.")
            (target / path).parent.mkdir(parents=True, exist_ok=True)
            stored = inventory.content(digest)
            with (target / path).open("xb") as file, _open(place, stored) as opened:
                for block in _checked(place, stored, opened, digest):
                    file.write(block)
        sync_directory(target)


def _open(place: Place, path: str) -> Opened:
    with storage_errors(f"{place.address}/{path}"):
        return place.open(path)


def _checked(place: Place, path: str, opened: Opened, digest: str) -> Iterator[bytes]:
    where = f"{place.address}/{path}"
    found = hashlib.sha512(usedforsecurity=False)
    with storage_errors(where):
        while block := opened.file.read(BLOCK):
            found.update(block)
            yield block
    if found.hexdigest() != digest:
        raise PackageDamaged(f"The stored file {where} does not match its checksum; the export was given up.")


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
