"""How the work stands, for Prometheus: read from the store at most every few seconds, however often it is asked for.

A reading that fails or takes too long leaves its numbers out, and `coursekeep_store_up` says 0: an old number that
looks like a new one would be worse than none.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

import structlog
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.metrics_catalogue import CATALOGUE, WaitReason
from coursekeep_daemon.package import PackageError
from coursekeep_daemon.runs.holds import Hold, HoldLevel, Holds
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.schedule import next_slots
from coursekeep_daemon.store import Run, Schedule, Store, StoreError, Worker, WorkState

__all__ = ["StateMetrics"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: labels in the order of the catalogue, and a number
_Rows = list[tuple[tuple[str, ...], float]]
_Samples = dict[str, _Rows]


@dataclass(frozen=True, kw_only=True, slots=True)
class _State:
    read_at: float
    samples: Mapping[str, _Rows] = field(default_factory=dict)


class StateMetrics(Collector):
    """Reads how the work stands when it is asked to, and shows what it has read."""

    def __init__(
        self,
        metrics: Metrics,
        store: Store,
        holds: Holds,
        expiry: Expiry,
        space: Callable[[], Awaitable[tuple[int, int]]],
        *,
        clock: Callable[[], datetime],
        needs_workers: bool = False,
        max_age: float = 5.0,
        patience: float = 2.0,
    ) -> None:
        """Take what is asked; numbers are `max_age` seconds old at most, and a reading gets `patience` seconds.

        `needs_workers` says that nobody but worker processes archives courses.
        """
        self._needs_workers = needs_workers
        self._metrics = metrics
        self._store = store
        self._holds = holds
        self._expiry = expiry
        self._space = space
        self._clock = clock
        self._max_age = max_age
        self._patience = patience
        self._state = _State(read_at=float("-inf"))
        self._reading: asyncio.Task[None] | None = None
        metrics.add(self)

    async def refresh(self) -> None:
        """Read anew where the numbers are old. Raises nothing; of many callers at once, one reads."""
        if time.monotonic() - self._state.read_at < self._max_age:
            return
        if self._reading is None or self._reading.done():
            self._reading = asyncio.create_task(self._read(), name="read metrics")
        done, _ = await asyncio.wait({self._reading}, timeout=self._patience)
        if not done:
            self._unread()

    async def stop(self) -> None:
        """Show nothing more, and break off a reading. Harmless where there is none."""
        self._metrics.remove(self)  # a daemon that is started again has new parts to ask
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})

    def describe(self) -> Iterable[GaugeMetricFamily]:
        """Name the metrics without reading anything."""
        return [GaugeMetricFamily(spec.name, spec.help, labels=spec.labels) for spec in CATALOGUE if spec.shared]

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Give the numbers of the last reading; none where it failed."""
        samples = self._state.samples
        for spec in CATALOGUE:
            if spec.shared:
                family = GaugeMetricFamily(spec.name, spec.help, labels=spec.labels)
                for labels, value in samples.get(spec.name, ()):
                    family.add_metric(labels, value)
                yield family

    async def _read(self) -> None:
        try:
            state, schedules = await self._store.work_state(), await self._store.schedules()
            workers = await self._store.workers()
        except StoreError as error:
            log.warning("metrics_without_store", reason=str(error))
            self._unread()
            return
        idle = self._needs_workers and all(one.draining for one in workers)
        samples = _of_runs(state, self._holds, idle=idle)
        samples["coursekeep_notifications_pending"] = [((name,), n) for name, n in state.deliveries.items()]
        samples |= _of_schedules(schedules, self._clock())
        samples |= _of_workers(workers)
        samples["coursekeep_credentials_end_timestamp_seconds"] = [
            ((name,), end.at.timestamp()) for name, end in self._expiry.all().items()
        ]
        samples |= await self._of_archive()
        self._state = _State(read_at=time.monotonic(), samples=samples)
        self._metrics.store_read(up=True)

    async def _of_archive(self) -> _Samples:
        try:
            free, size = await self._space()
        except (PackageError, TimeoutError):
            return {}
        found = {"coursekeep_archive_free_bytes": free, "coursekeep_archive_size_bytes": size}
        return {name: [((), float(value))] for name, value in found.items() if value is not None}

    def _unread(self) -> None:
        self._metrics.store_read(up=False)
        self._state = _State(read_at=float("-inf"))


def _of_runs(state: WorkState, holds: Holds, *, idle: bool) -> _Samples:
    """Count what waits, and why; `idle` says that there is nobody to do it."""
    items: Counter[tuple[str, ...]] = Counter()
    runs: Counter[tuple[str, ...]] = Counter()
    waiting_items: Counter[tuple[str, ...]] = Counter()
    waiting_runs: Counter[tuple[str, ...]] = Counter()
    oldest: dict[tuple[str, ...], float] = {}
    for run in state.open_runs:
        name, queued = run.integration, run.counts[ItemStatus.QUEUED]
        runs[name, run.status.value] += 1
        items[name, "queued"] += queued
        items[name, "processing"] += run.counts[ItemStatus.PROCESSING]
        if not queued:
            continue
        hold = holds.hold(run)
        reason = WaitReason.WORKERS.value if hold is None and idle else _reason(hold, run, holds)
        waiting_runs[name, reason] += 1
        if reason != WaitReason.TURN:
            waiting_items[name, reason] += queued
            continue
        later = min(state.postponed.get(run.id, 0), queued)
        waiting_items[name, WaitReason.NOT_DUE.value] += later
        waiting_items[name, WaitReason.TURN.value] += queued - later
        if since := state.waiting_since.get(run.id):
            seconds = max(0.0, (state.at - since).total_seconds())
            oldest[name,] = max(seconds, oldest.get((name,), 0.0))
    return {
        "coursekeep_queue_items": list(items.items()),
        "coursekeep_open_runs": list(runs.items()),
        "coursekeep_waiting_items": list(waiting_items.items()),
        "coursekeep_waiting_runs": list(waiting_runs.items()),
        "coursekeep_queue_oldest_seconds": list(oldest.items()),
    }


def _reason(hold: Hold | None, run: Run, holds: Holds) -> str:
    if hold is None:
        return WaitReason.TURN.value
    if holds.pauses(run.integration, run):
        return WaitReason.PAUSED.value
    return WaitReason.UNUSABLE.value if hold.level is HoldLevel.INTEGRATION else hold.level.value


def _of_workers(workers: Iterable[Worker]) -> _Samples:
    found = list(workers)
    draining = sum(one.draining for one in found)
    return {
        "coursekeep_workers": [(("working",), float(len(found) - draining)), (("draining",), float(draining))],
        "coursekeep_worker_slots": [((), float(sum(one.concurrency for one in found if not one.draining)))],
        "coursekeep_worker_slots_busy": [((), float(sum(one.busy for one in found)))],
    }


def _of_schedules(schedules: Iterable[Schedule], now: datetime) -> _Samples:
    last: _Rows = []
    late: _Rows = []
    failed: _Rows = []
    for one in schedules:
        if not one.enabled:
            continue
        since = one.last_fired_at or one.created_at
        try:
            missed = next_slots(one.cron, one.time_zone, since)
        except ValueError:  # a rule of an older release that is no rule any more
            missed = []
        passed = (now - missed[0]).total_seconds() if missed else 0.0
        late.append(((one.name,), max(0.0, passed)))
        failed.append(((one.name,), float(one.last_error is not None)))
        if one.last_fired_at is not None:
            last.append(((one.name,), one.last_fired_at.timestamp()))
    return {
        "coursekeep_schedule_last_slot_timestamp_seconds": last,
        "coursekeep_schedule_late_seconds": late,
        "coursekeep_schedule_failed": failed,
    }
