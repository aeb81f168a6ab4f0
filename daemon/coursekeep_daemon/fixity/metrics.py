"""Numbers of fixity for Prometheus."""

from __future__ import annotations

from prometheus_client import Counter, Gauge

from coursekeep_daemon.fixity.records import FixityCounts

__all__ = ["FixityMetrics"]


class FixityMetrics:
    """What the fixity service counts, and how the packages stand. Gauges are of the daemon that leads."""

    def __init__(
        self, *, packages: Gauge, findings: Gauge, oldest: Gauge, checks: Counter, size: Counter, repairs: Counter
    ) -> None:
        self._packages = packages
        self._findings = findings
        self._oldest = oldest
        self._checks = checks
        self._bytes = size
        self._repairs = repairs

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
