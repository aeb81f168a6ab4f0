"""Numbers of fixity for Prometheus."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge

from coursekeep_daemon.fixity.records import FixityCounts

__all__ = ["FixityMetrics"]


class FixityMetrics:
    """What the fixity service counts, and how the packages stand. Gauges are of the daemon that leads."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._packages = Gauge(
            "coursekeep_fixity_packages",
            "Packages: all, verified within the period, unverified (never), overdue.",
            ["state"],
            registry=registry,
        )
        self._findings = Gauge(
            "coursekeep_fixity_findings",
            "Packages that are not as written: open, accepted.",
            ["state"],
            registry=registry,
        )
        self._oldest = Gauge(
            "coursekeep_fixity_oldest_seconds",
            "Age of the oldest verification, or of a package that was never verified.",
            registry=registry,
        )
        self._checks = Counter(
            "coursekeep_fixity_checks",
            "Checks: valid, damaged, missing, unreadable (tried again), busy (tried again).",
            ["result"],
            registry=registry,
        )
        self._bytes = Counter("coursekeep_fixity_bytes", "Bytes read and hashed by the service.", registry=registry)
        self._repairs = Counter("coursekeep_fixity_repairs", "Repairs: done, failed.", ["result"], registry=registry)

    def stands(self, counts: FixityCounts) -> None:
        """Take over how the packages stand."""
        numbers = {
            "all": counts.packages,
            "verified": counts.verified,
            "unverified": counts.unverified,
            "overdue": counts.overdue,
        }
        for state, number in numbers.items():
            self._packages.labels(state).set(number)
        self._findings.labels("open").set(counts.open)
        self._findings.labels("accepted").set(counts.accepted)
        oldest = counts.oldest_at
        self._oldest.set(0 if oldest is None else max((counts.at - oldest).total_seconds(), 0))

    def checked(self, result: str) -> None:
        """Count a check."""
        self._checks.labels(result).inc()

    def read(self, size: int) -> None:
        """Count bytes."""
        self._bytes.inc(size)

    def repaired(self, done: bool) -> None:
        """Count a repair."""
        self._repairs.labels("done" if done else "failed").inc()
