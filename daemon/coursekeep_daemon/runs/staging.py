"""One package version being written, in a thread of its own, so that hashing and disk never hold up the event loop.

All calls for one course go through one thread, in order: the writer needs no locks, and a break-off waits for the call
that is running, so that nothing is written while the staging folder is being removed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, Self, TypeVar

import structlog

from coursekeep import Gap, GapReason, Kind, Part, RawPage, Record
from coursekeep.records import Expected
from coursekeep_daemon.package import Committed, PackageWriter

__all__ = ["Staging"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

P = ParamSpec("P")
R = TypeVar("R")

#: parts handed to the thread at once: a trip costs more than a record
_BATCH = 200
#: characters of text at which parts are handed over earlier: pages may have megabytes
_WEIGHT = 4 * 2**20


class Staging:
    """A `PackageWriter` behind its own thread. Leaves nothing behind unless committed."""

    def __init__(self, open_writer: Callable[[], PackageWriter]) -> None:
        self._open_writer = open_writer
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="package")
        #: holds the package's lock; the thread's own
        self._entered: PackageWriter | None = None
        self._parts: list[Part] = []
        #: characters in the records among them
        self._weight = 0

    async def __aenter__(self) -> Self:
        try:
            self.writer = await self.call(self._enter)
        except BaseException:
            await self._leave()
            raise
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self._leave()

    async def _leave(self) -> None:
        """Leave the writer, behind whatever its thread is at: a cancellation ends the waiting, never the leaving."""
        leaving = asyncio.wrap_future(self._thread.submit(self._exit))
        self._thread.shutdown(wait=False)
        await asyncio.wait({leaving})
        leaving.result()

    async def call(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function in the thread. A cancelled caller waits until the function has come back."""
        future = self._thread.submit(function, *args, **kwargs)
        waiting = asyncio.wrap_future(future)
        try:
            return await asyncio.shield(waiting)
        except asyncio.CancelledError:
            if not future.cancel():
                await asyncio.wait({waiting})
            raise

    async def add(self, part: Part) -> None:
        """Add a record, raw page, expectation or gap; written with others after it."""
        self._parts.append(part)
        if isinstance(part, Record):
            self._weight += sum(len(value) for value in part.data.values() if isinstance(value, str))
        if len(self._parts) >= _BATCH or self._weight >= _WEIGHT or isinstance(part, RawPage):
            await self.flush()

    async def flush(self) -> None:
        """Hand over what has gathered."""
        parts, self._parts, self._weight = self._parts, [], 0
        if parts:
            await self.call(self._write, parts)

    async def commit(self) -> Committed:
        """Write the version, or find that nothing has changed."""
        await self.flush()
        return await self.call(self.writer.commit)

    def _enter(self) -> PackageWriter:
        self._entered = self._open_writer().__enter__()
        return self._entered

    def _exit(self) -> None:
        if self._entered is not None:
            self._entered.__exit__(None, None, None)

    def _write(self, parts: list[Part]) -> None:
        for part in parts:
            match part:
                case Record():
                    self._record(part)
                case RawPage():
                    self.writer.raw(part)
                case Expected():
                    self.writer.expect(part)
                case Gap():
                    self.writer.gap(part)
                case _:
                    raise TypeError(f"a connector's export yielded {type(part).__name__}, which is no part")

    def _record(self, record: Record) -> None:
        """Write a record; one that does not fit its model is a gap, so that it does not cost the rest of the course."""
        try:
            self.writer.record(record)
        except ValueError as error:
            log.warning("record_refused", kind=record.kind, id=record.id, reason=str(error))
            detail = f"{error}; what the LMS answered is under native/api"
            self.writer.gap(Gap(kind=Kind(record.kind), reason=GapReason.MALFORMED, id=record.id, detail=detail))
