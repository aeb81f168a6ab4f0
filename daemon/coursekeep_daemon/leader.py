"""What only one daemon of a database does: started as a whole when it begins to lead, and stopped when it ends.

It hands out courses, looks after storage and sick LMSs, delivers notifications, keeps the times of schedules, watches
when credentials end, and lets replicas follow the archive. What others are asked for meanwhile reaches it through the
store and its events.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import ParamSpec, Self

import structlog

from coursekeep import ConnectorError, CoursekeepError
from coursekeep_daemon import replication
from coursekeep_daemon.engine import Engine, LocalEngine, Rhythm, open_engine
from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.fixity.service import FixityService
from coursekeep_daemon.following import Following
from coursekeep_daemon.integrations import Questions
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.notifications.service import Notifications
from coursekeep_daemon.package import Archive
from coursekeep_daemon.runs.archiver import Archiver, Rules
from coursekeep_daemon.runs.dispatcher import Dispatcher
from coursekeep_daemon.runs.downloads import Limits
from coursekeep_daemon.runs.holds import Clock, Holds
from coursekeep_daemon.runs.hooks import Hooks
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.lms import Lmses
from coursekeep_daemon.runs.planner import Planner
from coursekeep_daemon.runs.planning import Plannings
from coursekeep_daemon.runs.watch import Patience, Watch
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.schedule import LOOK_AGAIN, Refresh, Scheduler
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.store import Schedule, Store
from coursekeep_daemon.tracing import Tracing

__all__ = ["Leader", "Parts"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    """What every daemon has, and the leader works with."""

    settings: Settings
    clock: Clock
    version: str
    store: Store
    archive: Archive
    lmses: Lmses
    holds: Holds
    hooks: Hooks
    planner: Planner
    expiry: Expiry
    questions: Questions
    notifications: Notifications
    fixity: FixityService
    following: Following
    metrics: Metrics
    tracing: Tracing
    patience: Patience
    limits: Limits
    #: at which replicas follow the archive
    copies: replication.Pace | None
    #: of an engine with workers
    rhythm: Rhythm | None
    store_password: str | None
    #: schedules of the settings
    declared: Sequence[Schedule]
    #: when terms are read again, by integration
    refreshes: Mapping[str, Refresh]
    #: starts the run of one time of a schedule
    fire: Callable[[str, datetime], Awaitable[None]]


class Leader:
    """Everything that a daemon runs while it leads. Make a new one each time; enter it to start, leave it to stop."""

    def __init__(self, parts: Parts, *, look_again: float = LOOK_AGAIN) -> None:
        """Take what every daemon has; start nothing yet."""
        self._parts = parts
        self._look_again = look_again
        self._stack = AsyncExitStack()
        self._background: set[asyncio.Task[None]] = set()
        self.watch = Watch(parts.holds, parts.archive.check_writable, parts.settings.archive.min_free, parts.patience)
        self.dispatcher = self._dispatcher()
        self.replication = replication.Replication(parts.archive, parts.store, parts.clock, parts.copies)

    async def __aenter__(self) -> Self:
        """Start everything, in the order in which the parts need each other. A failure stops what had started."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._stop_background)
            await self._parts.store.sync_declared_schedules(self._parts.declared)
            if self._alone:
                await self._parts.store.end_troubles()  # this start finds them out anew
            await self._parts.holds.refresh()
            await self._parts.expiry.look_at_all()
            self._background.add(lasting(self._parts.expiry.watch, "watch credentials"))
            stack.push_async_callback(self.watch.stop)
            await self.watch.start()
            await self._start_dispatcher(stack)
            stack.push_async_callback(self._parts.notifications.stop)
            await self._parts.notifications.start()
            stack.push_async_callback(self._parts.fixity.stop)
            await self._parts.fixity.start()
            await self._start_scheduler(stack)
            await self._start_replication(stack)
            self._stack = stack.pop_all()
        self._in_background(self._parts.questions.check_halted, self._parts.lmses)
        return self

    async def __aexit__(self, *exc: object) -> None:
        """Stop everything in the opposite order, within about the shutdown time-out."""
        await self._stack.aclose()

    @property
    def in_flight(self) -> int:
        """Return how many courses this process is archiving now."""
        return self.dispatcher.in_flight

    @property
    def _alone(self) -> bool:
        return self._parts.settings.engine.kind == "local"

    def _dispatcher(self) -> Dispatcher:
        parts = self._parts
        workbench = Workbench(
            store=parts.store,
            archiver=Archiver(parts.archive, self.watch, self._rules(), parts.clock, parts.planner.find, parts.tracing),
            hooks=parts.hooks,
            finished=parts.metrics.course_done,
            tracing=parts.tracing,
        )
        plannings = Plannings(
            store=parts.store,
            planner=parts.planner,
            watch=self.watch,
            hooks=parts.hooks,
            clock=parts.clock,
            patience=parts.patience.course,
        )
        return Dispatcher(
            store=parts.store,
            lmses=parts.lmses,
            engine=self._engine(workbench),
            plannings=plannings,
            workbench=workbench,
            holds=parts.holds,
        )

    def _engine(self, workbench: Workbench) -> Engine:
        parts, settings = self._parts, self._parts.settings
        if self._alone:
            return LocalEngine(parts.store, workbench, settings.engine.concurrency, parts.clock)
        return open_engine(settings.store.url, parts.store_password, parts.store, parts.clock, parts.rhythm)

    def _rules(self) -> Rules:
        settings = self._parts.settings
        return Rules(
            organization=settings.archive.organization,
            software=f"Coursekeep/{self._parts.version}",
            max_attempts=settings.engine.max_attempts,
            limits=self._parts.limits,
            patience=self._parts.patience,
        )

    async def _start_dispatcher(self, stack: AsyncExitStack) -> None:
        """Hand out work, beginning with what a dead process left in flight."""
        stack.callback(self._parts.holds.unlisten, self.dispatcher.wake)
        stack.push_async_callback(self.dispatcher.stop, self._parts.settings.daemon.shutdown_timeout)
        await self.dispatcher.start()
        stack.enter_context(self._parts.following.calling({"run"}, self.dispatcher.wake))

    async def _start_scheduler(self, stack: AsyncExitStack) -> None:
        scheduler = Scheduler(
            store=self._parts.store,
            clock=self._parts.clock,
            fire=self._parts.fire,
            refresh=self._refresh_terms,
            refreshes=self._parts.refreshes,
            look_again=self._look_again,
        )
        stack.push_async_callback(scheduler.stop)
        await scheduler.start()
        stack.enter_context(self._parts.following.calling({"schedule"}, scheduler.look))

    async def _start_replication(self, stack: AsyncExitStack) -> None:
        standings = self.replication.standings
        for state in standings.all():
            self._parts.metrics.watch_replica(state.address, partial(self.replication.away, state.address))
        stack.push_async_callback(self.replication.stop)
        await self.replication.start()
        if standings.all():
            news = self._parts.notifications.replica_news(standings)
            self._background.add(lasting(news.watch, "notify of replicas"))

    async def _refresh_terms(self, integration: str) -> None:
        try:
            await self._parts.questions.refresh_terms(self._parts.lmses[integration])
        except ConnectorError as error:
            log.warning("terms_not_refreshed", integration=integration, reason=str(error))

    def _in_background(self, work: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        async def logged() -> None:
            try:
                await work(*args, **kwargs)
            except CoursekeepError as error:
                log.error("background_failed", reason=str(error))
            except Exception:
                log.exception("background_failed")

        task = asyncio.create_task(logged())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    async def _stop_background(self) -> None:
        for task in (tasks := set(self._background)):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
