"""Runs that schedules start, and the care for schedules themselves."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import structlog

from coursekeep_daemon.origin import close_match
from coursekeep_daemon.requests import BadRequest, RunRequest
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.schedule import Scheduler, check_cron, last_slot, next_slots
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.spans import before
from coursekeep_daemon.store import Conflict, Run, Schedule, Store

__all__ = ["ScheduledRuns", "declared_schedules", "request_of"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: starts a run: request, who, idempotency key, schedule
StartRun = Callable[[RunRequest, str, str, str], Awaitable[Run]]

#: fields that callers may give; the rest is the store's
_EDITABLE = {
    *("integration", "cron", "time_zone", "source", "params", "ended_for", "ended_by"),
    *("include", "exclude", "on_existing", "enabled"),
}


class ScheduledRuns:
    """Starts the runs of schedules, each time of each schedule once."""

    def __init__(self, *, store: Store, start_run: StartRun, check: Callable[[RunRequest], None], clock: Clock) -> None:
        self._store = store
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
            run_id = await self._run(schedule, slot)
            await self._store.schedule_fired(name, slot, run_id)

    async def _run(self, schedule: Schedule, slot: datetime) -> int | None:
        key = f"{schedule.name} {slot.isoformat()}"
        try:
            run = await self._start_run(request_of(schedule, slot), f"schedule:{schedule.name}", key, schedule.name)
        except Conflict:  # this time was started before, and the schedule edited since
            return schedule.last_run_id
        except BadRequest as error:
            log.error("schedule_failed", schedule=schedule.name, reason=str(error))
            return schedule.last_run_id
        log.info("schedule_fired", schedule=schedule.name, run=run.id, slot=slot.isoformat())
        return run.id

    async def catch_up(self, names: Collection[str]) -> None:
        """Start once what schedules missed while the daemon was down, or while it died starting it."""
        now = self._clock()
        for schedule in await self._store.schedules():
            if schedule.enabled and schedule.name in names:
                since = schedule.last_fired_at or schedule.created_at
                slot = last_slot(schedule.cron, schedule.time_zone, since, now)
                if slot is not None:
                    await self.fire(schedule.name, slot)

    async def create(self, fields: Mapping[str, Any], by: str, scheduler: Scheduler) -> Schedule:
        """Store a new schedule and start to keep it. Raises `BadRequest`."""
        name = fields["name"]
        if await self._store.schedule(name) is not None:
            raise BadRequest(f"there is a schedule {name} already", where="name", remedy="Take another name.")
        usual: dict[str, Any] = {"time_zone": "UTC", "source": "end_date", "params": {}, "on_existing": "skip"}
        usual |= {"ended_for": None, "ended_by": "course", "include": [], "exclude": [], "enabled": True}
        given = {key: value for key, value in fields.items() if key in _EDITABLE}
        schedule = Schedule(**(usual | given), name=name, declared=False, created_by=by, created_at=self._clock())
        return await self._keep(schedule, scheduler)

    async def update(self, name: str, changes: Mapping[str, Any], scheduler: Scheduler) -> Schedule:
        """Change some fields of a schedule. Raises `BadRequest`."""
        schedule = await self._editable(name)
        known = {key: value for key, value in changes.items() if key in _EDITABLE}
        return await self._keep(replace(schedule, **known), scheduler)

    async def delete(self, name: str, scheduler: Scheduler) -> None:
        """Forget a schedule; its runs stay. Raises `BadRequest`."""
        await self._editable(name)
        await self._store.delete_schedule(name)
        scheduler.remove(name)

    async def next_request(self, name: str) -> RunRequest:
        """Return what the next run of a schedule will ask for, as far as it has come to pass. Raises `BadRequest`."""
        schedule, now = await self._known(name), self._clock()
        slots = next_slots(schedule.cron, schedule.time_zone, now)
        return request_of(schedule, slots[0] if slots else now, latest=now)

    async def _keep(self, schedule: Schedule, scheduler: Scheduler) -> Schedule:
        try:
            check_cron(schedule.cron, schedule.time_zone)
        except ValueError as error:
            raise BadRequest(str(error), where="cron") from None
        try:
            request = request_of(schedule, self._clock())
        except ValueError as error:
            raise BadRequest(str(error), where="ended_for") from None
        self._check(request)
        await self._store.put_schedule(schedule)
        scheduler.put(schedule)
        return schedule

    async def _known(self, name: str) -> Schedule:
        schedule = await self._store.schedule(name)
        if schedule is None:
            known = [one.name for one in await self._store.schedules()]
            raise BadRequest(f"there is no schedule {name}; {close_match(name, known)}", where="name")
        return schedule

    async def _editable(self, name: str) -> Schedule:
        schedule = await self._known(name)
        if schedule.declared:
            raise BadRequest(
                f"the schedule {name} is declared in the settings", where="name", remedy="Edit it in settings.toml."
            )
        return schedule


def request_of(schedule: Schedule, slot: datetime, *, latest: datetime | None = None) -> RunRequest:
    """Return the request of one time of a schedule; the same, however late it is made.

    `latest` cuts the date, for a preview of a time to come: nobody knows yet what will have ended by then.
    """
    params = dict(schedule.params)
    if schedule.ended_for is not None:
        moment = before(slot, schedule.ended_for)
        moment = moment if latest is None else min(moment, latest)
        params |= {"before": moment.date().isoformat(), "ended_by": schedule.ended_by}
    return RunRequest(
        integration=schedule.integration,
        source=schedule.source,
        params=params,
        on_existing=schedule.on_existing,
        note=f"schedule {schedule.name}",
        include=tuple(schedule.include),
        exclude=tuple(schedule.exclude),
    )


def declared_schedules(settings: Settings, now: datetime) -> list[Schedule]:
    """Return the schedules of the settings. Raises `SettingsError` for a cron rule that cannot be used."""
    declared = []
    for name, one in settings.schedules.items():
        time_zone = one.time_zone or settings.daemon.time_zone
        try:
            check_cron(one.cron, time_zone)
        except ValueError as error:
            raise settings.origin.error(("schedules", name, "cron"), str(error)) from None
        fields = one.model_dump(exclude={"of", "time_zone"}) | {"ended_by": one.of, "time_zone": time_zone}
        fields |= {"include": list(one.include), "exclude": list(one.exclude)}
        declared.append(Schedule(**fields, name=name, declared=True, created_by="settings", created_at=now))
    return declared
