"""Spans of the calendar, as people write them: `6 months`, `90 days`, `1 year`; and names of time zones."""

from __future__ import annotations

import re
from datetime import datetime
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.relativedelta import relativedelta

__all__ = ["before", "parse_span", "parse_time_zone"]

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
