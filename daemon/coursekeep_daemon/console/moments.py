"""Moments as people read them: in the visitor's time zone, with the exact one at hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Request
from markupsafe import Markup, escape

__all__ = ["ZONE_COOKIE", "show_clock", "show_day", "show_moment", "span_words", "zone_of"]

#: set by the script of our pages to the browser's own zone, or by the visitor on the account page
ZONE_COOKIE = "coursekeep_zone"


def zone_of(request: Request, usual: str) -> ZoneInfo:
    """Return the visitor's time zone: what the cookie says, else the daemon's."""
    try:
        return ZoneInfo(request.cookies.get(ZONE_COOKIE) or usual)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo(usual)


def show_moment(moment: datetime | None, zone: ZoneInfo, *, empty: str = "–") -> Markup:
    """Show a moment to the minute in a zone; the second, the zone and UTC appear on hover."""
    return _show(moment, zone, empty, "{0.day} {0:%b %Y, %H:%M}")


def show_day(moment: datetime | None, zone: ZoneInfo, *, empty: str = "–") -> Markup:
    """Show the day of a moment in a zone; the rest appears on hover."""
    return _show(moment, zone, empty, "{0.day} {0:%b %Y}")


def show_clock(moment: datetime | None, zone: ZoneInfo, *, empty: str = "–") -> Markup:
    """Show the time of day of a moment in a zone, to the second; the rest appears on hover."""
    return _show(moment, zone, empty, "{0:%H:%M:%S}")


def _show(moment: datetime | None, zone: ZoneInfo, empty: str, form: str) -> Markup:
    if moment is None:
        return Markup('<span class="none">{}</span>').format(empty)
    local, utc = moment.astimezone(zone), moment.astimezone(UTC)
    exact = f"{local:%A} {local.day} {local:%B %Y, %H:%M:%S %Z} ({utc:%Y-%m-%d %H:%M:%S} UTC)"
    shown = form.format(local)
    return Markup('<time datetime="{}" title="{}">{}</time>').format(f"{utc:%Y-%m-%dT%H:%M:%SZ}", escape(exact), shown)


def span_words(span: timedelta) -> str:
    """Say how long something took: `3 h 05 min`, `12 s`."""
    seconds = max(int(span.total_seconds()), 0)
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, seconds = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes:02} min"
    return f"{minutes} min {seconds:02} s" if minutes else f"{seconds} s"
