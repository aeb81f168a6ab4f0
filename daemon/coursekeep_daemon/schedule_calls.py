"""What callers of the service ask of schedules."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from coursekeep_daemon.requests import RunRequest
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.runs.planner import Preview
from coursekeep_daemon.schedule import next_slots
from coursekeep_daemon.scheduled import NextRun, ScheduledRuns
from coursekeep_daemon.store import Run, Schedule, Store

__all__ = ["ScheduleCalls"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class ScheduleCalls(ABC):
    """The part of the service that deals with schedules."""

    store: Store
    clock: Clock
    _scheduled: ScheduledRuns

    @abstractmethod
    async def start_run(
        self, request: RunRequest, *, by: str, idempotency_key: str | None = None, schedule: str | None = None
    ) -> tuple[Run, bool]:
        """Start a run."""

    @abstractmethod
    async def preview(self, request: RunRequest, *, limit: int = 1000) -> Preview:
        """Say what a run would take now."""

    async def create_schedule(self, fields: Mapping[str, Any], *, by: str) -> Schedule:
        """Make a schedule from the fields of the API. Raises `BadRequest`."""
        return await self._scheduled.create(fields, by)

    async def update_schedule(
        self, name: str, changes: Mapping[str, Any], *, by: str, revision: int | None = None
    ) -> Schedule:
        """Change some fields of a schedule; with a revision, only if it is still at that.

        Raises `BadRequest`, and `Conflict` where it is not.
        """
        log.info("schedule_changed", schedule=name, by=by)
        return await self._scheduled.update(name, changes, revision=revision)

    async def delete_schedule(self, name: str, *, by: str) -> None:
        """Forget a schedule. Raises `BadRequest`."""
        log.info("schedule_deleted", schedule=name, by=by)
        await self._scheduled.delete(name)

    async def preview_schedule(self, name: str, *, limit: int = 1000) -> Preview:
        """Say what the next time of a schedule would take, of what the LMS has now. Raises as `preview`."""
        return await self._preview_next(self._scheduled.next_run(await self._scheduled.known(name)), limit)

    async def preview_new_schedule(self, fields: Mapping[str, Any], *, limit: int = 1000) -> Preview:
        """Say the same of a schedule that is not stored, from the fields of the API. Raises as `preview`."""
        return await self._preview_next(self._scheduled.next_run(self._scheduled.draft(fields, "")), limit)

    async def _preview_next(self, coming: NextRun, limit: int) -> Preview:
        preview = await self.preview(coming.request, limit=limit)
        return replace(preview, slot=coming.slot, before=coming.before)

    async def run_schedule(self, name: str, *, by: str, idempotency_key: str | None = None) -> tuple[Run, bool]:
        """Start now what a schedule would start if it were due. Its own times and its last run stay as they are.

        Returns as `start_run`: a key that was used for this schedule before gives that run, though dates have moved on.
        Raises `BadRequest` and `Conflict`.
        """
        if idempotency_key is not None:
            earlier = await self.store.run_of_key(by, idempotency_key)
            if earlier is not None and earlier.schedule == name:
                return earlier, False
        request = await self._scheduled.run_now(name)
        return await self.start_run(request, by=by, idempotency_key=idempotency_key, schedule=name)

    def next_fires(self, schedule: Schedule, count: int = 5) -> list[datetime]:
        """Return the next times of a schedule; none where it is not enabled."""
        return next_slots(schedule.cron, schedule.time_zone, self.clock(), count) if schedule.enabled else []

    def next_fire(self, schedule: Schedule) -> datetime | None:
        """Return when a schedule is due next; None where it is not enabled."""
        return next(iter(self.next_fires(schedule, 1)), None)
