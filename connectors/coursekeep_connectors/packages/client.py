"""The place as an LMS: which packages are in it, what they say about themselves, and what is open of them."""

from __future__ import annotations

import asyncio
import threading
from collections import OrderedDict
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

from coursekeep import MalformedAnswer, NoAccess, NotFound
from coursekeep_connectors.packages.bucket import Bucket
from coursekeep_connectors.packages.container import Container
from coursekeep_connectors.packages.disk import DiskFolder
from coursekeep_connectors.packages.place import Found, PackageFile, Place, Stamp, replaced
from coursekeep_connectors.packages.recognise import NotAPackage, Sight, look, open_container
from coursekeep_connectors.packages.settings import PackagesSettings
from coursekeep_connectors.packages.threads import in_thread

__all__ = ["Folder", "Loan", "Seen"]

#: packages that stay open for what may be asked of them next
_IDLE = 2
#: packages whose description is remembered
_REMEMBERED = 20_000

#: what is known of a file: what it is, or why that cannot be said
Seen = Sight | NotAPackage | MalformedAnswer | NoAccess


@dataclass(kw_only=True)
class Loan:
    """An open package, shared by all that read it."""

    container: Container
    users: int = 0
    #: held while an entry is read, where reading out of order costs time
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Folder:
    """Finds packages in a place and opens them."""

    def __init__(self, settings: PackagesSettings) -> None:
        self.settings = settings
        self.place: Place = Bucket(settings) if settings.in_s3 else DiskFolder(settings.folder)
        self._sights: OrderedDict[str, tuple[Stamp, Seen]] = OrderedDict()
        self._loans: OrderedDict[str, Loan] = OrderedDict()
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    def close(self) -> None:
        """Close every package."""
        for loan in self._loans.values():
            loan.container.close()
        self._loans.clear()

    async def files(self) -> list[Found]:
        """Return all files. Raises as `Place.files`."""
        return await in_thread(lambda: list(self.place.files()))

    async def find(self, course_id: str) -> Found | None:
        """Return the file of an id; None where there is none."""
        return await in_thread(self.place.find, course_id)

    async def must_find(self, course_id: str, stamp: Stamp | None = None) -> Found:
        """Return the file of an id. Raises `NotFound`; `RetryLater` where it is no longer in the state of `stamp`."""
        found = await self.find(course_id)
        if found is None:
            raise NotFound("there is no such file; it was moved or removed", where=course_id)
        if stamp is not None and found.stamp != stamp:
            raise replaced(course_id)
        return found

    async def sight(self, found: Found) -> Seen:
        """Return what a file is, or why that cannot be said. Remembered until the file changes.

        Raises `NotFound`, `RetryLater`, `CredentialsNeeded`.
        """
        known = self._sights.get(found.id)
        if known is not None and known[0] == found.stamp:
            return known[1]
        halt = threading.Event()
        try:
            seen: Seen = await in_thread(self._look, found, halt, halt=halt)
        except (NotAPackage, MalformedAnswer) as error:
            seen = error
        except NoAccess as error:
            return error
        self._sights[found.id] = (found.stamp, seen)
        while len(self._sights) > _REMEMBERED:
            self._sights.popitem(last=False)
        return seen

    def _look(self, found: Found, halt: threading.Event) -> Sight:
        with self.open(found) as file:
            return look(file, self.settings, halt)

    def open(self, found: Found) -> PackageFile:
        """Open a file in the state in which it was found. Blocking. Raises `NotFound`, `NoAccess`, `RetryLater`."""
        file = self.place.open(found)
        if file.stamp != found.stamp:
            file.close()
            raise replaced(found.id)
        return file

    async def opened(self, found: Found) -> PackageFile:
        """Open a file in a thread. Raises as `open`."""
        return await in_thread(self.open, found, discard=lambda file: file.close())

    @asynccontextmanager
    async def borrowed(self, course_id: str, stamp: Stamp) -> AsyncGenerator[Loan]:
        """Lend an open package in one state. Raises `NotFound`, `NoAccess`, `RetryLater`, `MalformedAnswer`."""
        loan = await self._lent(course_id, stamp)
        loan.users += 1
        try:
            yield loan
        finally:
            loan.users -= 1
            self._tidy(course_id, loan)

    async def _lent(self, course_id: str, stamp: Stamp) -> Loan:
        async with self._locks.setdefault(course_id, asyncio.Lock()):
            loan = self._loans.get(course_id)
            if loan is None or loan.container.file.stamp != stamp:
                found = await self.must_find(course_id, stamp)
                halt = threading.Event()
                container: Container = await in_thread(self._contained, found, halt, halt=halt, discard=Container.close)
                if loan is not None and loan.users == 0:
                    loan.container.close()  # of what the file was before; others close it when they have done
                loan = Loan(container=container)
                self._loans[course_id] = loan
            self._loans.move_to_end(course_id)
            return loan

    def _contained(self, found: Found, halt: threading.Event) -> Container:
        file = self.open(found)
        try:
            return open_container(file, self.settings, halt)
        except BaseException:
            file.close()
            raise

    def _tidy(self, course_id: str, loan: Loan) -> None:
        if loan.users == 0 and self._loans.get(course_id) is not loan:
            loan.container.close()
        idle = [id_ for id_, each in self._loans.items() if each.users == 0]
        for id_ in idle[: max(0, len(idle) - _IDLE)]:
            self._loans.pop(id_).container.close()
