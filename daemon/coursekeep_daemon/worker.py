"""A worker: takes courses that the leader offers, archives them, and gives signs of life. Any number may run.

It reads the same settings as the daemon, and knows the store, the archive and the LMSs as the daemon does; it plans
nothing, decides nothing about runs, and has no API.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import os
import socket
import uuid
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Self

import structlog

from coursekeep import RetryPolicy
from coursekeep_daemon.archives import open_archive
from coursekeep_daemon.budget import Budgets
from coursekeep_daemon.engine.own_storage import OwnStorage
from coursekeep_daemon.engine.procrastinate import Jobs
from coursekeep_daemon.engine.rhythm import Rhythm
from coursekeep_daemon.engine.taking import Taking
from coursekeep_daemon.following import Following
from coursekeep_daemon.integrations import open_integrations
from coursekeep_daemon.observation import Observation
from coursekeep_daemon.package import StorageUnavailable
from coursekeep_daemon.registry import Registry
from coursekeep_daemon.runs.archiver import Archiver, Rules
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.downloads import Limits
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.hooks import Hooks
from coursekeep_daemon.runs.planner import Planner
from coursekeep_daemon.runs.watch import Patience, Watch
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.settings import Settings, store_password
from coursekeep_daemon.store import Item, ItemResult, Sharing, Store, Worker

__all__ = ["WorkerProcess"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: share of the time-out at a stop that plugins get to be told the last events
_HOOKS_AT_STOP = 0.1


class WorkerProcess:
    """Everything that runs in one worker. Use as an asynchronous context manager, or `start` and `stop`."""

    def __init__(
        self,
        settings: Settings,
        *,
        concurrency: int | None = None,
        name: str | None = None,
        registry: Registry | None = None,
        patience: Patience | None = None,
        limits: Limits | None = None,
        retry: RetryPolicy | None = None,
        rhythm: Rhythm | None = None,
        store_patience: Backoff | None = None,
        finished: Callable[[Item, ItemResult], None] | None = None,
    ) -> None:
        """Take settings, and what is called with each item that has ended; for tests also plugins, and short waits."""
        self.settings = settings
        self.version = importlib.metadata.version("coursekeep")
        self.observation = Observation(settings, self.version)
        self.name = name or f"{socket.gethostname()}-{os.getpid()}"
        self._concurrency = concurrency or settings.engine.concurrency
        self._registry = registry
        self._patience = patience or Patience()
        self._limits = limits or Limits(at_once=settings.engine.files_at_once, largest=settings.archive.max_file_size)
        self._retry = retry
        self._rhythm = rhythm or Rhythm()
        self._store_patience = store_patience
        self._finished = finished
        self._stack: AsyncExitStack | None = None

    async def start(self) -> None:
        """Start everything, and take courses. A failure stops what had started.

        Raises `SettingsError`, `StoreError` and `PackageError` with what is wrong, where, and what to do.
        """
        require_queue(self.settings)
        self._password = store_password(self.settings)
        self._connection = Store.driver_arguments(self.settings.store.url, password=self._password)
        async with AsyncExitStack() as stack:
            self.registry = self._registry or Registry(disabled=self.settings.daemon.disabled_plugins)
            await self.observation.start(stack)
            self._lmses, unusable = await open_integrations(
                self.settings, self.registry, stack, retry=self._retry, opened=self.observation.client_opened
            )
            await self._start_store(stack)
            await asyncio.to_thread(self._open_archive)
            await self._start_holds(stack, unusable)
            await self._start_taking(stack)
            self._stack = stack.pop_all()
        log.info("worker_started", worker=self.name, concurrency=self._concurrency, integrations=sorted(self._lmses))

    async def stop(self) -> None:
        """Take no more, finish what is in flight within the shutdown time-out, and give back the rest."""
        if self._stack is not None:
            stack, self._stack = self._stack, None
            await stack.aclose()
            log.info("worker_stopped", worker=self.name)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.stop()

    @property
    def busy(self) -> int:
        """Return how many courses are being archived now."""
        return self._taking.busy if self._stack is not None else 0

    async def _start_store(self, stack: AsyncExitStack) -> None:
        """Open the store, and take a share of what each LMS bears."""
        self.store = Store(
            self.settings.store.url,
            password=self._password,
            sharing=Sharing.MANY,
            queue=True,
            observer=self.observation.metrics.store_observer(),
        )
        stack.push_async_callback(self.store.stop)
        await self.store.start()
        await stack.enter_async_context(Budgets(self.settings.store.url, self._lmses, password=self._password))

    async def _start_holds(self, stack: AsyncExitStack, unusable: Mapping[str, str]) -> None:
        """Know what holds work back, and follow what others find out about it."""
        self.holds = Holds(self.store, self._lmses, _now)
        self.observation.watch_worker(self.store, self.holds, in_flight=lambda: self.busy)
        for name, reason in unusable.items():
            self.holds.unusable(name, reason)
        stack.push_async_callback(self.holds.stop)
        following = Following(self.store, self.holds)
        stack.push_async_callback(following.stop)
        await following.start()

    async def _start_taking(self, stack: AsyncExitStack) -> None:
        """Take courses: from here on the leader knows of this worker."""
        jobs = Jobs(self._connection)
        hooks = Hooks(self.registry)
        stack.push_async_callback(hooks.stop, self.settings.daemon.shutdown_timeout * _HOOKS_AT_STOP)
        await hooks.start()
        self._taking = Taking(
            store=self.store,
            jobs=jobs,
            workbench=self._workbench(hooks),
            lmses=self._lmses,
            holds=self.holds,
            storage=OwnStorage(self.archive.check_writable, self.settings.archive.min_free, self._patience),
            worker=self._row(sorted(self._lmses)),
            rhythm=self._rhythm,
            plugin_troubles=self.registry.troubles,
        )
        await jobs.open()
        stack.push_async_callback(jobs.close)
        stack.push_async_callback(self._taking.stop, self.settings.daemon.shutdown_timeout)
        await self._taking.start()

    def _workbench(self, hooks: Hooks) -> Workbench:
        # it reports what it meets; the daemon that leads asks whether that is over
        watch = Watch(self.holds, self.archive.check_writable, self.settings.archive.min_free, self._patience)
        planner = Planner(self.store, self.archive, self.registry, _now)
        return Workbench(
            store=self.store,
            archiver=Archiver(self.archive, watch, self._rules(), _now, planner.find, self.observation.tracing),
            hooks=hooks,
            finished=self._finished or self.observation.metrics.course_done,
            store_patience=self._store_patience,
            tracing=self.observation.tracing,
        )

    def _open_archive(self) -> None:
        """Open the archive, which the daemon has made: a worker on a machine where it is not mounted makes no other."""
        self.archive = open_archive(self.settings)
        if not self.archive.exists:
            raise StorageUnavailable(
                f"There is no archive at {self.archive.address}: mount its disk here, or correct archive.url. The "
                "daemon makes a new one at its first start; a worker never does."
            )

    def _rules(self) -> Rules:
        return Rules(
            organization=self.settings.archive.organization,
            software=f"Coursekeep/{self.version}",
            max_attempts=self.settings.engine.max_attempts,
            limits=self._limits,
            patience=self._patience,
        )

    def _row(self, integrations: list[str]) -> Worker:
        now = _now()
        return Worker(
            id=uuid.uuid4().hex,
            name=self.name,
            host=socket.gethostname(),
            pid=os.getpid(),
            concurrency=self._concurrency,
            version=self.version,
            integrations=integrations,
            started_at=now,
            seen_at=now,
            draining=False,
        )


def require_queue(settings: Settings) -> None:
    """Raise `SettingsError` where the settings have no queue that workers could take courses from."""
    if settings.engine.kind != "procrastinate":
        raise settings.origin.error(
            ("engine", "kind"),
            'the daemon archives the courses itself: workers need `kind = "procrastinate"` in [engine], and the store '
            "in PostgreSQL",
        )


def _now() -> datetime:
    return datetime.now(UTC)
