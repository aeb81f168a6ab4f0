"""Numbers for Prometheus: a dozen stable names, in a registry of our own."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from coursekeep_daemon.store import Item, ItemResult

__all__ = ["Metrics"]


class Metrics:
    """What the daemon counts since its start, and how it stands."""

    def __init__(self, version: str) -> None:
        self._registry = registry = CollectorRegistry()
        Info("coursekeep", "Version of the daemon.", registry=registry).info({"version": version})
        self._courses = Counter(
            "coursekeep_courses", "Courses by what became of them.", ["integration", "status"], registry=registry
        )
        self._gaps = Counter("coursekeep_gaps", "Gaps of completed courses.", ["integration"], registry=registry)
        self._bytes = Counter(
            "coursekeep_payload_bytes", "Payload of new package versions.", ["integration"], registry=registry
        )
        self._seconds = Histogram(
            "coursekeep_course_seconds",
            "Duration of attempts that ended a course.",
            ["integration"],
            buckets=(1, 5, 15, 60, 300, 900, 3600, 14400),
            registry=registry,
        )
        self._runs = Counter("coursekeep_runs_requested", "Runs requested.", ["integration"], registry=registry)
        self._in_flight = Gauge("coursekeep_courses_in_flight", "Courses being archived now.", registry=registry)
        self._storage_held = Gauge("coursekeep_storage_held", "1 while storage holds the work.", registry=registry)
        self._held = Gauge(
            "coursekeep_integration_held", "1 while trouble holds an integration.", ["integration"], registry=registry
        )
        self._replica_away = Gauge(
            "coursekeep_replica_away", "1 while nothing can be copied to a replica.", ["replica"], registry=registry
        )
        self._notifications = Counter(
            "coursekeep_notification_deliveries",
            "Attempts to deliver a notification: delivered, failed, given_up.",
            ["target", "result"],
            registry=registry,
        )
        self.plugins = Gauge("coursekeep_plugins", "Plugins by state.", ["state"], registry=registry)

    def watch(self, in_flight: Callable[[], int], storage_held: Callable[[], bool]) -> None:
        """Have the work and the storage asked at every reading."""
        self._in_flight.set_function(in_flight)
        self._storage_held.set_function(storage_held)

    def watch_integration(self, name: str, held: Callable[[], bool]) -> None:
        """Have an integration asked at every reading whether trouble holds it."""
        self._held.labels(name).set_function(held)

    def watch_replica(self, address: str, away: Callable[[], bool]) -> None:
        """Have a replica asked at every reading whether it is away."""
        self._replica_away.labels(address).set_function(away)

    def course_done(self, item: Item, result: ItemResult) -> None:
        """Count an item that an attempt has ended."""
        self._courses.labels(item.integration, item.status.value).inc()
        self._gaps.labels(item.integration).inc(item.gaps)
        if result.version is not None:
            self._bytes.labels(item.integration).inc(result.version.payload_bytes)
        if item.started_at and item.finished_at:
            self._seconds.labels(item.integration).observe((item.finished_at - item.started_at).total_seconds())

    def notified(self, target: str, result: str) -> None:
        """Count an attempt to deliver a notification."""
        self._notifications.labels(target, result).inc()

    def run_requested(self, integration: str) -> None:
        """Count a run."""
        self._runs.labels(integration).inc()

    def render(self) -> bytes:
        """Return everything in Prometheus's text format."""
        return generate_latest(self._registry)
