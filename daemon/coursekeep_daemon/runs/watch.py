"""Watching what trouble holds: asks storage and LMSs again and again, and releases them as soon as they are well.

Any process may report trouble here; only one asks: the daemon that leads, which starts its watch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import structlog

from coursekeep import ConnectorError, CredentialsNeeded, RetryLater
from coursekeep_daemon.package import PackageError
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.store import StoreError

__all__ = ["Patience", "Watch"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Patience:
    """Seconds between looks; a value, so that tests hand in a short one."""

    #: at storage, while it is well
    storage: float = 60.0
    #: at storage, while it is full or gone
    full_storage: float = 5.0
    #: at an LMS that does not answer
    lms: Backoff = field(default_factory=lambda: Backoff(first=10.0, longest=300.0))
    #: before a course is tried again
    course: Backoff = field(default_factory=Backoff)


class Watch:
    """Looks at storage all the time, and at an LMS from when it first failed to answer until it answers.

    One that is not started only reports.
    """

    def __init__(self, holds: Holds, check_writable: Callable[[], int], min_free: int, patience: Patience) -> None:
        self._holds = holds
        self._check_writable = check_writable
        self._min_free = min_free
        self._patience = patience
        self._tasks: set[asyncio.Task[None]] = set()
        #: integrations whose LMS is being asked
        self._asking: set[str] = set()
        self._watching = False
        self._look = asyncio.Event()
        #: looks at storage more often, as long as it is in trouble
        self._short_turns = False

    async def start(self) -> None:
        """Look at storage once, then go on in the background; with what others have reported, now and later."""
        self._watching = True
        await self._look_at_storage()
        self._tasks.add(lasting(self._watch_storage, "watch storage"))
        self._holds.listen(self._look_at_reports)
        self._look_at_reports()

    async def stop(self) -> None:
        """Ask no more. Harmless where nothing was started."""
        self._watching = False
        self._holds.unlisten(self._look_at_reports)
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def storage_full(self, reason: str) -> None:
        """Hold everything: writing to the archive failed."""
        self._holds.storage_trouble(reason)
        self._look.set()

    def lms_down(self, lms: Lms, error: RetryLater) -> None:
        """Hold an integration at once, and release it when the LMS answers: one sick course releases it soon."""
        self._holds.lms_trouble(lms.name, error.message)
        self._look_at_reports()

    async def credentials_needed(self, lms: Lms, error: CredentialsNeeded) -> None:
        """Halt an integration until an operator has renewed its credentials."""
        await self._holds.credentials_needed(lms.name, str(error))

    def _look_at_reports(self) -> None:
        """Begin to ask each LMS that is reported to be down, and storage in shorter turns where that is."""
        if not self._watching:
            return
        if self._holds.storage is not None and not self._short_turns:
            self._look.set()
        for lms in self._holds.down():
            if lms.name not in self._asking:
                self._asking.add(lms.name)
                self._spawn(self._watch_lms(lms), lms.name)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=f"watch {name}")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch_storage(self) -> None:
        while True:
            self._short_turns = self._holds.storage is not None
            seconds = self._patience.full_storage if self._short_turns else self._patience.storage
            self._look.clear()
            if not await wait_for_event(self._look, seconds):
                await self._look_at_storage()

    async def _look_at_storage(self) -> None:
        before = self._holds.storage
        try:
            free = await asyncio.to_thread(self._check_writable)
        except PackageError as error:
            self._holds.storage_trouble(str(error))
            return
        if free >= self._min_free:
            # of trouble that was met meanwhile this look says nothing: the next one does
            if before is not None or self._holds.storage is None:
                self._holds.storage_fine()
        else:
            self._holds.storage_trouble(
                f"{free:,} bytes are free in the archive, and archive.min_free asks for {self._min_free:,}: make room"
            )

    async def _watch_lms(self, lms: Lms) -> None:
        attempt = 0
        try:
            while (trouble := await self._ask(lms)) is not None:
                attempt += 1
                if attempt == 1:
                    log.warning("lms_down", integration=lms.name, reason=trouble.message)
                self._holds.lms_trouble(lms.name, trouble.message)
                await asyncio.sleep(self._patience.lms.seconds(attempt, trouble.after))
        finally:
            self._asking.discard(lms.name)
        if attempt:
            log.info("lms_back", integration=lms.name)
        self._holds.lms_fine(lms.name)

    async def _halted(self, lms: Lms, error: CredentialsNeeded) -> RetryLater | None:
        """Halt an integration whose LMS answers again; where the store cannot note that, it is to be asked again."""
        try:
            await self.credentials_needed(lms, error)
        except StoreError as trouble:
            return RetryLater(f"it refuses the credentials, which could not be noted: {trouble}")
        return None

    async def _ask(self, lms: Lms) -> RetryLater | None:
        """Ask the LMS for one thing that every LMS has; any answer at all means that it is there."""
        try:
            async with aclosing(lms.connector.terms()) as terms:  # type: ignore[type-var]  # an async generator
                async for _ in terms:
                    break
        except RetryLater as error:
            return error
        except CredentialsNeeded as error:
            return await self._halted(lms, error)
        except ConnectorError:
            pass  # it answers
        except Exception:  # plugin boundary: a fault in the connector shows where courses are archived
            log.exception("connector_error", integration=lms.name, during="terms")
        return None
