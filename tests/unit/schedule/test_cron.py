"""Cron rules mean what cron means, and spans what the calendar means."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from coursekeep_daemon.schedule import check_cron, last_slot, next_slots
from coursekeep_daemon.spans import before

#: a Friday
START = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)


def first(cron: str, zone: str = "UTC", after: datetime = START) -> str:
    return next_slots(cron, zone, after)[0].strftime("%a %Y-%m-%d %H:%M")


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 3 15 * *", "Fri 2026-05-15 03:00"),
        ("0 3 * * 0", "Sun 2026-05-03 03:00"),  # 0 is Sunday, though APScheduler counts from Monday
        ("0 3 * * 7", "Sun 2026-05-03 03:00"),
        ("0 3 * * 1-5", "Mon 2026-05-04 03:00"),
        ("0 3 * * sat-sun", "Sat 2026-05-02 03:00"),
        ("0 3 * * */3", "Sat 2026-05-02 03:00"),  # Sunday, Wednesday, Saturday
        ("0 3 20 * 1", "Mon 2026-05-04 03:00"),  # either day field suffices, as in cron
        ("@daily", "Sat 2026-05-02 00:00"),
        ("30 2 * * *", "Sat 2026-05-02 02:30"),
    ],
)
def test_a_rule_is_due_when_cron_says(cron, expected):
    """Weekdays, ranges, steps and both day fields follow cron, not APScheduler."""
    assert first(cron) == expected


def test_a_rule_is_due_in_its_own_time_zone():
    """03:00 in Vienna is 01:00 UTC in summer."""
    assert first("0 3 * * *", "Europe/Vienna") == "Sat 2026-05-02 01:00"


@pytest.mark.parametrize("cron", ["", "0 3 * *", "61 * * * *", "0 3 * * 8", "0 3 * * mon-", "0 3 * * 5-1", "x * * * *"])
def test_what_is_no_rule_is_refused_with_an_example(cron):
    """A bad rule is told of with itself in the message."""
    with pytest.raises(ValueError, match=r"no cron rule|no weekday"):
        check_cron(cron, "UTC")


def test_an_unknown_time_zone_is_refused():
    """A time zone that does not exist is told of."""
    with pytest.raises(ValueError, match="Mars"):
        check_cron("0 3 * * *", "Mars/Olympus")


@pytest.mark.parametrize(
    ("cron", "days", "expected"),
    [
        ("* * * * *", 1000, datetime(2026, 5, 1, 12, 0, tzinfo=UTC)),
        ("0 3 * * *", 1000, datetime(2026, 5, 1, 3, 0, tzinfo=UTC)),
        ("0 3 15 * *", 1000, datetime(2026, 4, 15, 3, 0, tzinfo=UTC)),
        ("0 3 29 2 *", 1000, datetime(2024, 2, 29, 3, 0, tzinfo=UTC)),
        ("0 3 15 * *", 5, None),
    ],
)
def test_the_last_time_missed_is_found(cron, days, expected):
    """Of many missed times the last counts; none since the last start is none."""
    assert last_slot(cron, "UTC", START - timedelta(days=days), START) == expected


@pytest.mark.parametrize(
    ("span", "expected"),
    [("6 months", "2025-11-01"), ("90 days", "2026-01-31"), ("1 year", "2025-05-01"), ("2 Weeks", "2026-04-17")],
)
def test_spans_follow_the_calendar(span, expected):
    """Months and years are the calendar's, not 30 or 365 days."""
    assert before(START, span).date().isoformat() == expected


def test_a_month_before_the_31st_is_the_last_day_of_the_month_before():
    """A day that does not exist becomes the month's last."""
    assert before(datetime(2026, 3, 31, tzinfo=UTC), "1 month").date().isoformat() == "2026-02-28"


def test_a_span_beyond_the_calendar_is_refused():
    """A span that leads before the year 1 is told of, not a crash."""
    with pytest.raises(ValueError, match="cannot be counted"):
        before(START, "9999 years")
