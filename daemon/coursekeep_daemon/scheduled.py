"""Runs that schedules start, and the care for schedules themselves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import structlog

from coursekeep_daemon.origin import close_match
from coursekeep_daemon.requests import BadRequest, RunRequest
from coursekeep_daemon.rules import YearEnds, check_name, check_rule, cut_off, request_of
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.schedule import next_slots
from coursekeep_daemon.store import Conflict, Run, Schedule, Store

__all__ = ["NextRun", "ScheduledRuns"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: starts a run: request, who, idempotency key, schedule
StartRun = Callable[[RunRequest, str, str, str], Awaitable[Run]]

#: fields that callers may give; the rest is the store's
_EDITABLE = {
    *("integration", "cron", "time_zone", "source", "params", "ended_for", "ended_by"),
    *("include", "exclude", "on_existing", "enabled"),
}


#: what a rule is where its maker says nothing
_USUAL: Mapping[str, Any] = {
    "source": "end_date",
    "params": {},
    "ended_for": None,
    "ended_by": "course",
    "include": [],
    "exclude": [],
    "on_existing": "skip",
    "enabled": True,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class NextRun:
    """What the next time of a schedule will ask for."""

    #: the time it is for
    slot: datetime
    #: the moment before which courses must have ended; None where the rule does not count back
    before: datetime | None
    request: RunRequest


class ScheduledRuns:
    """Starts the runs of schedules, each time of each schedule once."""

    def __init__(
        self,
        *,
        store: Store,
        start_run: StartRun,
        check: Callable[[RunRequest], None],
        clock: Clock,
        ends: YearEnds | None = None,
        time_zone: str = "UTC",
    ) -> None:
        self._store = store
        self._ends = ends or {}
        self._time_zone = time_zone
        self._start_run = start_run
        self._check = check
        self._clock = clock
        self._locks: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    async def fire(self, name: str, slot: datetime) -> None:
        """Start the run of one time of a schedule, unless it was started before.

        The time is kept with the schedule, so that a clock set back does not start it twice; and it is the run's
        idempotency key, so that a process that dies between the two does not either.
        """
        async with self._locks[name]:
            schedule = await self._store.schedule(name)
            if schedule is None or not schedule.enabled:
                return
            if schedule.last_fired_at is not None and slot <= schedule.last_fired_at:
                log.info("schedule_fired_before", schedule=name, slot=slot.isoformat())
                return
            try:
                run_id = await self._run(schedule, slot)
            except BadRequest as error:
                log.error("schedule_failed", schedule=name, reason=str(error))
                await self._store.schedule_fired(name, slot, None, error=f"{error}. {error.remedy}".strip())
            else:
                await self._store.schedule_fired(name, slot, run_id)

    async def _run(self, schedule: Schedule, slot: datetime) -> int | None:
        key = f"{schedule.name} {slot.isoformat()}"
        request = request_of(schedule, slot, self._ends)
        try:
            run = await self._start_run(request, f"schedule:{schedule.name}", key, schedule.name)
        except Conflict:  # this time was started before, and the schedule edited since
            return schedule.last_run_id
        log.info("schedule_fired", schedule=schedule.name, run=run.id, slot=slot.isoformat())
        return run.id

    async def create(self, fields: Mapping[str, Any], by: str) -> Schedule:
        """Store a new schedule: who leads keeps it from then on. Raises `BadRequest`."""
        name = fields["name"]
        try:
            check_name(name)
        except ValueError as error:
            raise BadRequest(str(error), where="name") from None
        taken = BadRequest(f"there is a schedule {name} already", where="name", remedy="Take another name.")
        if await self._store.schedule(name) is not None:
            raise taken
        draft = self.draft(fields, by)
        self.check(draft)
        try:
            return await self._store.put_schedule(draft, at=0)
        except Conflict:  # somebody else was faster
            raise taken from None

    async def update(self, name: str, changes: Mapping[str, Any], *, revision: int | None = None) -> Schedule:
        """Change some fields of a schedule. Raises `BadRequest`.

        With the revision that the changes were made to, raises `Conflict` where the schedule is another by now.
        """
        known = {key: value for key, value in changes.items() if key in _EDITABLE}
        while True:
            schedule = await self._editable(name)
            if revision is not None and revision != schedule.revision:
                raise Conflict(
                    f"The schedule {name} was changed meanwhile: it is at revision {schedule.revision}, "
                    f"not {revision}. Read it again, then repeat what should still change."
                )
            changed = replace(schedule, **known)
            if changed != replace(schedule, enabled=False):  # what cannot be kept must still be possible to stop
                self.check(changed)
            try:
                return await self._store.put_schedule(changed, at=schedule.revision)
            except Conflict:  # somebody changed it since it was read: look at what it is now
                continue

    async def delete(self, name: str) -> None:
        """Forget a schedule; its runs stay. Raises `BadRequest`."""
        await self._editable(name)
        await self._store.delete_schedule(name)

    def draft(self, fields: Mapping[str, Any], by: str) -> Schedule:
        """Return the schedule that fields describe, with what is usual for those left out. Stores nothing."""
        given = {key: value for key, value in fields.items() if key in _EDITABLE}
        given["time_zone"] = given.get("time_zone") or self._time_zone
        name = fields.get("name") or "new"
        return Schedule(**{**_USUAL, **given}, name=name, declared=False, created_by=by, created_at=self._clock())

    def check(self, schedule: Schedule) -> None:
        """Raise `BadRequest`, naming the field, where a schedule could not start a run now."""
        check_rule(schedule, self._ends)
        try:
            request = request_of(schedule, self._clock(), self._ends)
        except (ValueError, OverflowError) as error:
            raise BadRequest(str(error), where="ended_for") from None
        self._check(request)

    def next_run(self, schedule: Schedule) -> NextRun:
        """Return what the next run of a schedule will ask for, as far as it has come to pass. Raises `BadRequest`."""
        self.check(schedule)
        now = self._clock()
        slots = next_slots(schedule.cron, schedule.time_zone, now)
        slot = slots[0] if slots else now
        before = cut_off(schedule, slot, self._ends, latest=now)
        return NextRun(slot=slot, before=before, request=request_of(schedule, slot, self._ends, latest=now))

    async def run_now(self, name: str) -> RunRequest:
        """Return what a schedule would ask for if it were due now. Raises `BadRequest`."""
        schedule = await self.known(name)
        self.check(schedule)
        return request_of(schedule, self._clock(), self._ends)

    async def known(self, name: str) -> Schedule:
        """Return a schedule. Raises `BadRequest` where there is none of that name."""
        schedule = await self._store.schedule(name)
        if schedule is None:
            known = [one.name for one in await self._store.schedules()]
            raise BadRequest(f"there is no schedule {name}; {close_match(name, known)}", where="name")
        return schedule

    async def _editable(self, name: str) -> Schedule:
        schedule = await self.known(name)
        if schedule.declared:
            raise BadRequest(
                f"the schedule {name} is declared in the settings", where="name", remedy="Edit it in settings.toml."
            )
        return schedule
