"""Files of a course: from the LMS into the package, a few at once; each is tried again, or made a gap that says why."""

from __future__ import annotations

import asyncio
import mimetypes
from dataclasses import dataclass, field, replace
from typing import Any

import structlog

from coursekeep import (
    Connector,
    ConnectorError,
    Download,
    Gap,
    GapReason,
    Kind,
    MalformedAnswer,
    NativeExport,
    NoAccess,
    NotFound,
    RemoteFile,
    RetryLater,
    Unavailable,
)
from coursekeep_daemon.package import FileRefused, FileSink
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.staging import Staging
from coursekeep_daemon.tracing import Tracing

__all__ = ["Downloads", "Limits"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_UNKNOWN_TYPES = {"", "unknown/unknown", "application/octet-stream", "binary/octet-stream"}
#: bytes that may come at least beyond what the LMS says of a file
_BEYOND = 64 * 2**20
_PAGE_TYPES = {"text/html", "application/xhtml+xml"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """What a course's downloads keep to."""

    at_once: int = 4
    #: times that one file is begun again after its stream broke or its bytes were not as promised
    attempts: int = 3
    #: bytes; larger files become gaps
    largest: int | None = None
    wait: Backoff = field(default_factory=lambda: Backoff(first=1.0, longest=10.0))


class _Missing(Exception):
    """The file cannot be had: why, for the gap."""

    def __init__(self, reason: GapReason, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


class _WrongPage(Exception):
    """A page came instead of the file: mostly a log-in page, because the address has expired."""


class Downloads:
    """Downloads the files of one course.

    `give_up` says what happens where the LMS cannot deliver a file now: False raises `RetryLater`, so that the whole
    course is repeated later; True makes it a gap, because the course has been repeated often enough.
    """

    def __init__(
        self,
        connector: Connector[Any],
        staging: Staging,
        limits: Limits,
        *,
        give_up: bool,
        tracing: Tracing | None = None,
    ) -> None:
        self._tracing = tracing or Tracing()
        self._connector = connector
        self._staging = staging
        self._limits = limits
        self._give_up = give_up
        self._slots = asyncio.Semaphore(limits.at_once)
        #: whether a file became a gap because the LMS could not deliver it now
        self.gave_up = False

    async def fetch(self, file: RemoteFile | NativeExport, tasks: asyncio.TaskGroup) -> None:
        """Begin a download as soon as there is a slot; what the group raises ends the course's attempt."""
        await self._slots.acquire()
        task = tasks.create_task(self._settle(file))
        task.add_done_callback(lambda _: self._slots.release())

    async def _settle(self, file: RemoteFile | NativeExport) -> None:
        try:
            if isinstance(file, RemoteFile) and file.withheld is not None:
                raise _Missing(file.withheld, "the LMS lists the file, but gives no address for it")
            with self._tracing.step("file"):
                await self._download(file)
        except _Missing as missing:
            log.info("file_missing", file=_name(file), reason=missing.reason, detail=missing.detail)
            await self._staging.call(self._staging.writer.missing, file, missing.reason, missing.detail)

    async def _download(self, file: RemoteFile | NativeExport) -> None:
        """Try until the file is in the package, or raise `_Missing`. Each attempt begins with the first byte."""
        self._check_size(file.size)
        sizes: list[int] = []  # bytes received by each attempt that failed
        for attempt in range(1, self._limits.attempts + 1):
            last = attempt == self._limits.attempts
            try:
                return await self._once(file, sizes)
            except (NoAccess, NotFound, _WrongPage) as error:
                file = await self._fresh(file, error, last)
            except (MalformedAnswer, Unavailable) as error:
                raise _Missing(_reason(error), str(error)) from error
            except FileRefused as error:
                if last:
                    return await self._keep_as_it_is(file, sizes, error)
            except RetryLater as error:
                if last:
                    self._cannot_now(sizes, error)
                await asyncio.sleep(self._limits.wait.seconds(attempt, error.after))
        return None

    async def _once(self, file: RemoteFile | NativeExport, sizes: list[int]) -> None:
        async with self._connector.open(file) as download:
            if _is_wrong_page(file, download):
                raise _WrongPage(f"the LMS sent an HTML page instead of {_name(file)}, mostly its log-in page")
            self._check_size(download.size)
            sink = await self._begin(file)
            try:
                await self._pump(download, sink, _most(file.size, download.size))
                await self._staging.call(sink.finish)
            except BaseException:
                sizes.append(sink.size)
                await self._staging.call(sink.abort)
                raise

    async def _begin(self, file: RemoteFile | NativeExport) -> FileSink:
        writer, call = self._staging.writer, self._staging.call
        if isinstance(file, RemoteFile):
            return await call(writer.begin_file, file)
        return await call(writer.begin_export, file)

    async def _pump(self, download: Download, sink: FileSink, most: int | None) -> None:
        """Write block after block; while one is hashed and written, the next is on its way."""
        writing: asyncio.Task[None] | None = None
        try:
            async for chunk in download.chunks:
                if writing is not None:
                    await writing
                    self._check_size(sink.size)
                    _check_end(sink.size, most)
                writing = asyncio.create_task(self._staging.call(sink.write, chunk))
        finally:
            if writing is not None:
                await writing
        self._check_size(sink.size)

    def _check_size(self, size: int | None) -> None:
        largest = self._limits.largest
        if largest is not None and size is not None and size > largest:
            raise _Missing(GapReason.TOO_LARGE, f"more than the {largest:,} bytes that archive.max_file_size allows")

    async def _fresh(
        self, file: RemoteFile | NativeExport, error: NoAccess | NotFound | _WrongPage, last: bool
    ) -> RemoteFile:
        """Ask for a new address: signed ones expire within minutes, and a large course takes hours."""
        if isinstance(file, RemoteFile) and not last:
            try:
                fresh = await self._connector.refresh_file(file)
            except (NoAccess, NotFound, MalformedAnswer, Unavailable):
                fresh = None  # the first error says more
            if fresh is not None and fresh != file:
                return fresh
        raise _Missing(_reason(error), str(error)) from error

    async def _keep_as_it_is(self, file: RemoteFile | NativeExport, sizes: list[int], error: FileRefused) -> None:
        """Keep what the LMS delivers where it delivers the same every time, but not what its metadata promises.

        Bytes that came whole, and came again, are what the LMS has; to throw them away because a number beside them is
        wrong would lose them. The gap tells whoever opens the package.
        """
        if len(set(sizes)) != 1 or not isinstance(file, RemoteFile):
            raise _Missing(error.reason, str(error)) from error
        await self._once(replace(file, size=None, digest=None), [])
        times = len(sizes) + 1
        detail = f"{error}; kept as the LMS delivered it, {sizes[0]:,} bytes, the same {times} times"
        await self._staging.call(
            self._staging.writer.gap, Gap(kind=Kind.FILES, reason=error.reason, id=file.id, detail=detail, count=0)
        )

    def _cannot_now(self, sizes: list[int], error: RetryLater) -> None:
        """Decide about a file that the LMS did not deliver whole, however often it was asked in this attempt."""
        if len(sizes) == self._limits.attempts and len(set(sizes)) == 1 and sizes[0]:
            detail = f"the LMS broke off after {sizes[0]:,} bytes each of {len(sizes)} times: {error}"
            raise _Missing(GapReason.WRONG_SIZE, detail) from error
        if not self._give_up:
            raise error
        self.gave_up = True
        raise _Missing(GapReason.MALFORMED, f"the LMS could not deliver it: {error}") from error


def _most(promised: int | None, announced: int | None) -> int | None:
    """Return how many bytes may come before a file counts as one without end; None where nothing was promised.

    Numbers beside a file may be wrong, so it may be far larger than they say; but it must not fill the storage.
    """
    known = [size for size in (promised, announced) if size]  # 0 is what an LMS says where it does not know
    return max(2 * max(known), max(known) + _BEYOND) if known else None


def _check_end(size: int, most: int | None) -> None:
    if most is not None and size > most:
        raise _Missing(GapReason.WRONG_SIZE, f"broken off after {size:,} bytes: it is far larger than the LMS says")


def _is_wrong_page(file: RemoteFile | NativeExport, download: Download) -> bool:
    """Tell whether HTML came where the LMS's own metadata, or else the name, speak of something else."""
    received = (download.content_type or "").partition(";")[0].strip().lower()
    if received not in _PAGE_TYPES:
        return False
    expected = (file.content_type or "").lower() if isinstance(file, RemoteFile) else "application/zip"
    if expected in _UNKNOWN_TYPES:
        expected = mimetypes.guess_type(file.name)[0] or ""
    if expected:
        return expected not in _PAGE_TYPES
    return bool(file.size) and download.size not in (None, file.size)


def _reason(error: ConnectorError | _WrongPage) -> GapReason:
    reasons: dict[type[Exception], GapReason] = {
        NoAccess: GapReason.NO_ACCESS,
        NotFound: GapReason.NOT_FOUND,
        Unavailable: GapReason.NOT_OFFERED,
        _WrongPage: GapReason.WRONG_CONTENT,
    }
    return reasons.get(type(error), GapReason.MALFORMED)


def _name(file: RemoteFile | NativeExport) -> str:
    return f"{file.group}/{file.id}" if isinstance(file, RemoteFile) else file.name
