"""The service: builds what every daemon has, and what API and commands call. The one place where parts meet.

What only one daemon of a database does is in `leader.py`: a daemon that is alone always leads; of several, the one that
`leadership.py` finds.
"""

from __future__ import annotations

import asyncio
import functools
import importlib.metadata
import os
import socket
import uuid
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Self

import structlog

from coursekeep import RetryPolicy
from coursekeep_daemon import replication
from coursekeep_daemon.accounts import Accounts
from coursekeep_daemon.archives import open_archive
from coursekeep_daemon.budget import Budgets
from coursekeep_daemon.calls import Calls
from coursekeep_daemon.control import Control
from coursekeep_daemon.engine import Rhythm
from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.fixity.service import FixityService
from coursekeep_daemon.following import Following
from coursekeep_daemon.integrations import Questions, open_integrations
from coursekeep_daemon.leader import Leader, Parts
from coursekeep_daemon.leadership import Cadence, Leadership
from coursekeep_daemon.lock import DataDirLock
from coursekeep_daemon.notifications.courier import Pace
from coursekeep_daemon.notifications.opening import open_targets
from coursekeep_daemon.notifications.service import Notifications
from coursekeep_daemon.observation import Observation
from coursekeep_daemon.openid import OpenId
from coursekeep_daemon.package import StorageUnavailable
from coursekeep_daemon.readiness import DatabaseCheck
from coursekeep_daemon.registry import PluginRecord, Registry
from coursekeep_daemon.requests import BadRequest, RunRequest
from coursekeep_daemon.rules import declared_schedules, year_ends
from coursekeep_daemon.runs.downloads import Limits
from coursekeep_daemon.runs.holds import Clock, Hold, Holds
from coursekeep_daemon.runs.hooks import Hooks
from coursekeep_daemon.runs.planner import Planner, Preview, PreviewRow
from coursekeep_daemon.runs.watch import Patience
from coursekeep_daemon.schedule import LOOK_AGAIN, Refresh, check_cron, next_slots
from coursekeep_daemon.scheduled import ScheduledRuns
from coursekeep_daemon.secrets import without_credentials
from coursekeep_daemon.settings import Settings, oidc_secret, store_password
from coursekeep_daemon.store import DaemonState, ReplicaState, Sharing, Store
from coursekeep_daemon.system import SystemView

__all__ = ["BadRequest", "Hold", "Preview", "PreviewRow", "RunRequest", "Service"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: share of the time-out at a stop that plugins get to be told the last events
_HOOKS_AT_STOP = 0.1


def _now() -> datetime:
    return datetime.now(UTC)


class Service(Calls):
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
        copies: replication.Pace | None = None,
        cadence: Cadence | None = None,
        look_again: float = LOOK_AGAIN,
        rhythm: Rhythm | None = None,
    ) -> None:
        """Take settings; for tests also a clock, plugins, and waits that are short. Opens nothing yet."""
        self.settings = settings
        self.clock = clock
        self.version = importlib.metadata.version("coursekeep")
        self.observation = Observation(settings, self.version)
        self.metrics = self.observation.metrics
        self._registry = registry
        self._patience = patience or Patience()
        self._retry = retry
        self._pace = pace
        self._copies = copies
        self._cadence = cadence
        self._look_again = look_again
        #: what this daemon runs while it leads; where it does not, what it ran last
        self.leader: Leader | None = None
        self._leadership: Leadership | None = None
        self._rhythm = rhythm
        archive, engine = settings.archive, settings.engine
        self._limits = limits or Limits(at_once=engine.files_at_once, largest=archive.max_file_size)
        self._stack: AsyncExitStack | None = None

    async def start(self) -> None:
        """Start everything, in the order in which the parts need each other. A failure stops what had started.

        Raises `SettingsError`, `StoreError` and `PackageError` with what is wrong, where, and what to do.
        """
        async with AsyncExitStack() as stack:
            self._start_lock(stack)
            self._start_registry()
            await self.observation.start(stack)
            await self._open_integrations(stack)
            self._read_schedules()
            self._targets = await open_targets(self.settings, stack)
            self._oidc_secret = oidc_secret(self.settings)
            self._store_password = store_password(self.settings)
            await self._start_store(stack)
            await self._start_budgets(stack)
            await self._start_archive()
            await self._start_integrations(stack)
            await self._start_calls(stack)
            await self._start_leading(stack)
            self._stack = stack.pop_all()
        log.info("service_started", integrations=sorted(self._lmses), version=self.version, leads=self.leads)

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
        self.metrics.plugins(Counter(plugin.state.value for plugin in self.registry.plugins()))

    async def _start_store(self, stack: AsyncExitStack) -> None:
        """Open the store. A new database is made; an old one is not touched, but refused with what to run."""
        url, password = self.settings.store.url, self._store_password
        if not self._alone and url.startswith("sqlite"):
            reason = 'several daemons and workers need the store in PostgreSQL: set `url` in [store], or kind = "local"'
            raise self.settings.origin.error(("engine", "kind"), reason)
        if await asyncio.to_thread(Store.make, url, password=password):
            log.info("store_created", url=without_credentials(url))
        sharing = Sharing.ALONE if self._alone else Sharing.MANY
        observer = self.metrics.store_observer()
        self.store = Store(
            url, password=password, clock=self.clock, sharing=sharing, queue=not self._alone, observer=observer
        )
        self.metrics.watch_writer(lambda: self.store.changes_waiting)
        stack.push_async_callback(self.store.stop)
        await self.store.start()
        self._database = DatabaseCheck(self.store.answers)
        self.accounts = Accounts(self.store, self.settings.accounts)
        oidc = self.settings.oidc
        self.openid = OpenId(self.store, oidc, self._oidc_secret) if oidc.issuer else None

    async def _start_budgets(self, stack: AsyncExitStack) -> None:
        """Share what each LMS bears with the workers and other daemons, where there may be any."""
        if self.settings.engine.kind == "procrastinate":
            await stack.enter_async_context(
                Budgets(self.settings.store.url, self._lmses, password=self._store_password)
            )

    async def _start_archive(self) -> None:
        self.archive = open_archive(self.settings)
        if not await asyncio.to_thread(lambda: self.archive.exists) and (await self.store.packages(limit=1)).items:
            raise StorageUnavailable(
                f"The store knows packages, but there is no archive at {self.archive.address}. Mount its disk, or "
                "correct archive.url; nothing was written there."
            )
        await asyncio.to_thread(self.archive.prepare)

    async def _open_integrations(self, stack: AsyncExitStack) -> None:
        """Read the settings of all connectors and open these. Nothing is made before: wrong settings change nothing."""
        self._lmses, self._unusable = await open_integrations(
            self.settings, self.registry, stack, retry=self._retry, opened=self.observation.client_opened
        )

    def _read_schedules(self) -> None:
        self._declared = declared_schedules(self.settings, self.clock())
        self._refreshes = self._term_refreshes()

    async def _start_integrations(self, stack: AsyncExitStack) -> None:
        self.holds = Holds(
            self.store, self._lmses, self.clock, needs_workers=self.settings.engine.kind == "procrastinate"
        )
        stack.push_async_callback(self.holds.stop)
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
        self._following = Following(self.store, self.holds)
        stack.push_async_callback(self._following.stop)
        await self._following.start()

    async def _start_calls(self, stack: AsyncExitStack) -> None:
        """Make what API and console call; none of it works by itself."""
        self._hooks = Hooks(self.registry)
        stack.push_async_callback(self._hooks.stop, self.settings.daemon.shutdown_timeout * _HOOKS_AT_STOP)
        await self._hooks.start()
        self._planner = Planner(self.store, self.archive, self.registry, self.clock)
        self.control = Control(
            self.store,
            self.holds,
            integrations=self.settings.integrations,
            started=lambda run: self.metrics.run_requested(run.integration),
            ended=lambda run: self._hooks.tell("run_finished", run=run),
        )
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
        self.fixity = FixityService(
            archive=self.archive,
            store=self.store,
            holds=self.holds,
            clock=self.clock,
            settings=self.settings.fixity,
            metrics=self.metrics.fixity(),
        )
        self._scheduled = ScheduledRuns(
            store=self.store,
            start_run=self._start_scheduled,
            check=self._check_request,
            clock=self.clock,
            ends=year_ends(self.settings),
            time_zone=self.settings.daemon.time_zone,
        )
        self.metrics.watch_leading(lambda: self.leads)
        self.metrics.watch(lambda: self.in_flight, lambda: self.holds.storage is not None)
        for name in self.settings.integrations:
            self.metrics.watch_integration(name, functools.partial(self.holds.troubled, name))
        self.me = DaemonState(
            id=uuid.uuid4().hex,
            host=socket.gethostname(),
            pid=os.getpid(),
            version=self.version,
            started_at=self.clock(),
            seen_at=self.clock(),
            leads_since=None,
        )
        self.system = SystemView(self)
        self.observation.watch_state(stack, self.store, self.holds, self.expiry, self.system.space, self.clock)

    async def _start_leading(self, stack: AsyncExitStack) -> None:
        """Lead, where this daemon is alone; else stand for leader, and begin to serve whoever leads."""
        if self._alone:
            await stack.enter_async_context(self._new_leader())
            return
        self._leadership = Leadership(lambda: self.store.candidate(self.me), self._new_leader, self._cadence)
        stack.push_async_callback(self._leadership.stop)
        await self._leadership.start()

    def _new_leader(self) -> Leader:
        parts = Parts(
            settings=self.settings,
            clock=self.clock,
            version=self.version,
            store=self.store,
            archive=self.archive,
            lmses=self._lmses,
            holds=self.holds,
            hooks=self._hooks,
            planner=self._planner,
            expiry=self.expiry,
            questions=self._questions,
            notifications=self.notifications,
            fixity=self.fixity,
            following=self._following,
            metrics=self.metrics,
            tracing=self.observation.tracing,
            patience=self._patience,
            limits=self._limits,
            copies=self._copies,
            rhythm=self._rhythm,
            store_password=self._store_password,
            declared=self._declared,
            refreshes=self._refreshes,
            fire=self._scheduled.fire,
        )
        self.leader = Leader(parts, look_again=self._look_again)
        return self.leader

    @property
    def _alone(self) -> bool:
        return self.settings.engine.kind == "local"

    @property
    def leads(self) -> bool:
        """Tell whether this daemon leads: hands out courses, starts the runs of schedules, tells operators."""
        return self._stack is not None if self._leadership is None else self._leadership.leads

    @property
    def in_flight(self) -> int:
        """Return how many courses this process is archiving now."""
        return 0 if self.leader is None else self.leader.in_flight

    def _term_refreshes(self) -> dict[str, Refresh]:
        zone = self.settings.daemon.time_zone
        refreshes = {}
        for name in self._lmses:
            cron = self.settings.integrations[name].terms_refresh
            try:
                check_cron(cron, zone)
            except ValueError as error:
                raise self.settings.origin.error(("integrations", name, "terms_refresh"), str(error)) from None
            refreshes[name] = Refresh(cron=cron, time_zone=zone)
        return refreshes

    # What callers ask for; the rest is in `calls.py` and `schedule_calls.py`

    async def ready(self) -> tuple[bool, dict[str, str]]:
        """Tell whether the daemon can work, and why not. Answers within some seconds, whatever the database does."""
        if self._stack is None:
            return False, {"service": "it is starting or stopping"}
        reasons = {"database": await self._database()}
        if (storage := self.holds.storage) is not None:
            reasons["storage"] = storage.reason
        reasons = {part: reason for part, reason in reasons.items() if reason}
        return not reasons, reasons

    async def daemons(self) -> Sequence[DaemonState]:
        """Return the daemons on this database, this one among them, and which of them leads."""
        return [self.me] if self._alone else await self.store.daemons()

    async def plugins(self) -> Sequence[PluginRecord]:
        """Return the plugins, with what went wrong in each: in this process, or else in a worker."""
        found = self.registry.plugins()
        if self._alone:
            return found
        elsewhere = {
            key: f"in the worker {worker.name}: {reason}"
            for worker in await self.store.workers()
            for key, reason in worker.plugin_troubles.items()
        }
        return [each if each.reason else replace(each, reason=elsewhere.get(each.key, "")) for each in found]

    async def replicas(self) -> Sequence[ReplicaState]:
        """Return how the replicas stand, as whoever leads has noted it last."""
        if not self.archive.replicas:
            return []
        known = {each.address: each for each in await self.store.replicas()}
        addresses = [without_credentials(each.address) for each in self.archive.replicas]
        return [known.get(address, ReplicaState(address=address)) for address in addresses]

    def next_refresh(self, integration: str) -> datetime | None:
        """Return when the terms of an integration are read next; None where they never are."""
        rule = self._refreshes.get(integration)
        return None if rule is None else next(iter(next_slots(rule.cron, rule.time_zone, self.clock())), None)
