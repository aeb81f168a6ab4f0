"""Everything by which a process is observed, in one place: what counts, what is asked at a reading, what traces."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime

from coursekeep import LmsClient
from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.metrics_server import serve_metrics
from coursekeep_daemon.metrics_state import StateMetrics
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.store import Store, StoreError
from coursekeep_daemon.tracing import Tracing, both, open_tracing

__all__ = ["Observation"]


#: seconds that the store of a worker gets to answer
_PATIENCE = 2.0


class Observation:
    """Observes one process, a daemon or a worker. It is there before the other parts, which tell it what they do."""

    def __init__(self, settings: Settings, version: str) -> None:
        self._settings = settings
        self._version = version
        self.metrics = Metrics(version)
        self.tracing = Tracing()
        self._state: StateMetrics | None = None
        self._store: Store | None = None

    async def start(self, stack: AsyncExitStack) -> None:
        """Open what traces, and the endpoint for metrics where the settings name one; `stack` closes both.

        Raises `SettingsError`.
        """
        self.tracing = open_tracing(self._settings, self._version)
        stack.push_async_callback(self.tracing.stop)
        telemetry = self._settings.telemetry
        if telemetry.metrics_port is not None:
            serving = serve_metrics(telemetry.metrics_host, telemetry.metrics_port, self.metrics, refresh=self._refresh)
            await stack.enter_async_context(serving)

    def client_opened(self, name: str, client: LmsClient) -> None:
        """Observe the client of an integration."""
        client.observe(both([self.metrics.lms_observer(name), self.tracing.lms_observer(name)]))
        self.metrics.watch_governor(name, client.governor)

    def watch_state(
        self,
        stack: AsyncExitStack,
        store: Store,
        holds: Holds,
        expiry: Expiry,
        space: Callable[[], Awaitable[tuple[int, int]]],
        clock: Callable[[], datetime],
    ) -> None:
        """Have it asked how the work stands, from now on: a daemon does, a worker need not."""
        needs_workers = self._settings.engine.kind != "local"
        self._state = StateMetrics(self.metrics, store, holds, expiry, space, clock=clock, needs_workers=needs_workers)
        stack.push_async_callback(self._state.stop)

    def watch_worker(self, store: Store, holds: Holds, *, in_flight: Callable[[], int]) -> None:
        """Have it asked what a worker has in flight; whether its store answers is seen by a small read."""
        self.metrics.watch_writer(lambda: store.changes_waiting)
        self.metrics.watch(in_flight, lambda: holds.storage is not None)
        self._store = store

    async def scrape(self) -> bytes:
        """Return all metrics in Prometheus's text format; what the store says is a few seconds old at most."""
        await self._refresh()
        return self.metrics.render()

    async def _refresh(self) -> None:
        if self._state is not None:
            await self._state.refresh()
        elif self._store is not None:
            self.metrics.store_read(up=await _answers(self._store))


async def _answers(store: Store) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            await store.answers()
    except (StoreError, TimeoutError):
        return False
    return True
