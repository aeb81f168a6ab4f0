"""One course into one package, and what became of the attempt.

An attempt ends in an `ItemResult`, whatever happens: the connector's errors say what happens next (see
`coursekeep.errors`), the package's likewise, and anything else is a fault of the connector, recorded with traceback.
Only `StopRun` and cancellation leave `archive` as exceptions.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from weakref import WeakValueDictionary

import structlog

from coursekeep import (
    ALWAYS,
    ConnectorError,
    Course,
    CredentialsNeeded,
    MalformedAnswer,
    NativeExport,
    NoAccess,
    NotFound,
    Outcome,
    RemoteFile,
    RetryLater,
    Selection,
    StopRun,
)
from coursekeep_daemon.package import (
    Archive,
    Committed,
    Head,
    OtherSource,
    PackageBusy,
    PackageContext,
    PackageError,
    StorageFull,
    StorageUnavailable,
)
from coursekeep_daemon.runs.downloads import Downloads, Limits
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.staging import Staging
from coursekeep_daemon.runs.states import FailReason, ItemStatus, SkipReason
from coursekeep_daemon.runs.versions import made_by, version_of
from coursekeep_daemon.runs.watch import Patience, Watch
from coursekeep_daemon.store import Item, ItemResult, Run, StoreError
from coursekeep_daemon.tracing import Tracing

__all__ = ["Archiver", "Find", "LeaseLost", "Permit", "Rules"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


Find = Callable[[str, Lms], Awaitable[Selection]]

#: tells whether the item is still this process's to archive
Permit = Callable[[], Awaitable[bool]]


class LeaseLost(Exception):
    """The item was given to another process meanwhile: nothing of this attempt may be kept."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rules:
    """What an attempt keeps to."""

    organization: str
    #: name and version, written into packages
    software: str
    max_attempts: int
    limits: Limits
    patience: Patience


class Archiver:
    """Archives courses. One object serves all integrations."""

    def __init__(
        self,
        archive: Archive,
        watch: Watch,
        rules: Rules,
        clock: Clock,
        find: Find,
        tracing: Tracing | None = None,
    ) -> None:
        """Take what is needed; `find` looks up a course that an item knows only by what was asked for."""
        self._tracing = tracing or Tracing()
        self._archive = archive
        self._find = find
        self._watch = watch
        self._rules = rules
        self._clock = clock
        #: one attempt at a package at a time, where two runs have the same course
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def archive(self, item: Item, run: Run, lms: Lms, permit: Permit | None = None) -> ItemResult:
        """Take one course into its package and say what became of it. Raises `StopRun` where the run must end.

        `permit` is asked right before the package's commit; where it refuses, nothing is committed, and `LeaseLost` is
        raised. The package's lock is held meanwhile, so that nobody else can be at it between the answer and the
        commit. On storage without such locks the commit itself is conditional: of two that start from the same version
        one fails. Whoever comes second then finds what the first has written under the name of this item.
        """
        try:
            if item.course_id is None:
                return await self._find_and_archive(item, run, lms, permit)
            return await self._archive_known(item, run, lms, item.course_id, permit)
        except (StopRun, LeaseLost):
            raise
        except ConnectorError as error:
            return await self._after_connector(item, lms, error)
        except PackageError as error:
            return self._after_package(item, error)
        except Exception as error:  # noqa: BLE001  # plugin boundary: a connector may raise anything
            return self._after_fault(item, error)

    async def _find_and_archive(self, item: Item, run: Run, lms: Lms, permit: Permit | None) -> ItemResult:
        """Archive a course that could not be read when it was first looked up: a reimport may know no more of it."""
        selection = await self._find(item.ref, lms)
        course, detail = selection.course, selection.detail or None
        if selection.outcome is Outcome.NO_ACCESS:
            return ItemResult(item_id=item.id, status=ItemStatus.FAILED, reason=FailReason.NO_ACCESS, detail=detail)
        if selection.outcome is Outcome.EXCLUDED:
            return ItemResult(item_id=item.id, status=ItemStatus.SKIPPED, reason=SkipReason.EXCLUDED, detail=detail)
        if course is None:
            return ItemResult(item_id=item.id, status=ItemStatus.NOT_FOUND, detail=detail)
        known = replace(item, course_id=course.id, course_name=course.name, course_code=course.code)
        return replace(await self._archive_known(known, run, lms, course.id, permit), found=course)

    async def _archive_known(self, item: Item, run: Run, lms: Lms, course_id: str, permit: Permit | None) -> ItemResult:
        package_id = self._archive.object_id(lms.id, course_id)
        async with self._locks.setdefault(package_id, asyncio.Lock()):
            return await self._settled(item, run, lms, package_id) or await self._attempt(item, run, lms, permit)

    async def _settled(self, item: Item, run: Run, lms: Lms, package_id: str) -> ItemResult | None:
        """Return the result where the archive already has what this item is for, else None.

        It has, if the process died between the commit of the package and that of the item, or if another run archived
        the course since this one was planned.
        """
        head = await asyncio.to_thread(self._archive.head, package_id)
        if head is not None and made_by(head, run) and head.item_id == item.id:
            return self._completed(item, lms, head)
        if head is not None and run.on_existing == "skip" and head.source == lms.connector.describe():
            return ItemResult(
                item_id=item.id,
                status=ItemStatus.SKIPPED,
                reason=SkipReason.ARCHIVED,
                detail=f"archived as version {head.version} meanwhile",
                package_id=package_id,
                package_version=head.version,
                archived_in_run=head.run_id,
            )
        if item.attempts > self._rules.max_attempts:
            detail = f"the daemon died {item.attempts - 1} times while archiving this course; its log says more"
            return _failed(item, FailReason.PROCESS_DIED, detail)
        return None

    async def _attempt(self, item: Item, run: Run, lms: Lms, permit: Permit | None) -> ItemResult:
        with self._tracing.step("lookup"):
            course = await lms.connector.course(item.course_id or "")
        if course is None:
            raise NotFound("the course does not exist any longer: it was deleted after it was selected")
        context = self._context(item, run, lms)
        redactions = (*ALWAYS, *lms.connector.redactions)
        with self._tracing.step("packaging"):
            async with Staging(lambda: self._archive.writer(course, context, redactions)) as staging:
                await self._export(course, lms, staging, give_up=item.attempts >= self._rules.max_attempts)
                if permit is not None and not await permit():
                    raise LeaseLost
                with self._tracing.step("commit"):
                    done = await staging.commit()
        return await self._after_commit(item, lms, done)

    async def _export(self, course: Course, lms: Lms, staging: Staging, *, give_up: bool) -> None:
        """Write every part of the course. A failing download ends the export at once, and the other way round."""
        downloads = Downloads(lms.connector, staging, self._rules.limits, give_up=give_up, tracing=self._tracing)
        try:
            async with asyncio.TaskGroup() as tasks:
                with self._tracing.step("listing"):
                    async with aclosing(_generator(lms, course)) as parts:
                        async for part in parts:
                            if isinstance(part, (RemoteFile, NativeExport)):
                                await downloads.fetch(part, tasks)
                            else:
                                await staging.add(part)
        except BaseExceptionGroup as group:
            raise _first(group) from None
        if downloads.gave_up:
            # An outage that began after the listing must not pass for a course of missing files.
            await lms.connector.course(course.id)

    def _context(self, item: Item, run: Run, lms: Lms) -> PackageContext:
        return PackageContext(
            integration=lms.id,
            source=lms.connector.describe(),
            organization=self._rules.organization,
            software=self._rules.software,
            run_id=run.id,
            item_id=item.id,
            started_at=self._clock(),
        )

    async def _after_commit(self, item: Item, lms: Lms, done: Committed) -> ItemResult:
        if not done.changed:
            return ItemResult(
                item_id=item.id,
                status=ItemStatus.SKIPPED,
                reason=SkipReason.UNCHANGED,
                detail=f"same content as version {done.version}",
                package_id=done.object_id,
                package_version=done.version,
            )
        head = await asyncio.to_thread(self._archive.head, done.object_id)
        if head is None:
            raise PackageError(f"the package {done.object_id} is gone right after it was written")
        return self._completed(item, lms, head)

    def _completed(self, item: Item, lms: Lms, head: Head) -> ItemResult:
        return ItemResult(
            item_id=item.id,
            status=ItemStatus.COMPLETED,
            gaps=head.gaps,
            package_id=head.object_id,
            package_version=head.version,
            version=version_of(head, lms.name),
        )

    async def _after_connector(self, item: Item, lms: Lms, error: ConnectorError) -> ItemResult:
        """Say what happens next, as the kind of error demands."""
        if isinstance(error, RetryLater):
            return self._later(item, lms, error)
        if isinstance(error, CredentialsNeeded):
            return await self._without_credentials(item, lms, error)
        if isinstance(error, NotFound):
            return ItemResult(item_id=item.id, status=ItemStatus.NOT_FOUND, detail=str(error))
        reason = FailReason.CONNECTOR_ERROR
        if isinstance(error, NoAccess):
            reason = FailReason.NO_ACCESS
        elif isinstance(error, MalformedAnswer):
            reason = FailReason.MALFORMED_ANSWER
        return _failed(item, reason, str(error))

    async def _without_credentials(self, item: Item, lms: Lms, error: CredentialsNeeded) -> ItemResult:
        wait = 0.0
        try:
            await self._watch.credentials_needed(lms, error)
        except StoreError as trouble:  # the next attempt meets the same refusal, and halts the integration then
            log.error("store_trouble", during="halting an integration", reason=str(trouble))
            wait = self._rules.patience.course.seconds(1)
        return self._postponed(item, "waits for credentials", wait)

    def _later(self, item: Item, lms: Lms, error: RetryLater) -> ItemResult:
        self._watch.lms_down(lms, error)
        if item.attempts >= self._rules.max_attempts:
            detail = f"the LMS could not answer in {item.attempts} attempts: {error}"
            return _failed(item, FailReason.LMS_UNAVAILABLE, detail)
        wait = self._rules.patience.course.seconds(item.attempts, error.after)
        return self._postponed(item, str(error), wait, count=True)

    def _after_package(self, item: Item, error: PackageError) -> ItemResult:
        if isinstance(error, (StorageFull, StorageUnavailable)):
            self._watch.storage_full(str(error))
            return self._postponed(item, str(error), self._rules.patience.course.seconds(1))
        if isinstance(error, PackageBusy):
            return self._postponed(item, str(error), self._rules.patience.course.seconds(1))
        if isinstance(error, OtherSource):
            return _failed(item, FailReason.OTHER_SOURCE, str(error))
        log.error("package_error", reason=str(error), exc_info=error)
        return _failed(item, FailReason.PACKAGE_ERROR, str(error))

    def _after_fault(self, item: Item, error: Exception) -> ItemResult:
        """Record a fault; the detail holds its kind only, since a message of unknown origin may hold anything."""
        log.error("connector_error", exc_info=error)
        detail = f"the connector failed with {type(error).__name__}; the log has the traceback under item {item.id}"
        return _failed(item, FailReason.CONNECTOR_ERROR, detail)

    def _postponed(self, item: Item, detail: str, seconds: float, *, count: bool = False) -> ItemResult:
        return ItemResult(
            item_id=item.id,
            status=ItemStatus.QUEUED,
            detail=detail,
            not_before=self._clock() + timedelta(seconds=seconds) if seconds else None,
            count_attempt=count,
        )


def _failed(item: Item, reason: FailReason, detail: str) -> ItemResult:
    return ItemResult(item_id=item.id, status=ItemStatus.FAILED, reason=reason, detail=detail)


def _generator(lms: Lms, course: Course) -> Any:
    """Return the export as what it is in practice, an asynchronous generator, which must be closed."""
    return lms.connector.export(course)


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error that tells most: what halts or ends work goes before what is repeated."""
    errors = [_first(error) if isinstance(error, BaseExceptionGroup) else error for error in group.exceptions]
    order: tuple[type[BaseException], ...] = (CredentialsNeeded, StopRun, PackageError, RetryLater)
    return min(errors, key=lambda e: next((i for i, kind in enumerate(order) if isinstance(e, kind)), len(order)))
