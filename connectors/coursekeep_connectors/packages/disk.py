"""Packages in a folder on a disk. Links are not followed: they may lead out of it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from coursekeep import NoAccess, NotFound, RetryLater
from coursekeep_connectors.packages.place import Found, PackageFile, Place, Stamp, id_of, path_of, replaced

__all__ = ["DiskFile", "DiskFolder"]


class DiskFile(PackageFile):
    """A file on a disk."""

    def __init__(self, path: Path) -> None:
        """Open it. Raises `NotFound`, `NoAccess`."""
        try:
            self._source = path.open("rb")
        except FileNotFoundError as error:
            raise NotFound("the file is gone", where=path.name) from error
        except OSError as error:
            raise NoAccess(f"the file cannot be read: {error.strerror}", where=path.name) from error
        super().__init__(path.name, _stamp(os.fstat(self._source.fileno())))

    def pread(self, offset: int, size: int) -> bytes:
        """Return bytes from an offset."""
        left = max(0, min(size, self.size - offset))
        pieces: list[bytes] = []
        while left:
            try:
                data = os.pread(self._source.fileno(), left, offset)
            except OSError as error:
                raise RetryLater(f"the disk failed: {error.strerror}", where=self.name) from error
            # cut off, or written to, since it was opened; what was put in its place under its name is another file
            if not data or _stamp(os.fstat(self._source.fileno())) != self.stamp:
                raise replaced(self.name)
            pieces.append(data)
            offset, left = offset + len(data), left - len(data)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def close(self) -> None:
        """Close the file."""
        self._source.close()


class DiskFolder(Place):
    """A folder, with all folders in it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.address = path.absolute().as_uri()

    def files(self) -> Iterator[Found]:
        """Yield all files, folder by folder in the order of their names."""
        try:
            yield from self._walk(self.path)
        except FileNotFoundError as error:
            raise NotFound(f"the folder {self.path} does not exist") from error
        except OSError as error:
            raise NoAccess(f"the folder cannot be read: {error.strerror}: {error.filename}") from error

    def _walk(self, folder: Path) -> Iterator[Found]:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(folder / entry.name)
            elif entry.is_file(follow_symlinks=False):
                id_ = id_of((folder / entry.name).relative_to(self.path).as_posix())
                try:
                    stamp = _stamp(entry.stat(follow_symlinks=False))
                except FileNotFoundError:
                    continue  # removed since the folder was read
                yield Found(id=id_, name=entry.name, stamp=stamp)

    def find(self, id_: str) -> Found | None:
        """Return the file of an id; None also for what lies behind a link."""
        path = self._path(id_)
        try:
            return Found(id=id_, name=path.name, stamp=_stamp(path.stat())) if path and path.is_file() else None
        except OSError:
            return None

    def open(self, found: Found) -> PackageFile:
        """Open a file."""
        path = self._path(found.id)
        if path is None:
            raise NotFound("the file is gone", where=found.name)
        return DiskFile(path)

    def _path(self, id_: str) -> Path | None:
        relative = path_of(id_)
        if relative is None:
            return None
        path = self.path
        try:
            for part in PurePosixPath(relative).parts:
                path = path / part
                if path.is_symlink():
                    return None
        except OSError:
            return None
        return path


def _stamp(about: os.stat_result) -> Stamp:
    return about.st_size, str(about.st_mtime_ns)
