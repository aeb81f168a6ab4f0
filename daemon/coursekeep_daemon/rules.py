"""The rules of schedules: what can be one, and what a rule asks for at one of its times."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from coursekeep_daemon.requests import BadRequest, RunRequest, check_patterns
from coursekeep_daemon.schedule import check_cron
from coursekeep_daemon.sections import RESERVED_SCHEDULE
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.spans import before, parse_span, parse_time_zone, year_end
from coursekeep_daemon.store import Schedule

__all__ = [
    "NAME",
    "YearEnds",
    "check_name",
    "check_rule",
    "cut_off",
    "declared_schedules",
    "request_of",
    "year_ends",
]

#: the last day of academic years, as `08-31`, by integration; of those that have one
YearEnds = Mapping[str, str]

#: what a schedule may be called
NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"

#: the only course source that counts back from a time
_BY_END = "end_date"

_ACADEMIC_YEAR = "academic_year"


def request_of(
    schedule: Schedule, slot: datetime, ends: YearEnds | None = None, *, latest: datetime | None = None
) -> RunRequest:
    """Return the request of one time of a schedule; the same, however late it is made.

    `latest` cuts the date, for a preview of a time to come: nobody knows yet what will have ended by then. Raises
    `BadRequest` where the rule counts from the academic year, and the integration has none.
    """
    params = dict(schedule.params)
    moment = cut_off(schedule, slot, ends, latest=latest)
    if moment is not None:
        exact = schedule.ended_by == _ACADEMIC_YEAR
        params |= {"before": moment.isoformat() if exact else moment.date().isoformat(), "ended_by": schedule.ended_by}
    return RunRequest(
        integration=schedule.integration,
        source=schedule.source,
        params=params,
        on_existing=schedule.on_existing,
        note=f"schedule {schedule.name}",
        include=tuple(schedule.include),
        exclude=tuple(schedule.exclude),
    )


def cut_off(
    schedule: Schedule, slot: datetime, ends: YearEnds | None = None, *, latest: datetime | None = None
) -> datetime | None:
    """Return the moment before which courses must have ended, for one time of a schedule; None without `ended_for`.

    From the end of a course or term, that is the midnight in UTC that begins the day so long ago. From the end of the
    academic year, it is the last such end that is at least so long ago by the calendar of the schedule's time zone.
    """
    if schedule.ended_for is None:
        return None
    if schedule.ended_by == _ACADEMIC_YEAR:
        here = slot.astimezone(ZoneInfo(schedule.time_zone))
        moment = year_end(_ends_of(schedule, ends), schedule.time_zone, before(here, schedule.ended_for))
        return moment if latest is None else min(moment, latest)
    moment = before(slot, schedule.ended_for)
    moment = moment if latest is None else min(moment, latest)
    return datetime(moment.year, moment.month, moment.day, tzinfo=UTC)


def check_name(name: str) -> str:
    """Return the name of a schedule. Raises ValueError that says what it may be."""
    if not re.fullmatch(NAME, name):
        raise ValueError("a name has 1 to 64 lower-case letters, digits, - and _, and begins with a letter or digit")
    if name == RESERVED_SCHEDULE:
        raise ValueError(f"{RESERVED_SCHEDULE!r} is the address of the console's form for schedules; take another name")
    return name


def check_rule(schedule: Schedule, ends: YearEnds) -> None:
    """Raise `BadRequest`, naming the field, where a schedule makes no sense by itself. Asks nobody."""
    for where, check in (
        ("time_zone", lambda: parse_time_zone(schedule.time_zone)),
        ("cron", lambda: check_cron(schedule.cron, schedule.time_zone)),
        ("ended_for", lambda: schedule.ended_for is None or parse_span(schedule.ended_for)),
    ):
        try:
            check()
        except ValueError as error:
            raise BadRequest(str(error), where=where) from None
    check_patterns(schedule.include, schedule.exclude)
    _check_end(schedule)
    if schedule.ended_by == _ACADEMIC_YEAR:
        _ends_of(schedule, ends)


def _check_end(schedule: Schedule) -> None:
    """Refuse an offset without a source that counts back, and the other way round."""
    if schedule.ended_for is None and schedule.ended_by != "course":
        what = f"{schedule.ended_by} counts from a tick only with ended_for"
        raise BadRequest(what, where="ended_by", remedy="Add ended_for, such as `6 months`, or leave ended_by out.")
    if schedule.ended_for is not None and schedule.source != _BY_END:
        what = f"the source {schedule.source} does not go by the end of courses"
        raise BadRequest(
            what, where="ended_for", remedy=f"Leave it out (null in a change), or take the source {_BY_END}."
        )
    if schedule.ended_for is not None and "before" in schedule.params:
        what = "there are a date and ended_for, which makes a new date at each tick"
        raise BadRequest(what, where="params.before", remedy="Leave one of them out.")
    if schedule.ended_for is None and schedule.source == _BY_END and "before" not in schedule.params:
        what = "it is missing: nothing says how long ago courses must have ended"
        raise BadRequest(what, where="ended_for", remedy="Give a span, such as `6 months`.")


def _ends_of(schedule: Schedule, ends: YearEnds | None) -> str:
    if ends is not None and schedule.integration in ends:
        return ends[schedule.integration]
    raise BadRequest(
        f"the integration {schedule.integration} does not say when its academic years end",
        where="ended_by",
        remedy=f'Set academic_year_ends = "08-31" (the last day) under [integrations.{schedule.integration}] in the '
        "settings, and restart the daemon.",
    )


def year_ends(settings: Settings) -> YearEnds:
    """Return the last day of academic years of those integrations that have one."""
    found = ((name, one.academic_year_ends) for name, one in settings.integrations.items())
    return {name: ends for name, ends in found if ends is not None}


def declared_schedules(settings: Settings, now: datetime) -> list[Schedule]:
    """Return the schedules of the settings. Raises `SettingsError` for a rule that cannot be used, naming the key."""
    declared, ends = [], year_ends(settings)
    for name, one in settings.schedules.items():
        time_zone = one.time_zone or settings.daemon.time_zone
        fields: dict[str, Any] = one.model_dump(exclude={"of", "time_zone"})
        fields |= {"ended_by": one.of, "time_zone": time_zone}
        fields |= {"include": list(one.include), "exclude": list(one.exclude)}
        schedule = Schedule(**fields, name=name, declared=True, created_by="settings", created_at=now)
        try:
            check_rule(schedule, ends)
        except BadRequest as error:
            key = ["of"] if error.where == "ended_by" else error.where.split(".")
            raise settings.origin.error(("schedules", name, *key), f"{error.what}. {error.remedy}".strip()) from None
        declared.append(schedule)
    return declared
