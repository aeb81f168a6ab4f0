"""Schedules as the console shows them: the rule in words, its times, what became of the last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from coursekeep_daemon.console.words import ENDS, source_words
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import Schedule

__all__ = ["Fire", "ScheduleView", "fires_of", "schedule_views", "selection_words"]

#: most ids, or letters of a text, that words name
_MOST_NAMED = 8
_LONGEST = 80


@dataclass(frozen=True, kw_only=True)
class Fire:
    """A time at which a schedule starts a run."""

    at: datetime
    #: what the clock shows then in the schedule's own zone; empty where it is that of the visitor
    there: str


@dataclass(frozen=True, kw_only=True)
class ScheduleView:
    """A schedule, and what is shown beside its rule."""

    schedule: Schedule
    #: which courses it takes
    words: str
    #: None where it is not enabled
    next_fire: datetime | None
    fires: Sequence[Fire]
    #: how its last run stands; None without one
    last_status: RunStatus | None
    #: whether the settings still name its integration
    configured: bool


async def schedule_views(service: Service, schedules: Sequence[Schedule], zone: ZoneInfo) -> list[ScheduleView]:
    """Put together what is shown of schedules; the states of their last runs are asked for at once."""
    statuses = await service.store.run_statuses([one.last_run_id for one in schedules if one.last_run_id is not None])
    return [
        ScheduleView(
            schedule=one,
            words=selection_words(one),
            next_fire=service.next_fire(one),
            fires=fires_of(service, one, zone),
            last_status=statuses.get(one.last_run_id or 0),
            configured=one.integration in service.settings.integrations,
        )
        for one in schedules
    ]


def fires_of(service: Service, schedule: Schedule, zone: ZoneInfo) -> list[Fire]:
    """Return the next times of a schedule; none where it is not enabled, or its rule cannot be read."""
    try:
        moments, own = service.next_fires(schedule), ZoneInfo(schedule.time_zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return []
    return [Fire(at=each, there=_there(each, own, zone)) for each in moments]


def _there(moment: datetime, own: ZoneInfo, zone: ZoneInfo) -> str:
    here, there = moment.astimezone(zone), moment.astimezone(own)
    return "" if here.replace(tzinfo=None) == there.replace(tzinfo=None) else f"{there:%H:%M} in {own.key}"


def selection_words(schedule: Schedule) -> str:
    """Say which courses a schedule takes, patterns aside."""
    params = schedule.params
    if schedule.ended_for is not None:
        return f"Ended at least {schedule.ended_for} ago, by the end of {_end(schedule.ended_by)}"
    match schedule.source:
        case "end_date":
            return f"Ended before {params.get('before', '?')}, by the end of {_end(params.get('ended_by', 'course'))}"
        case "terms":
            more = ", running courses too" if params.get("include_running") else ""
            return f"Terms {_named(params.get('terms', ()))}{more}"
        case "ids":
            return f"Courses {_named(params.get('ids', ()))}"
        case "csv":
            lines = len(str(params.get("text", "")).splitlines())
            return f"CSV file of {lines:,} {'line' if lines == 1 else 'lines'}"
        case "search":
            ticked = f", of these {_named(params['ids'])}" if params.get("ids") else ""
            return f"Search for “{_cut(str(params.get('text', '')))}”{ticked}"
        case _:
            return ": ".join(filter(None, [source_words(schedule.source), _pairs(params)]))


def _end(whose: Any) -> str:
    return ENDS.get(str(whose), str(whose))


def _named(values: Sequence[Any]) -> str:
    rest = len(values) - _MOST_NAMED
    return ", ".join(map(str, values[:_MOST_NAMED])) + (f" and {rest:,} more" if rest > 0 else "")


def _pairs(params: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {_cut(str(value))}" for name, value in params.items())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
