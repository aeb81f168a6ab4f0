"""The folder as an LMS: which files are in it, under which ids, and what is open of them."""

from __future__ import annotations

import asyncio
import os
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from urllib.parse import quote, unquote_to_bytes
from weakref import WeakValueDictionary

from coursekeep import MalformedAnswer, NoAccess, NotFound, RetryLater
from coursekeep_connectors.packages.container import Container
from coursekeep_connectors.packages.recognise import NotAPackage, Sight, look, open_container
from coursekeep_connectors.packages.settings import PackagesSettings
from coursekeep_connectors.packages.threads import in_thread

__all__ = ["Folder", "Loan", "Stamp", "id_of"]

#: packages that stay open for what may be asked of them next
_IDLE = 2
#: packages whose description is remembered
_REMEMBERED = 20_000

#: size and time of change of a file: another one means another content
Stamp = tuple[int, int]


@dataclass(kw_only=True)
class Loan:
    """An open package, shared by all that read it."""

    container: Container
    stamp: Stamp
    users: int = 0
    #: held while an entry is read, where reading out of order costs time
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Folder:
    """Finds packages below a folder and opens them. Links are not followed: they may lead out of it."""

    def __init__(self, settings: PackagesSettings) -> None:
        self.settings = settings
        self._sights: OrderedDict[str, tuple[Stamp, Sight | NotAPackage | MalformedAnswer]] = OrderedDict()
        self._loans: OrderedDict[str, Loan] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """Close every package."""
        for loan in self._loans.values():
            loan.container.close()
        self._loans.clear()

    def ids(self) -> Iterator[str]:
        """Yield the ids of all files, folder by folder in the order of their names. Raises `NoAccess`, `NotFound`."""
        try:
            yield from self._walk(self.settings.path)
        except FileNotFoundError as error:
            raise NotFound(f"the folder {self.settings.path} does not exist") from error
        except OSError as error:
            raise NoAccess(f"the folder cannot be read: {error.strerror}: {error.filename}") from error

    def _walk(self, folder: Path) -> Iterator[str]:
        with os.scandir(folder) as found:
            entries = sorted(found, key=lambda entry: os.fsencode(entry.name))
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from self._walk(folder / entry.name)
            elif entry.is_file(follow_symlinks=False):
                yield id_of((folder / entry.name).relative_to(self.settings.path))

    def path(self, course_id: str) -> Path | None:
        """Return the file of an id; None where there is none, or where it leads out of the folder or over a link."""
        relative = os.fsdecode(unquote_to_bytes(course_id)) if "%" in course_id else course_id
        parts = PurePosixPath(relative).parts
        if not parts or "\0" in relative or ".." in parts or relative.startswith("/"):
            return None
        path = self.settings.path
        try:
            for part in parts:
                path = path / part
                if path.is_symlink():
                    return None
            return path if path.is_file() and id_of(Path(*parts)) == course_id else None
        except OSError:
            return None

    async def sight(self, course_id: str, path: Path) -> Sight | NotAPackage | MalformedAnswer:
        """Return what a file is, or why it is none. Remembered until the file changes. Raises `NoAccess`."""
        stamp = stamp_of(path)
        known = self._sights.get(course_id)
        if known is not None and known[0] == stamp:
            return known[1]
        halt = threading.Event()
        try:
            found: Sight | NotAPackage | MalformedAnswer = await in_thread(look, path, self.settings, halt, halt=halt)
        except (NotAPackage, MalformedAnswer) as error:
            found = error
        except OSError as error:
            raise NoAccess(f"the file cannot be read: {error.strerror}", where=course_id) from error
        self._sights[course_id] = (stamp, found)
        while len(self._sights) > _REMEMBERED:
            self._sights.popitem(last=False)
        return found

    @asynccontextmanager
    async def borrowed(self, course_id: str) -> AsyncGenerator[Loan]:
        """Lend an open package. Raises `NotFound`, `NoAccess`, `MalformedAnswer`, `NotAPackage`."""
        loan = await self._lent(course_id)
        loan.users += 1
        try:
            yield loan
        finally:
            loan.users -= 1
            self._tidy(course_id, loan)

    async def _lent(self, course_id: str) -> Loan:
        path = self.path(course_id)
        if path is None:
            raise NotFound("there is no such file", where=course_id)
        async with self._locks.setdefault(course_id, asyncio.Lock()):
            stamp = stamp_of(path)
            loan = self._loans.get(course_id)
            if loan is None or loan.stamp != stamp:
                halt = threading.Event()
                try:
                    container: Container = await in_thread(
                        open_container, path, self.settings, halt, halt=halt, discard=Container.close
                    )
                except OSError as error:
                    raise NoAccess(f"the file cannot be read: {error.strerror}", where=course_id) from error
                loan = Loan(container=container, stamp=stamp)
                self._loans[course_id] = loan
            self._loans.move_to_end(course_id)
            return loan

    def unchanged(self, course_id: str, stamp: Stamp) -> None:
        """Raise `RetryLater` where a file is no longer what it was when its reading began."""
        path = self.path(course_id)
        if path is None or stamp_of(path) != stamp:
            raise RetryLater("the file changed while it was read", where=course_id)

    def _tidy(self, course_id: str, loan: Loan) -> None:
        if loan.users == 0 and self._loans.get(course_id) is not loan:
            loan.container.close()
        idle = [id_ for id_, each in self._loans.items() if each.users == 0]
        for id_ in idle[: max(0, len(idle) - _IDLE)]:
            self._loans.pop(id_).container.close()


def stamp_of(path: Path) -> Stamp:
    """Return a file's stamp. Raises `NotFound` where it is gone."""
    try:
        about = path.stat()
    except OSError as error:
        raise NotFound(f"the file is gone: {error.strerror}", where=path.name) from error
    return about.st_size, about.st_mtime_ns


def id_of(relative: Path) -> str:
    """Return the id of a file: its path below the folder, with `/`.

    Names that are no clean text, or would be mistaken for something else, are percent-encoded as a whole; a plain id
    never holds `%`, so that no two files share an id.
    """
    text = relative.as_posix()
    odd = "%" in text or not text.isprintable() or text != text.strip() or text.startswith("sis:")
    return quote(os.fsencode(text), safe="/") if odd else text
