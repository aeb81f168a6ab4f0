"""Times: when a schedule starts a run, and when terms are read again. The only module that knows APScheduler.

APScheduler waits for the times, and wakes; what is due then is computed from the store. So its jobs, which are made
anew by whoever leads and kept in memory only, neither lose a time nor double one: `docs/decisions/022-one-leads.md`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.base import BaseTrigger
from apscheduler.triggers.combining import OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.spans import parse_time_zone
from coursekeep_daemon.store import Schedule, Store, StoreError

__all__ = ["LOOK_AGAIN", "Alarms", "Refresh", "Scheduler", "check_cron", "last_slot", "next_slots"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

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

#: seconds after which is looked again, whatever comes next: a clock may be set meanwhile
LOOK_AGAIN = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Refresh:
    """When the terms of an integration are read again."""

    cron: str
    time_zone: str


class Scheduler:
    """Does what is due: starts the runs of schedules, and has terms read again.

    What is due is computed from the store at each look: the last time of a rule that has come since it was last kept.
    So a time that came while nobody looked is caught up, once, by whoever looks next, on whichever machine; and a clock
    that was set is noticed at the next look.
    """

    def __init__(
        self,
        *,
        store: Store,
        clock: Callable[[], datetime],
        fire: Callable[[str, datetime], Awaitable[None]],
        refresh: Callable[[str], Awaitable[None]],
        refreshes: Mapping[str, Refresh],
        look_again: float = LOOK_AGAIN,
    ) -> None:
        """Take what starts the run of a schedule for one of its times, and what reads the terms of an integration."""
        self._store = store
        self._clock = clock
        self._fire = fire
        self._refresh = refresh
        self._refreshes = refreshes
        self._look_again = look_again
        self._wake = asyncio.Event()
        self._alarms = Alarms(self._wake)
        #: when the terms of an integration were last read, or tried
        self._tried: dict[str, datetime] = {}
        self._reading: dict[str, asyncio.Task[None]] = {}
        #: times of schedules that ended with a fault
        self._broken: dict[str, datetime | None] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look."""
        begun = self._clock()
        known = {one.name: one.terms_refreshed_at for one in await self._store.integrations()}
        # terms that were never read wait for their time
        self._tried = {name: known.get(name) or begun for name in self._refreshes}
        self._alarms.start(self._look_again)
        self._task = lasting(self._keep, "scheduler")

    async def stop(self) -> None:
        """Break off. What was due and is not done is due at the next start."""
        self._alarms.stop()
        tasks = {*self._reading.values(), *([self._task] if self._task else [])}
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def look(self) -> None:
        """Look at once: a schedule is another than it was."""
        self._wake.set()

    async def _keep(self) -> None:
        failures = 0
        while True:
            self._wake.clear()
            try:
                await self._look()
                failures = 0
            except StoreError as error:
                failures += 1
                if failures == 1:
                    log.error("store_trouble", during="looking at schedules", reason=str(error))
            # alarms go by the wall clock: one that was set back would silence them for as long
            await wait_for_event(self._wake, 2 * self._look_again)

    async def _look(self) -> None:
        """Do what is due, and have every time to come wake us."""
        rules = {f"terms:{name}": (rule.cron, rule.time_zone) for name, rule in self._refreshes.items()}
        for schedule in await self._store.schedules():
            if schedule.enabled and await self._start_run(schedule):
                rules[f"schedule:{schedule.name}"] = (schedule.cron, schedule.time_zone)
        self._read_terms()
        self._alarms.set(rules)

    async def _start_run(self, schedule: Schedule) -> bool:
        """Start the run of a schedule, where one is due; tell whether its rule can be read."""
        since = max(schedule.last_fired_at or schedule.created_at, schedule.times_since or schedule.created_at)
        try:
            slot = last_slot(schedule.cron, schedule.time_zone, since, self._clock())
        except Exception:  # one schedule must not end the others
            if schedule.name not in self._broken:
                log.exception("job_failed", job=f"schedule:{schedule.name}")
            self._broken[schedule.name] = None
            return False
        try:
            if slot is not None and slot != self._broken.get(schedule.name):
                await self._fire(schedule.name, slot)
        except StoreError:
            raise
        except Exception:  # nor this; whoever leads next tries it again
            self._broken[schedule.name] = slot
            log.exception("job_failed", job=f"schedule:{schedule.name}")
        return True

    def _read_terms(self) -> None:
        """Begin to read the terms that are due."""
        for name, rule in self._refreshes.items():
            now = self._clock()
            if last_slot(rule.cron, rule.time_zone, self._tried[name], now) is not None and name not in self._reading:
                self._tried[name] = now
                self._reading[name] = asyncio.create_task(self._read(name), name=f"terms of {name}")

    async def _read(self, name: str) -> None:
        try:
            await self._refresh(name)
        except Exception:  # plugin boundary: a job must not end the scheduler
            log.exception("job_failed", job=f"terms:{name}")
        finally:
            del self._reading[name]


class _Coming(BaseTrigger):  # type: ignore[misc]  # APScheduler has no types
    """The next time of a rule that is still to come.

    APScheduler walks over all that were missed: after a machine without a clock learns the year, that is for hours.
    """

    def __init__(self, rule: Any) -> None:
        self._rule = rule

    def get_next_fire_time(self, previous_fire_time: datetime | None, now: datetime) -> datetime | None:
        after = now if previous_fire_time is None else max(now, previous_fire_time)
        found: datetime | None = self._rule.get_next_fire_time(None, after + timedelta(microseconds=1))
        return found


class Alarms:
    """Sets an event at the times of rules, by jobs of APScheduler that do nothing else."""

    def __init__(self, wake: asyncio.Event) -> None:
        """Take the event to set."""
        self._wake = wake
        # in memory; a time that comes while the process is busy or frozen is not left out, but told once
        self._scheduler = AsyncIOScheduler(timezone=UTC, job_defaults={"misfire_grace_time": None, "coalesce": True})
        self._rules: dict[str, tuple[str, str]] = {}

    def start(self, every: float) -> None:
        """Begin, with one job that comes at even distances of so many seconds: other processes change schedules too."""
        rule = IntervalTrigger(seconds=every, timezone=UTC)
        self._scheduler.add_job(self._ring, _Coming(rule), id="look", max_instances=2)
        self._scheduler.start()

    def stop(self) -> None:
        """Set the event no more. Harmless where it was not started."""
        if self._scheduler.running:
            self._scheduler.shutdown(wait=False)

    @property
    def coming(self) -> dict[str, datetime]:
        """Return the next time of each rule, by its name."""
        return {job.id: job.next_run_time for job in self._scheduler.get_jobs() if job.next_run_time is not None}

    def ring(self, name: str, *, since: datetime | None = None) -> None:
        """Have the time of a rule come now, or have come already."""
        self._scheduler.modify_job(name, next_run_time=since or datetime.now(UTC))

    def set(self, rules: Mapping[str, tuple[str, str]]) -> None:
        """Wait for the times of these rules, each a cron rule and its time zone by name, and of no others.

        A rule that is as it was keeps its job: to make that anew could skip a time that comes just now.
        """
        for name in self._rules.keys() - rules.keys():
            self._scheduler.remove_job(name)
        for name, rule in rules.items():
            if self._rules.get(name) != rule:
                self._scheduler.add_job(self._ring, _Coming(_trigger(*rule)), id=name, replace_existing=True)
        self._rules = dict(rules)

    async def _ring(self) -> None:
        self._wake.set()


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
