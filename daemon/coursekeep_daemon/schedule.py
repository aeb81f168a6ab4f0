"""Times: when a schedule starts a run, and when terms are read again. The only module that knows APScheduler.

APScheduler keeps its jobs in a file and pickles what it calls, so a job cannot hold our service. Here a job holds no
work at all: its id says what it is for (`schedule:NAME`, `terms:NAME`), and an executor of our own, made with the
callback it is to call, reads the id. So nothing has to live at module level.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from apscheduler.executors.base import BaseExecutor
from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger

from coursekeep_daemon.spans import parse_time_zone
from coursekeep_daemon.store import Schedule

__all__ = ["Scheduler", "check_cron", "last_slot", "next_slots"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: what is due: kind (`schedule` or `terms`), name, and the moment it was due
Due = Callable[[str, str, datetime], Awaitable[None]]

_ALIASES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")


def tick() -> None:
    """Stand in for the work of a job: APScheduler must be able to import something. See `_Callbacks`."""


class _Callbacks(BaseExecutor):  # type: ignore[misc]  # APScheduler has no types
    """Calls one function for every job that is due, with the job's id and the moment it was due."""

    def __init__(self, due: Due) -> None:
        super().__init__()
        self._due = due
        self._tasks: set[asyncio.Task[None]] = set()

    def _do_submit_job(self, job: Any, run_times: list[datetime]) -> None:
        kind, _, name = job.id.partition(":")
        task = asyncio.get_running_loop().create_task(self._run(job.id, kind, name, run_times[-1]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job_id: str, kind: str, name: str, slot: datetime) -> None:
        try:
            await self._due(kind, name, slot.astimezone(UTC))
        except Exception:  # a job must not end the scheduler
            log.exception("job_failed", job=job_id)
        self._run_job_success(job_id, [])

    async def stop(self) -> None:
        """Break off what is being called."""
        for task in (tasks := set(self._tasks)):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class Scheduler:
    """Calls `due` at the times of schedules and term refreshes. A time missed while down is caught up once."""

    def __init__(self, path: Path, due: Due) -> None:
        """Keep jobs in the SQLite file at `path`."""
        self._callbacks = _Callbacks(due)
        self._scheduler = AsyncIOScheduler(
            jobstores={"default": SQLAlchemyJobStore(url=f"sqlite:///{path}")},
            executors={"default": self._callbacks},
            job_defaults={"coalesce": True, "misfire_grace_time": None, "max_instances": 1},
            timezone=UTC,
        )

    async def start(self, schedules: Iterable[Schedule], terms: Mapping[str, tuple[str, str]]) -> set[str]:
        """Start with these schedules, and with these crons and time zones of term refreshes, by integration.

        Jobs of things that have gone are removed. Returns the schedules whose times have not changed since the last
        start, whose missed times may be caught up.
        """
        self._scheduler.start(paused=True)
        wanted = {f"schedule:{one.name}": (one.cron, one.time_zone) for one in schedules if one.enabled}
        wanted |= {f"terms:{name}": when for name, when in terms.items()}
        for job in self._scheduler.get_jobs():
            if job.id not in wanted:
                job.remove()
        unchanged = {job_id for job_id, (cron, zone) in wanted.items() if not self._put(job_id, cron, zone)}
        self._scheduler.resume()
        return {job_id.removeprefix("schedule:") for job_id in unchanged if job_id.startswith("schedule:")}

    async def stop(self) -> None:
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)
            await asyncio.sleep(0)  # it stops in the loop's next turn
        await self._callbacks.stop()

    def put(self, schedule: Schedule) -> None:
        """Take a new or changed schedule."""
        if schedule.enabled:
            self._put(f"schedule:{schedule.name}", schedule.cron, schedule.time_zone)
        else:
            self.remove(schedule.name)

    def remove(self, name: str) -> None:
        """Forget a schedule."""
        if job := self._scheduler.get_job(f"schedule:{name}"):
            job.remove()

    def next_fire(self, name: str) -> datetime | None:
        """Return when a schedule is due next; None where it is not enabled."""
        return self._next(f"schedule:{name}")

    def next_refresh(self, integration: str) -> datetime | None:
        """Return when the terms of an integration are read next; None where they never are."""
        return self._next(f"terms:{integration}")

    def _next(self, job_id: str) -> datetime | None:
        job = self._scheduler.get_job(job_id)
        return None if job is None or job.next_run_time is None else job.next_run_time.astimezone(UTC)

    def _put(self, job_id: str, cron: str, zone: str) -> bool:
        """Add or change a job; True unless it was there with the same times, and may have some to catch up."""
        trigger = _trigger(cron, zone)
        job = self._scheduler.get_job(job_id)
        if job is not None and repr(job.trigger) == repr(trigger):
            return False
        self._scheduler.add_job(tick, trigger, id=job_id, replace_existing=True)
        return True


def check_cron(cron: str, time_zone: str) -> None:
    """Raise ValueError, saying how to write it, where a cron rule or its time zone cannot be used."""
    parse_time_zone(time_zone)
    if not next_slots(cron, time_zone, datetime.now(UTC)):
        raise ValueError(f"{cron!r} never comes: there is no such day")


def next_slots(cron: str, time_zone: str, after: datetime, count: int = 1) -> list[datetime]:
    """Return the next times of a cron rule after a moment."""
    trigger, slots, slot = _trigger(cron, time_zone), list[datetime](), after
    while len(slots) < count:
        found = trigger.get_next_fire_time(slot, slot + timedelta(microseconds=1))
        if found is None:
            break
        slot = found
        slots.append(found.astimezone(UTC))
    return slots


def last_slot(cron: str, time_zone: str, after: datetime, until: datetime) -> datetime | None:
    """Return the last time of a cron rule after one moment and not after another; None where there is none."""
    for days in (1 / 24, 1, 32, 366, 366 * 8 + 2):  # a rule for each minute needs no walk over years
        begin, found = max(after, until - timedelta(days=days)), None
        while (slots := next_slots(cron, time_zone, found or begin)) and slots[0] <= until:
            found = slots[0]
        if found is not None or begin <= after:
            return found
    return None


def _trigger(cron: str, time_zone: str) -> Any:
    """Read a cron rule as cron itself does.

    APScheduler counts weekdays from Monday where cron counts from Sunday, and takes days that match both day fields
    where cron takes those that match either.
    """
    fields = _ALIASES.get(cron.strip().lower(), cron).split()
    if len(fields) != 5:
        raise ValueError(f"{cron!r} is no cron rule; write minute, hour, day, month and weekday: `0 3 15 * *`")
    minute, hour, day, month, weekday = fields
    common = {"minute": minute, "hour": hour, "month": month, "timezone": ZoneInfo(time_zone)}
    try:
        if day == "*" or weekday == "*":
            return CronTrigger(**common, day=day, day_of_week=_weekdays(weekday))
        return OrTrigger([CronTrigger(**common, day=day), CronTrigger(**common, day_of_week=_weekdays(weekday))])
    except ValueError as error:
        raise ValueError(f"{cron!r} is no cron rule: {error}") from None


def _weekdays(field: str) -> str:
    """Spell weekdays out by name: `1-5` becomes `mon,tue,wed,thu,fri`."""
    if field == "*":
        return field
    names: dict[str, None] = {}
    for part in field.lower().split(","):
        span, _, step = part.partition("/")
        first, dash, last = ("0", "-", "6") if span == "*" else span.partition("-")
        begin = _weekday(first)
        end = _weekday(last, sunday=7) if dash else (6 if step else begin)
        if (step and not step.isdecimal()) or step == "0" or end < begin:
            raise ValueError(f"{part!r} is no weekday; write 0 (Sunday) to 7 (Sunday), or sun, mon ...")
        names |= {_DAYS[day % 7]: None for day in range(begin, end + 1, int(step or 1))}
    return ",".join(names)


def _weekday(word: str, *, sunday: int = 0) -> int:
    if word in _DAYS:
        return _DAYS.index(word) or sunday
    if word.isdecimal() and int(word) <= 7:
        return int(word)
    raise ValueError(f"{word!r} is no weekday; write 0 (Sunday) to 7 (Sunday), or sun, mon ...")
