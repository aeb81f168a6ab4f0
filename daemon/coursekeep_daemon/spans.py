"""Spans of the calendar, as people write them: `6 months`, `90 days`, `1 year`; and names of time zones;
and ends of academic years."""

from __future__ import annotations

import re
from calendar import isleap
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.relativedelta import relativedelta

__all__ = ["before", "parse_span", "parse_time_zone", "parse_year_end", "year_end"]

_SPAN = re.compile(r"^\s*(\d{1,4})\s*(day|week|month|year)s?\s*$", re.IGNORECASE)


def parse_span(text: str) -> relativedelta:
    """Read a span. Raises ValueError that says how to write one."""
    found = _SPAN.match(text)
    if found is None:
        raise ValueError(f"{text!r} is no span; write a number with days, weeks, months or years: `6 months`")
    return relativedelta(**{f"{found[2].lower()}s": int(found[1])})  # type: ignore[arg-type]  # one of four names


def before(moment: datetime, span: str) -> datetime:
    """Return the moment a span earlier. The 31st less a month is the last day of the month before."""
    try:
        return moment - parse_span(span)
    except (OverflowError, ValueError) as error:
        raise ValueError(f"{span!r} before {moment:%Y-%m-%d} cannot be counted: {error}") from None


def parse_time_zone(name: str) -> str:
    """Return the name of a time zone. Raises ValueError where there is none of it."""
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone; write one such as `Europe/Vienna` or `UTC`") from None
    return name


def parse_year_end(text: str) -> str:
    """Return the last day of academic years, as `08-31`. Raises ValueError that says how to write one."""
    try:
        datetime.strptime(f"2000-{text}", "%Y-%m-%d")  # noqa: DTZ007  # a day of any leap year
    except ValueError:
        text = ""
    if not re.fullmatch(r"\d\d-\d\d", text):
        raise ValueError("write the last day of the academic year as month and day: `08-31`")
    return text


def year_end(ends: str, time_zone: str, until: datetime) -> datetime:
    """Return the last end of an academic year that is not after a moment: the midnight at which its last day ends.

    Where the last day is 29 February, other years end on the 28th.
    """
    zone = ZoneInfo(time_zone)
    year = until.astimezone(zone).year
    this = _midnight_after(year, ends, zone)
    return this if this <= until else _midnight_after(year - 1, ends, zone)


def _midnight_after(year: int, ends: str, zone: ZoneInfo) -> datetime:
    month, day = (int(part) for part in ends.split("-"))
    if (month, day) == (2, 29) and not isleap(year):
        day = 28
    # in UTC: moments of one zone are compared by their clocks, which jump
    return (datetime(year, month, day, tzinfo=zone) + timedelta(days=1)).astimezone(UTC)
