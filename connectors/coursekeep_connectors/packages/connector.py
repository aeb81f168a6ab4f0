"""The connector for course packages on disk."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Self

import httpx

from coursekeep import (
    CheckStep,
    Connector,
    Course,
    CourseQuery,
    Coverage,
    Download,
    MalformedAnswer,
    NativeExport,
    NotFound,
    Part,
    Redaction,
    RemoteFile,
    RetryPolicy,
    SettingsModel,
    Term,
)
from coursekeep_connectors.packages.check import check_folder
from coursekeep_connectors.packages.client import Folder, Seen, stamp_of
from coursekeep_connectors.packages.courses import TOP, course_of, taken, term_of
from coursekeep_connectors.packages.coverage import COVERAGE
from coursekeep_connectors.packages.export import read_package
from coursekeep_connectors.packages.package import address_of, parse_address
from coursekeep_connectors.packages.recognise import NotAPackage, Sight
from coursekeep_connectors.packages.redactions import REDACTIONS
from coursekeep_connectors.packages.settings import PackagesSettings
from coursekeep_connectors.packages.streams import entry_chunks, file_chunks
from coursekeep_connectors.packages.threads import in_thread, pulled

__all__ = ["PackagesConnector"]


class PackagesConnector(Connector[PackagesSettings]):
    """Reads courses out of a folder of exports: Common Cartridges, Moodle backups and others."""

    name: ClassVar[str] = "packages"
    title: ClassVar[str] = "Course packages on disk"
    Settings: ClassVar[type[SettingsModel]] = PackagesSettings
    redactions: ClassVar[tuple[Redaction, ...]] = REDACTIONS
    coverage: ClassVar[tuple[Coverage, ...]] = COVERAGE

    def __init__(
        self,
        settings: PackagesSettings,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        retry: RetryPolicy | None = None,
    ) -> None:
        super().__init__(settings, transport=transport, retry=retry)
        self._folder = Folder(settings)

    def make_client(self, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> None:
        """Make none: nothing is asked over HTTP."""
        return

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        self._folder.close()

    def describe(self) -> dict[str, Any]:
        """Return the connector and the folder."""
        return {"connector": self.name, "base_url": self.settings.path.absolute().as_uri()}

    async def check(self) -> AsyncGenerator[CheckStep]:
        """Yield whether the folder can be read, and what is in it."""
        async for step in check_folder(self._folder):
            yield step

    async def terms(self) -> AsyncGenerator[Term]:
        """Yield the folders that hold packages, as terms."""
        seen: set[str] = set()
        async with aclosing(self._seen()) as found:
            async for course_id, _ in found:
                term = term_of(course_id)
                if term.id not in seen:
                    seen.add(term.id)
                    yield term

    async def courses(self, query: CourseQuery) -> AsyncGenerator[Course]:
        """Yield the packages of the folder in the order of their paths.

        A package that is damaged or refused is listed too, under its file's name: archiving it fails, and says why.
        """
        terms: set[str] = set()
        async with aclosing(self._seen()) as found:
            async for course_id, sight in found:
                course = course_of(course_id, sight)
                terms.add(course.term_id or TOP)
                if taken(course, query):
                    yield course
        unknown = sorted(set(query.term_ids) - terms)
        if unknown:
            raise NotFound(f"no package lies in the folder {unknown[0]!r}")

    async def course(self, course_id: str) -> Course | None:
        """Return one package by its path below the folder, or by the SIS id that it holds as `sis:...`."""
        if course_id.startswith("sis:"):
            return await self._by_sis_id(course_id.removeprefix("sis:"))
        path = self._folder.path(course_id)
        return None if path is None else course_of(course_id, await self._folder.sight(course_id, path))

    async def export(self, course: Course) -> AsyncGenerator[Part]:
        """Yield the package itself, untouched, and what can be read out of it."""
        path = self._folder.path(course.id)
        if path is None:
            raise NotFound("there is no such file; it was moved or removed", where=course.id)
        stamp = stamp_of(path)
        sight = await self._folder.sight(course.id, path)
        if isinstance(sight, NotAPackage):
            raise MalformedAnswer(f"the file is no course package: {sight}", where=course.id)
        if not isinstance(sight, Sight):
            raise type(sight)(sight.message, where=sight.where)
        yield NativeExport(name=path.name, url=address_of(course.id), size=stamp[0], format=sight.format)
        async with (
            self._folder.borrowed(course.id) as loan,
            aclosing(pulled(read_package(course.id, sight, loan.container, self.settings))) as parts,
        ):
            async for part in parts:
                yield part
        self._folder.unchanged(course.id, stamp)

    def open(self, file: RemoteFile | NativeExport) -> AbstractAsyncContextManager[Download]:
        """Open the package itself, or an entry of it."""
        return self._open(*parse_address(file.url))

    @asynccontextmanager
    async def _open(self, course_id: str, entry: str | None) -> AsyncIterator[Download]:
        if entry is None:
            path = self._folder.path(course_id)
            if path is None:
                raise NotFound("there is no such file; it was moved or removed", where=course_id)
            size = stamp_of(path)[0]
            async with aclosing(file_chunks(path, size)) as chunks:
                yield Download(chunks=chunks, size=size, content_type=None, host="")
            return
        async with self._folder.borrowed(course_id) as loan:
            found = loan.container.entries.get(entry)
            if found is None:
                raise NotFound("the package has no such entry", where=f"{course_id}: {entry}")
            async with aclosing(entry_chunks(loan, entry)) as chunks:
                yield Download(chunks=chunks, size=found.size, content_type=None, host="")

    async def _seen(self) -> AsyncGenerator[tuple[str, Seen]]:
        """Yield every file that is a package, or would be one if it were not damaged."""
        for course_id in await in_thread(lambda: list(self._folder.ids())):
            path: Path | None = self._folder.path(course_id)
            if path is None:
                continue  # removed since the folder was read
            try:
                sight = await self._folder.sight(course_id, path)
            except NotFound:
                continue
            if not isinstance(sight, NotAPackage):
                yield course_id, sight

    async def _by_sis_id(self, sis_id: str) -> Course | None:
        async with aclosing(self._seen()) as found:
            async for course_id, sight in found:
                known = sight.sis_id if isinstance(sight, Sight) else None
                if known is not None and known.casefold() == sis_id.casefold():
                    return course_of(course_id, sight)
        return None
