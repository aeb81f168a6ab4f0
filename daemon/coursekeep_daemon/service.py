"""The service: builds and runs everything; what API and commands call. The one place where parts meet."""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any, ParamSpec, Self

import structlog

from coursekeep import CheckStep, ConnectorError, CoursekeepError, RetryPolicy
from coursekeep_daemon.accounts import Accounts
from coursekeep_daemon.control import Control
from coursekeep_daemon.engine import Engine, LocalEngine, Rhythm, open_engine
from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.integrations import Questions, open_integrations
from coursekeep_daemon.lock import DataDirLock
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.notifications.courier import Pace
from coursekeep_daemon.notifications.opening import open_targets
from coursekeep_daemon.notifications.service import Notifications
from coursekeep_daemon.openid import OpenId
from coursekeep_daemon.origin import close_match
from coursekeep_daemon.package import Archive, PackageError, StorageUnavailable, VerifyReport
from coursekeep_daemon.registry import Registry, Unknown
from coursekeep_daemon.requests import BadRequest, RunRequest, check_patterns
from coursekeep_daemon.rules import declared_schedules, year_ends
from coursekeep_daemon.runs.archiver import Archiver, Rules
from coursekeep_daemon.runs.dispatcher import Dispatcher
from coursekeep_daemon.runs.downloads import Limits
from coursekeep_daemon.runs.holds import Clock, Hold, Holds
from coursekeep_daemon.runs.hooks import Hooks
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.planner import Planner, Preview, PreviewRow
from coursekeep_daemon.runs.planning import Plannings
from coursekeep_daemon.runs.watch import Patience, Watch
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.schedule import Scheduler, check_cron
from coursekeep_daemon.schedule_calls import ScheduleCalls
from coursekeep_daemon.scheduled import ScheduledRuns
from coursekeep_daemon.secrets import without_credentials
from coursekeep_daemon.settings import Settings, oidc_secret, store_password
from coursekeep_daemon.store import Run, Store
from coursekeep_daemon.system import SystemView

__all__ = ["BadRequest", "Hold", "Preview", "PreviewRow", "RunRequest", "Service"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

P = ParamSpec("P")

#: share of the time-out at a stop that plugins get to be told the last events
_HOOKS_AT_STOP = 0.1


def _now() -> datetime:
    return datetime.now(UTC)


class Service(ScheduleCalls):
    """Everything that runs in one daemon. Use as an asynchronous context manager, or `start` and `stop`."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock = _now,
        registry: Registry | None = None,
        patience: Patience | None = None,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        pace: Pace | None = None,
        rhythm: Rhythm | None = None,
    ) -> None:
        """Take settings; for tests also a clock, plugins, and waits that are short. Opens nothing yet."""
        self.settings = settings
        self.clock = clock
        self.version = importlib.metadata.version("coursekeep")
        self.metrics = Metrics(self.version)
        self._registry = registry
        self._patience = patience or Patience()
        self._retry = retry
        self._pace = pace
        self._rhythm = rhythm
        archive, engine = settings.archive, settings.engine
        self._limits = limits or Limits(at_once=engine.files_at_once, largest=archive.max_file_size)
        self._stack: AsyncExitStack | None = None
        self._background: set[asyncio.Task[Any]] = set()

    async def start(self) -> None:
        """Start everything, in the order in which the parts need each other. A failure stops what had started.

        Raises `SettingsError`, `StoreError` and `PackageError` with what is wrong, where, and what to do.
        """
        async with AsyncExitStack() as stack:
            self._start_lock(stack)
            self._start_registry()
            await self._open_integrations(stack)
            self._read_schedules()
            self._targets = await open_targets(self.settings, stack)
            self._oidc_secret = oidc_secret(self.settings)
            self._store_password = store_password(self.settings)
            await self._start_store(stack)
            await self._start_archive()
            await self._start_integrations(stack)
            await self._start_watch(stack)
            await self._start_dispatcher(stack)
            await self._start_notifications(stack)
            await self._start_scheduler(stack)
            stack.push_async_callback(self._stop_background)
            self._stack = stack.pop_all()
        log.info("service_started", integrations=sorted(self._lmses), version=self.version)
        self._in_background(self._questions.check_halted, self._lmses)

    async def stop(self) -> None:
        """Stop everything in the opposite order, within about the shutdown time-out. Harmless where nothing runs."""
        if self._stack is not None:
            stack, self._stack = self._stack, None
            await stack.aclose()
            log.info("service_stopped")

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    def _start_lock(self, stack: AsyncExitStack) -> None:
        lock = DataDirLock(self.settings.daemon.data_dir, self.clock)
        lock.acquire()
        stack.callback(lock.release)

    def _start_registry(self) -> None:
        self.registry = self._registry or Registry(disabled=self.settings.daemon.disabled_plugins)
        for plugin in self.registry.plugins():
            self.metrics.plugins.labels(plugin.state.value).inc()

    async def _start_store(self, stack: AsyncExitStack) -> None:
        """Open the store. A new database is made; an old one is not touched, but refused with what to run."""
        url, password = self.settings.store.url, self._store_password
        if await asyncio.to_thread(Store.make, url, password=password):
            log.info("store_created", url=without_credentials(url))
        queue = self.settings.engine.kind == "procrastinate"
        self.store = Store(url, password=password, clock=self.clock, exclusive=True, queue=queue)
        stack.push_async_callback(self.store.stop)
        await self.store.start()
        self.accounts = Accounts(self.store, self.settings.accounts)
        oidc = self.settings.oidc
        self.openid = OpenId(self.store, oidc, self._oidc_secret) if oidc.issuer else None

    async def _start_archive(self) -> None:
        settings = self.settings.archive
        self.archive = Archive.open(settings.url, organization=settings.organization)
        if not self.archive.exists and (await self.store.packages(limit=1)).items:
            raise StorageUnavailable(
                f"The store knows packages, but there is no archive at {self.archive.root}. Mount its disk, or correct "
                "archive.url; nothing was written there."
            )
        await asyncio.to_thread(self.archive.prepare)

    async def _open_integrations(self, stack: AsyncExitStack) -> None:
        """Read the settings of all connectors and open these. Nothing is made before: wrong settings change nothing."""
        self._lmses, self._unusable = await open_integrations(self.settings, self.registry, stack, retry=self._retry)

    def _read_schedules(self) -> None:
        self._declared = declared_schedules(self.settings, self.clock())
        self._refreshes = self._term_refreshes()

    async def _start_integrations(self, stack: AsyncExitStack) -> None:
        self.holds = Holds(
            self.store, self._lmses, self.clock, needs_workers=self.settings.engine.kind == "procrastinate"
        )
        known = {one.name for one in await self.store.integrations()}
        rows: list[tuple[str, str, Mapping[str, Any]]] = []
        for name, settings in self.settings.integrations.items():
            if name in self._lmses:
                rows.append((name, settings.connector, self._lmses[name].connector.describe()))
            elif name not in known:
                rows.append((name, settings.connector, {}))
        await self.store.sync_integrations(rows)
        for name, reason in self._unusable.items():
            self.holds.unusable(name, reason)
        await self.holds.refresh()
        self.expiry = Expiry(self.settings, self._lmses, self.store, self.holds, self.clock)
        stack.push_async_callback(self.expiry.stop)
        await self.expiry.start()
        self._questions = Questions(self.store, self.holds, self.expiry)

    async def _start_watch(self, stack: AsyncExitStack) -> None:
        settings = self.settings.archive
        self._watch = Watch(self.holds, self.archive.check_writable, settings.min_free, self._patience)
        stack.push_async_callback(self._watch.stop)
        await self._watch.start()

    async def _start_dispatcher(self, stack: AsyncExitStack) -> None:
        """Put what a dead process left in flight back into the queue, then hand out work."""
        timeout = self.settings.daemon.shutdown_timeout
        self._hooks = Hooks(self.registry)
        stack.push_async_callback(self._hooks.stop, timeout * _HOOKS_AT_STOP)
        await self._hooks.start()
        self._planner = Planner(self.store, self.archive, self.registry, self.clock)
        workbench = Workbench(
            store=self.store,
            archiver=Archiver(self.archive, self._watch, self._rules(), self.clock, self._planner.find),
            hooks=self._hooks,
            finished=self.metrics.course_done,
        )
        self._dispatcher = Dispatcher(
            store=self.store,
            lmses=self._lmses,
            engine=self._engine(workbench),
            plannings=Plannings(
                store=self.store,
                planner=self._planner,
                watch=self._watch,
                hooks=self._hooks,
                clock=self.clock,
                patience=self._patience.course,
            ),
            workbench=workbench,
            holds=self.holds,
        )
        stack.push_async_callback(self._dispatcher.stop, timeout)
        await self._dispatcher.start()
        self.control = Control(
            self.store,
            self.holds,
            integrations=self.settings.integrations,
            started=self._run_created,
            ended=lambda run: self._hooks.tell("run_finished", run=run),
        )
        self.metrics.watch(lambda: self._dispatcher.in_flight, lambda: self.holds.storage is not None)
        for name in self.settings.integrations:
            self.metrics.watch_integration(name, functools.partial(self.holds.troubled, name))

    def _engine(self, workbench: Workbench) -> Engine:
        settings = self.settings.engine
        if settings.kind == "local":
            return LocalEngine(self.store, workbench, settings.concurrency, self.clock)
        return open_engine(self.settings.store.url, self._store_password, self.store, self.clock, self._rhythm)

    async def _start_notifications(self, stack: AsyncExitStack) -> None:
        self.notifications = Notifications(
            self.store,
            self.holds,
            self._targets,
            clock=self.clock,
            pace=self._pace,
            public_url=self.settings.daemon.public_url,
            told=lambda message: self._hooks.tell("notification", notification=message.payload()),
            counted=self.metrics.notified,
        )
        stack.push_async_callback(self.notifications.stop)
        await self.notifications.start()

    def _rules(self) -> Rules:
        return Rules(
            organization=self.settings.archive.organization,
            software=f"Coursekeep/{self.version}",
            max_attempts=self.settings.engine.max_attempts,
            limits=self._limits,
            patience=self._patience,
        )

    async def _start_scheduler(self, stack: AsyncExitStack) -> None:
        await self.store.sync_declared_schedules(self._declared)
        self._scheduled = ScheduledRuns(
            store=self.store,
            start_run=self._start_scheduled,
            check=self._check_request,
            clock=self.clock,
            ends=year_ends(self.settings),
            time_zone=self.settings.daemon.time_zone,
        )
        self.scheduler = Scheduler(self.settings.daemon.data_dir / "schedule.db", self._due)
        stack.push_async_callback(self.scheduler.stop)
        self.system = SystemView(self, in_flight=lambda: self._dispatcher.in_flight)
        unchanged = await self.scheduler.start(await self.store.schedules(), self._refreshes)
        self._in_background(self._scheduled.catch_up, unchanged)

    def _term_refreshes(self) -> dict[str, tuple[str, str]]:
        zone = self.settings.daemon.time_zone
        refreshes = {}
        for name in self._lmses:
            cron = self.settings.integrations[name].terms_refresh
            try:
                check_cron(cron, zone)
            except ValueError as error:
                raise self.settings.origin.error(("integrations", name, "terms_refresh"), str(error)) from None
            refreshes[name] = (cron, zone)
        return refreshes

    async def _stop_background(self) -> None:
        for task in (tasks := set(self._background)):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def _in_background(self, work: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        async def logged() -> None:
            try:
                await work(*args, **kwargs)
            except CoursekeepError as error:
                log.error("background_failed", reason=str(error))

        task = asyncio.create_task(logged())
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    # What callers ask for

    async def start_run(
        self, request: RunRequest, *, by: str, idempotency_key: str | None = None, schedule: str | None = None
    ) -> tuple[Run, bool]:
        """Start a run, and return it with True; with a key that was used before, the earlier run with False.

        Raises `BadRequest` where it cannot be, `Conflict` where the key was used for another request.
        """
        self._check_request(request)
        await self.expiry.look(request.integration)  # a run with credentials that have ended waits for new ones
        run, created = await self.store.create_run(
            integration=request.integration,
            source=request.source,
            params=request.params,
            on_existing=request.on_existing,
            note=request.note,
            created_by=by,
            options={"include": list(request.include), "exclude": list(request.exclude)},
            schedule=schedule,
            idempotency_key=idempotency_key,
        )
        if created:
            self._run_created(run)
        return run, created

    def _run_created(self, run: Run) -> None:
        self.metrics.run_requested(run.integration)
        self._dispatcher.wake()

    async def preview(self, request: RunRequest, *, limit: int = 1000) -> Preview:
        """Say what a run would take now; write nothing. Raises `BadRequest`, and what the connector raises."""
        self._check_request(request)
        lms = self._usable(request.integration)
        try:
            return await self._planner.preview(request.for_planner(), lms, limit=limit)
        except ValueError as error:
            raise BadRequest(str(error), where="params") from None

    async def check(self, integration: str) -> list[CheckStep]:
        """Run the connector's check, and keep its steps; where all are well, a halted integration goes on."""
        return await self._questions.check(self._usable(integration))

    async def refresh_terms(self, integration: str) -> int:
        """Read the terms again, and return how many there are. Raises `BadRequest`, and what the connector raises."""
        return await self._questions.refresh_terms(self._usable(integration))

    async def verify_package(self, package_id: str, version: int | None = None) -> VerifyReport:
        """Verify a package, and keep the outcome with each version and in its log. Raises `PackageError`."""
        report = await asyncio.to_thread(self.archive.verify, package_id, version)
        for known in await self.store.package(package_id):
            if version in (None, known.version):
                await self.store.record_verification(package_id, known.version, self.clock(), report.valid)
        said = {key: value for key, value in report.to_json().items() if key != "path"}  # which is this machine's own
        try:
            await asyncio.to_thread(self.archive.log_event, package_id, "fixity", said)
        except PackageError as error:  # an archive that cannot be written now can be checked all the same
            log.warning("fixity_not_logged", package=package_id, reason=str(error))
        return report

    def ready(self) -> tuple[bool, dict[str, str]]:
        """Tell whether the daemon can work, and why not."""
        if self._stack is None:
            return False, {"service": "it is starting or stopping"}
        storage = self.holds.storage
        return storage is None, {} if storage is None else {"storage": storage.reason}

    def _check_request(self, request: RunRequest) -> None:
        """Raise `BadRequest` where a request cannot be used now. Asks no LMS."""
        if request.integration not in self.settings.integrations:
            hint = close_match(request.integration, self.settings.integrations)
            raise BadRequest(f"there is no integration {request.integration}; {hint}", where="integration")
        check_patterns(request.include, request.exclude)
        if request.on_existing not in {"skip", "refresh"}:
            raise BadRequest(f"{request.on_existing!r} is not known; allowed: refresh, skip", where="on_existing")
        try:
            self._planner.check(request.for_planner())
        except Unknown as error:
            raise BadRequest(str(error), where="source") from None
        except ValueError as error:
            raise BadRequest(str(error), where="params") from None

    def _usable(self, integration: str) -> Lms:
        if integration in self._lmses:
            return self._lmses[integration]
        if integration in self.settings.integrations:
            hold = self.holds.missing(integration)
            raise BadRequest(hold.reason if hold else "it cannot be used", where="integration")
        hint = close_match(integration, self.settings.integrations)
        raise BadRequest(f"there is no integration {integration}; {hint}", where="integration")

    async def _start_scheduled(self, request: RunRequest, by: str, key: str, schedule: str) -> Run:
        run, _ = await self.start_run(request, by=by, idempotency_key=key, schedule=schedule)
        return run

    async def _due(self, kind: str, name: str, slot: datetime) -> None:
        """Do what the scheduler says is due."""
        if kind == "schedule":
            await self._scheduled.fire(name, slot)
            return
        try:
            await self.refresh_terms(name)
        except ConnectorError as error:
            log.warning("terms_not_refreshed", integration=name, reason=str(error))
