"""Where the CSV files lie: in a zip file, guarded, or in a folder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Self

from coursekeep import ConnectorError, MalformedAnswer, NoAccess, NotFound, RetryLater
from coursekeep_connectors.oneroster.rows import as_stream
from coursekeep_connectors.packages.container import Toll
from coursekeep_connectors.packages.disk import DiskFile
from coursekeep_connectors.packages.settings import PackagesSettings
from coursekeep_connectors.packages.zipped import ZipContainer

__all__ = ["Files", "Stamp", "open_files", "stamp_of"]

#: what tells one state of the files from another
Stamp = tuple[tuple[str, int, int, int], ...]

_MOST_ENTRIES = 1000
#: rows of commas pack well; deflate cannot do more than 1,032
_RATIO = 1000.0
_MANIFEST = "manifest.csv"


class Files(ABC):
    """The CSV files, by their names in lower case."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self.names = names

    @abstractmethod
    def open(self, name: str) -> BinaryIO:
        """Open a file by its name in lower case."""

    @abstractmethod
    def close(self) -> None:
        """Close all."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Zip(Files):
    def __init__(self, path: Path, max_unpacked: int) -> None:
        limits = PackagesSettings(
            path=path, max_entries=_MOST_ENTRIES, max_unpacked=max_unpacked, max_ratio=_RATIO, max_depth=8
        )
        with ExitStack() as stack:
            file = stack.enter_context(DiskFile(path))
            self._container = stack.enter_context(ZipContainer(file, Toll(file, limits)))
            super().__init__(_by_name(self._container.entries, path.name))
            stack.pop_all()

    def open(self, name: str) -> BinaryIO:
        return as_stream(self._container.open(self.names[name]))

    def close(self) -> None:
        self._container.close()


class _Folder(Files):
    def __init__(self, path: Path, max_unpacked: int) -> None:
        found = {str(each.relative_to(path)): each.stat().st_size for each in sorted(path.glob("*")) if each.is_file()}
        names = _by_name(found, path.name)
        if sum(found[entry] for entry in names.values()) > max_unpacked:
            raise MalformedAnswer(
                f"the files are larger than the {max_unpacked:,} bytes of max_unpacked", where=path.name
            )
        super().__init__(names)
        self._path = path

    def open(self, name: str) -> BinaryIO:
        return (self._path / self.names[name]).open("rb")

    def close(self) -> None:
        return


def open_files(path: Path, max_unpacked: int) -> Files:
    """Open a zip or a folder. Raises `RetryLater`, `MalformedAnswer`."""
    try:
        if path.is_dir():
            return _Folder(path, max_unpacked)
        return _Zip(path, max_unpacked)
    except (OSError, NotFound, NoAccess) as error:
        why = error.message if isinstance(error, ConnectorError) else error.strerror or error
        raise RetryLater(f"the files cannot be opened: {why}", where=str(path)) from error


def stamp_of(path: Path) -> Stamp:
    """Return what changes when the files do. Raises `RetryLater` where there are none: a share may be away."""
    try:
        files = sorted(path.glob("*.[cC][sS][vV]")) if path.is_dir() else [path]
        return tuple((file.name, (at := file.stat()).st_size, at.st_mtime_ns, at.st_ino) for file in files)
    except OSError as error:
        raise RetryLater(f"the files cannot be opened: {error.strerror or error}", where=str(path)) from error


def _by_name(entries: Mapping[str, object], where: str) -> Mapping[str, str]:
    """Return the CSV files by name alone: some exports put all of them into one folder of the zip."""
    names: dict[str, str] = {}
    for entry in entries:
        path = PurePosixPath(entry)
        name = path.name.lower()
        if "__MACOSX" in path.parts or name.startswith("._") or not name.endswith(".csv"):
            continue
        if name in names:
            raise MalformedAnswer(f"two files are named {path.name!r}; which is meant cannot be told", where=where)
        names[name] = entry
    if _MANIFEST not in names:
        message = (
            "manifest.csv is missing, so nothing tells whether the files are whole (bulk) or only changes (delta);"
            " export them again with it"
        )
        raise MalformedAnswer(message, where=where)
    return names
