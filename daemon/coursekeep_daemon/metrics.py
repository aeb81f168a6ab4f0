"""Numbers for Prometheus, in a registry of our own: counted where things happen, or asked for at every reading."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.metrics import MetricWrapperBase
from prometheus_client.registry import Collector

from coursekeep import Asked, Governor, Observer
from coursekeep_daemon.fixity.metrics import FixityMetrics
from coursekeep_daemon.metrics_catalogue import CATALOGUE, MetricKind, MetricSpec
from coursekeep_daemon.store import Item, ItemResult, StoreObserver

__all__ = ["Metrics"]

M = TypeVar("M", bound=MetricWrapperBase)


class Metrics:
    """What a process counts since its start, and how it stands."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        self._made: dict[str, MetricWrapperBase] = {}
        for spec in CATALOGUE:
            if not spec.shared and not spec.name.startswith("process_"):
                self._made[spec.name] = _make(spec, self.registry)
        self._gauge("coursekeep_info").labels(version).set(1)
        self._gauge("coursekeep_store_up").set(0)

    def watch(self, in_flight: Callable[[], int], storage_held: Callable[[], bool]) -> None:
        """Have the work and the storage asked at every reading."""
        self._gauge("coursekeep_courses_in_flight").set_function(in_flight)
        self._gauge("coursekeep_storage_held").set_function(storage_held)

    def watch_integration(self, name: str, held: Callable[[], bool]) -> None:
        """Have an integration asked at every reading whether trouble holds it."""
        self._gauge("coursekeep_integration_held").labels(name).set_function(held)

    def watch_governor(self, name: str, governor: Governor) -> None:
        """Have it asked at every reading how many requests an LMS is asked at once."""
        self._gauge("coursekeep_lms_requests_in_flight").labels(name).set_function(lambda: governor.in_flight)
        self._gauge("coursekeep_lms_requests_allowed").labels(name).set_function(lambda: governor.limit)

    def watch_leading(self, leads: Callable[[], bool]) -> None:
        """Have the daemon asked at every reading whether it leads."""
        self._gauge("coursekeep_leads").set_function(leads)

    def watch_writer(self, waiting: Callable[[], int]) -> None:
        """Have the store asked at every reading how many changes wait."""
        self._gauge("coursekeep_store_changes_waiting").set_function(waiting)

    def add(self, collector: Collector) -> None:
        """Have something else asked at every reading, which knows names of the catalogue."""
        self.registry.register(collector)

    def remove(self, collector: Collector) -> None:
        """Ask what was added no more; the same names may then be added again."""
        with contextlib.suppress(KeyError):
            self.registry.unregister(collector)

    def plugins(self, states: Mapping[str, int]) -> None:
        """Note how many plugins are in each state."""
        for state, count in states.items():
            self._gauge("coursekeep_plugins").labels(state).set(count)

    def store_read(self, up: bool) -> None:
        """Note whether the store could be read."""
        self._gauge("coursekeep_store_up").set(int(up))

    def watch_replica(self, address: str, away: Callable[[], bool]) -> None:
        """Have a replica asked at every reading whether it is away."""
        self._gauge("coursekeep_replica_away").labels(address).set_function(away)

    def course_done(self, item: Item, result: ItemResult) -> None:
        """Count an item that an attempt has ended."""
        self._counter("coursekeep_courses_total").labels(item.integration, item.status.value).inc()
        self._counter("coursekeep_course_retries_total").labels(item.integration).inc(max(0, item.attempts - 1))
        self._counter("coursekeep_gaps_total").labels(item.integration).inc(item.gaps)
        if result.version is not None:
            self._counter("coursekeep_payload_bytes_total").labels(item.integration).inc(result.version.payload_bytes)
        if item.started_at and item.finished_at:
            seconds = (item.finished_at - item.started_at).total_seconds()
            self._histogram("coursekeep_course_seconds").labels(item.integration).observe(seconds)

    def notified(self, target: str, result: str) -> None:
        """Count an attempt to deliver a notification."""
        self._counter("coursekeep_notification_deliveries_total").labels(target, result).inc()

    def run_requested(self, integration: str) -> None:
        """Count a run."""
        self._counter("coursekeep_runs_requested_total").labels(integration).inc()

    def lms_observer(self, name: str) -> Observer:
        """Return what counts the requests of an integration's client."""
        return _LmsObserver(
            seconds=self._histogram("coursekeep_lms_request_seconds").labels(name),
            answers={each: self._counter("coursekeep_lms_answers_total").labels(name, each) for each in _CLASSES},
            throttled=self._counter("coursekeep_lms_throttled_total").labels(name),
            retries=self._counter("coursekeep_lms_retries_total").labels(name),
            received=self._counter("coursekeep_lms_received_bytes_total").labels(name),
        )

    def store_observer(self) -> StoreObserver:
        """Return what measures the work of the store."""
        return _StoreObserver(
            changes=self._histogram("coursekeep_store_batch_changes"),
            commit=self._histogram("coursekeep_store_commit_seconds"),
            read=self._histogram("coursekeep_store_read_seconds"),
        )

    def fixity(self) -> FixityMetrics:
        """Return what counts the checks of stored packages."""
        return FixityMetrics(
            packages=self._gauge("coursekeep_fixity_packages"),
            findings=self._gauge("coursekeep_fixity_findings"),
            oldest=self._gauge("coursekeep_fixity_oldest_seconds"),
            checks=self._counter("coursekeep_fixity_checks_total"),
            size=self._counter("coursekeep_fixity_bytes_total"),
            repairs=self._counter("coursekeep_fixity_repairs_total"),
        )

    def render(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self.registry)

    def _counter(self, name: str) -> Counter:
        return self._of(name, Counter)

    def _gauge(self, name: str) -> Gauge:
        return self._of(name, Gauge)

    def _histogram(self, name: str) -> Histogram:
        return self._of(name, Histogram)

    def _of(self, name: str, kind: type[M]) -> M:
        found = self._made[name]
        assert isinstance(found, kind)
        return found


def _make(spec: MetricSpec, registry: CollectorRegistry) -> MetricWrapperBase:
    match spec.kind:
        case MetricKind.COUNTER:
            return Counter(spec.name, spec.help, spec.labels, registry=registry)
        case MetricKind.GAUGE:
            return Gauge(spec.name, spec.help, spec.labels, registry=registry)
        case MetricKind.HISTOGRAM:
            return Histogram(spec.name, spec.help, spec.labels, buckets=spec.buckets, registry=registry)


_CLASSES = ("2xx", "3xx", "4xx", "5xx", "none")


class _LmsObserver(Observer):
    def __init__(
        self,
        *,
        seconds: Histogram,
        answers: Mapping[str, Counter],
        throttled: Counter,
        retries: Counter,
        received: Counter,
    ) -> None:
        self._seconds = seconds
        self._answers = answers
        self._throttled = throttled
        self._retries = retries
        self._received = received

    def asked(self, request: Asked) -> None:
        self._seconds.observe(request.seconds)
        self._answers[_class_of(request.status)].inc()

    def received(self, size: int) -> None:
        self._received.inc(size)

    def throttled(self) -> None:
        self._throttled.inc()

    def retried(self) -> None:
        self._retries.inc()


def _class_of(status: int | None) -> str:
    found = "none" if status is None else f"{status // 100}xx"
    return found if found in _CLASSES else "none"


class _StoreObserver(StoreObserver):
    def __init__(self, *, changes: Histogram, commit: Histogram, read: Histogram) -> None:
        self._changes = changes
        self._commit = commit
        self._read = read

    def committed(self, changes: int, seconds: float) -> None:
        self._changes.observe(changes)
        self._commit.observe(seconds)

    def read(self, seconds: float) -> None:
        self._read.observe(seconds)
