"""How fixity stands: for the page, the API, the metrics, and the service itself. Read from the store, on any daemon."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from coursekeep_daemon.fixity.records import FixityCounts
from coursekeep_daemon.runs.holds import Clock, Holds
from coursekeep_daemon.settings import FixitySettings
from coursekeep_daemon.spans import before
from coursekeep_daemon.store import Store

__all__ = ["GOOD_FOR", "FixityState", "FixityView"]

#: the part of the period in which all packages are read, so that the rest is left for a daemon that was down
_PART = 0.9

#: how many times longer than a count took its numbers are good: counting takes a twentieth of a reader at most
GOOD_FOR = 20.0
#: seconds, at most
_LONGEST = 300.0


@dataclass(frozen=True, kw_only=True, slots=True)
class FixityState:
    """How fixity stands."""

    enabled: bool
    #: the span of the settings
    every: str
    #: bytes per second; None without a limit
    max_rate: int | None
    counts: FixityCounts
    #: between two checks, as long as nothing is overdue; None where nothing is to be checked
    interval: timedelta | None
    #: when the next check is due; None where none is
    next_at: datetime | None
    #: why nothing is checked now; empty where nothing is in the way
    held: str = ""


class FixityView:
    """Counts the packages, and says when the next check is due."""

    def __init__(
        self, store: Store, holds: Holds, settings: FixitySettings, clock: Clock, *, good_for: float = GOOD_FOR
    ) -> None:
        self._store = store
        self._holds = holds
        self._settings = settings
        self._clock = clock
        self._good_for = good_for
        self._counts: FixityCounts | None = None
        self._good_until = 0.0

    @property
    def enabled(self) -> bool:
        """Tell whether packages are verified by themselves."""
        return self._settings.every != "off"

    async def __call__(self) -> FixityState:
        """Return how fixity stands. Reads the store, at most a twentieth of the time."""
        counts = await self.counts()
        interval = self.interval(counts) if self.enabled else None
        held = self._holds.storage
        return FixityState(
            enabled=self.enabled,
            every=self._settings.every,
            max_rate=self._settings.max_rate or None,
            counts=counts,
            interval=interval,
            next_at=None if interval is None else self._next_at(counts, interval),
            held="" if held is None else held.reason,
        )

    async def counts(self) -> FixityCounts:
        """Count the packages, or return the last count while that is good; findings are as they are now."""
        began = time.monotonic()
        if self._counts is None or began >= self._good_until:
            now = self._clock()
            self._counts = await self._store.fixity_counts(before(now, self._settings.every) if self.enabled else now)
            ended = time.monotonic()
            self._good_until = ended + min(self._good_for * (ended - began), _LONGEST)
            return self._counts
        return replace(self._counts, findings=await self._store.finding_counts())

    def due_within(self) -> timedelta:
        """Return how long after its verification a package is to be verified again: a part of the period."""
        now = self._clock()
        return (now - before(now, self._settings.every)) * _PART

    def interval(self, counts: FixityCounts) -> timedelta | None:
        """Return the time between two checks that spreads all packages evenly; None where there are none."""
        return self.due_within() / counts.packages if counts.packages else None

    def _next_at(self, counts: FixityCounts, interval: timedelta) -> datetime:
        now = self._clock()
        if counts.last_verified_at is None or counts.overdue:
            return now
        return max(now, counts.last_verified_at + interval)
