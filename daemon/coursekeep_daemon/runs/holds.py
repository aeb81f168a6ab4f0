"""What holds work back: pauses, credentials, storage, an LMS that is down. One place knows, all else asks it.

All of it lives in the store, so that every process knows it, and is read again every few seconds and after each change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

import structlog

from coursekeep_daemon.runs.lms import Lms, Lmses
from coursekeep_daemon.runs.states import FINAL_RUN
from coursekeep_daemon.runs.troubles import Troubles
from coursekeep_daemon.store import PauseLevel, Run, Store, Trouble, TroubleKind

__all__ = ["Clock", "Hold", "HoldLevel", "Holds"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

Clock = Callable[[], datetime]


class HoldLevel(StrEnum):
    """What kind of thing holds."""

    ALL = "all"
    INTEGRATION = "integration"
    RUN = "run"
    CREDENTIALS = "credentials"
    STORAGE = "storage"
    LMS = "lms"
    WORKERS = "workers"


@dataclass(frozen=True, kw_only=True, slots=True)
class Hold:
    """What holds a run, since when, and why, for people."""

    level: HoldLevel
    since: datetime
    reason: str


class Holds:
    """Knows what holds each run."""

    def __init__(self, store: Store, lmses: Lmses, clock: Clock, *, needs_workers: bool = False) -> None:
        """Take what is needed; `needs_workers` where courses are archived by other processes than the daemon."""
        self._store = store
        self._needs_workers = needs_workers
        self._no_worker: Hold | None = None
        self._served: frozenset[str] = frozenset()
        self._lmses = lmses
        self._clock = clock
        self._born = clock()
        self._pauses: dict[tuple[str, str], Hold] = {}
        self._halts: dict[str, Hold] = {}
        self._unusable: dict[str, Hold] = {}
        self._troubles = Troubles(store, clock)
        self._listeners: list[Callable[[], None]] = []
        self._refreshing = asyncio.Lock()

    def listen(self, listener: Callable[[], None]) -> None:
        """Have a function called whenever something may have been released."""
        self._listeners.append(listener)

    def unlisten(self, listener: Callable[[], None]) -> None:
        """Call a function no more."""
        self._listeners = [each for each in self._listeners if each != listener]

    async def stop(self) -> None:
        """Write nothing more to the store."""
        await self._troubles.stop()

    def hold(self, run: Run) -> Hold | None:
        """Return what holds a run: the widest pause first, then what is in its way. None where nothing does."""
        if run.status in FINAL_RUN:
            return None
        name = run.integration
        pauses = self.pauses(name, run)
        return (
            (pauses[0] if pauses else None)
            or self.missing(name)
            or self._halts.get(name)
            or self.storage
            or _hold(self._troubles.of(TroubleKind.LMS, name))
            or self._worker_missing(name)
        )

    def _worker_missing(self, name: str) -> Hold | None:
        """Return why nobody could archive courses of an integration; None where a worker could."""
        if not self._needs_workers or self._no_worker is not None or name in self._served:
            return self._no_worker
        reason = f"no worker that is running has the integration {name} in its settings"
        return Hold(level=HoldLevel.WORKERS, since=self._born, reason=reason)

    def pauses(self, name: str, run: Run | None = None) -> list[Hold]:
        """Return the pauses in force on an integration, or one of its runs, widest first."""
        keys = [(PauseLevel.ALL, ""), (PauseLevel.INTEGRATION, name)]
        if run is not None:
            keys.append((PauseLevel.RUN, str(run.id)))
        return [self._pauses[key] for key in keys if key in self._pauses]

    def overall(self) -> list[Hold]:
        """Return what holds every run, whatever its integration."""
        paused = self._pauses.get((PauseLevel.ALL, ""))
        return [each for each in (paused, self.storage) if each is not None]

    def troubled(self, name: str) -> bool:
        """Tell whether an integration is held by trouble of its own: missing, halted, or its LMS is down."""
        return self.trouble(name) is not None

    def trouble(self, name: str) -> Hold | None:
        """Return the trouble of an integration's own: it is missing, halted, or its LMS is down."""
        return self.missing(name) or self._halts.get(name) or _hold(self._troubles.of(TroubleKind.LMS, name))

    def missing(self, name: str) -> Hold | None:
        """Return why an integration cannot be worked with in this process; None where it can."""
        if name in self._lmses:
            return None
        reason = f"the integration {name} is not in the settings, or not enabled there"
        return self._unusable.get(name) or Hold(level=HoldLevel.INTEGRATION, since=self._born, reason=reason)

    def unusable(self, name: str, reason: str) -> None:
        """Note that an integration of the settings cannot be worked with in this process, and why."""
        self._unusable[name] = Hold(level=HoldLevel.INTEGRATION, since=self._born, reason=reason)

    async def refresh(self) -> None:
        """Read pauses and halts from the store. What was committed before this call is known after it."""
        async with self._refreshing:  # else an older reading could overtake, and replace, a newer one
            await self._refresh()

    async def _refresh(self) -> None:
        pauses, integrations = await self._store.pauses(), await self._store.integrations()
        before = set(self._pauses), set(self._halts)
        self._pauses = {
            (pause.level, pause.target): Hold(
                level=HoldLevel(pause.level.value), since=pause.at, reason=f"paused by {pause.by}"
            )
            for pause in pauses
        }
        self._halts = {
            one.name: Hold(level=HoldLevel.CREDENTIALS, since=one.halted_at or self._clock(), reason=one.halted_reason)
            for one in integrations
            if one.halted_reason is not None
        }
        if self._needs_workers:
            await self._look_for_workers()
        if await self._troubles.refresh() or before != (set(self._pauses), set(self._halts)):
            self._changed()

    async def _look_for_workers(self) -> None:
        workers = [worker for worker in await self._store.workers() if not worker.draining]
        served = frozenset(name for worker in workers for name in worker.integrations)
        if workers:
            self._no_worker = None
        elif self._no_worker is None:
            reason = "no worker is running: start `coursekeep worker`"
            self._no_worker = Hold(level=HoldLevel.WORKERS, since=self._clock(), reason=reason)
        if served - self._served:
            self._changed()
        self._served = served

    async def credentials_needed(self, name: str, reason: str) -> None:
        """Halt an integration, with one alert however many courses meet the same wall."""
        if await self._store.halt_integration(name, reason):
            remedy = f"renew the credentials, then run `coursekeep check {name}`"
            log.warning("credentials_needed", integration=name, reason=reason, remedy=remedy)
        await self.refresh()

    async def credentials_renewed(self, name: str) -> None:
        """Let a halted integration go on."""
        if await self._store.release_integration(name):
            log.info("integration_released", integration=name)
        await self.refresh()

    @property
    def storage(self) -> Hold | None:
        """Return the trouble with the archive's storage."""
        return _hold(self._troubles.of(TroubleKind.STORAGE))

    def storage_trouble(self, reason: str) -> None:
        """Hold everything until the archive can be written. Logged once; the last reason is shown."""
        if self._troubles.note(TroubleKind.STORAGE, "", reason):
            log.error("storage_held", reason=reason)
            self._changed()

    def storage_fine(self) -> None:
        """Let everything go on: there is room again."""
        if (over := self._troubles.over(TroubleKind.STORAGE)) is not None:
            log.info("storage_released", held_since=over.since.isoformat())
            self._changed()

    def down(self) -> list[Lms]:
        """Return the LMSs that do not answer, of those that this process can ask."""
        return [self._lmses[name] for name in self._troubles.targets(TroubleKind.LMS) if name in self._lmses]

    def lms_trouble(self, name: str, reason: str) -> None:
        """Hold an integration whose LMS does not answer."""
        self._troubles.note(TroubleKind.LMS, name, reason)

    def lms_fine(self, name: str) -> None:
        """Let an integration go on: its LMS answers."""
        if self._troubles.over(TroubleKind.LMS, name) is not None:
            self._changed()

    def _changed(self) -> None:
        for listener in self._listeners:
            listener()


def _hold(trouble: Trouble | None) -> Hold | None:
    if trouble is None:
        return None
    return Hold(level=HoldLevel(trouble.kind.value), since=trouble.since, reason=trouble.reason)
