"""What a rule asks for: cut-offs after course, term and academic year, and rules that make no sense."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.store_house import schedule

from coursekeep import Course, CourseQuery, EndOf, SettingsError
from coursekeep_daemon.requests import BadRequest
from coursekeep_daemon.rules import check_name, check_rule, cut_off, declared_schedules, request_of, year_ends
from coursekeep_daemon.settings import load_settings
from coursekeep_daemon.spans import parse_year_end, year_end


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # year, month, day, and what follows


YEAR_ENDS = [
    # the very midnight, and the moment before it
    ("08-31", "UTC", at(2026, 9, 1), at(2026, 9, 1)),
    ("08-31", "UTC", at(2026, 8, 31, 23, 59, 59), at(2025, 9, 1)),
    # the midnight of the zone, in summer time; where UTC has it already, Vancouver does not
    ("08-31", "Europe/Vienna", at(2026, 8, 31, 22), at(2026, 8, 31, 22)),
    ("08-31", "Europe/Vienna", at(2026, 8, 31, 21, 59), at(2025, 8, 31, 22)),
    ("08-31", "America/Vancouver", at(2026, 9, 1, 6), at(2025, 9, 1, 7)),
    # years that end with the calendar's, east and west of Greenwich
    ("12-31", "UTC", at(2027, 1, 1), at(2027, 1, 1)),
    ("12-31", "Pacific/Auckland", at(2026, 12, 31, 11), at(2026, 12, 31, 11)),
    ("12-31", "America/Vancouver", at(2027, 1, 1, 7), at(2026, 1, 1, 8)),
    # the last day of February
    ("02-29", "UTC", at(2028, 3, 1), at(2028, 3, 1)),
    ("02-29", "UTC", at(2028, 2, 29, 12), at(2027, 3, 1)),
    ("02-29", "UTC", at(2027, 3, 1), at(2027, 3, 1)),
    ("02-28", "UTC", at(2028, 2, 29), at(2028, 2, 29)),
    # a midnight that the clocks skip
    ("09-05", "America/Santiago", at(2026, 9, 6, 12), at(2026, 9, 6, 4)),
]


@pytest.mark.parametrize(("ends", "zone", "until", "expected"), YEAR_ENDS)
def test_an_academic_year_ends_at_the_midnight_that_closes_its_last_day(
    ends: str, zone: str, until: datetime, expected: datetime
) -> None:
    """The last end not after a moment is the midnight of the schedule's own zone, also in leap years."""
    assert year_end(ends, zone, until) == expected


@pytest.mark.parametrize("text", ["", "31-08", "8-31", "08-32", "2026-08-31", "02-30", "08/31", "aug", "08-31 "])
def test_a_day_that_ends_no_year_is_refused(text: str) -> None:
    """`academic_year_ends` is a month and a day with two digits each."""
    with pytest.raises(ValueError, match="08-31"):
        parse_year_end(text)


CUT_OFFS: list[tuple[dict[str, Any], datetime, datetime | None]] = [
    ({}, at(2026, 5, 15, 3), at(2025, 11, 15)),
    ({"ended_by": "term"}, at(2026, 8, 31, 3), at(2026, 2, 28)),
    # six months after 1 September are over on 1 March, to the hour by the zone's own clock
    ({"ended_by": "academic_year"}, at(2027, 2, 28, 23), at(2026, 8, 31, 22)),
    ({"ended_by": "academic_year"}, at(2027, 2, 28, 22, 59), at(2025, 8, 31, 22)),
    ({"ended_by": "academic_year", "ended_for": "0 days"}, at(2026, 8, 31, 22), at(2026, 8, 31, 22)),
    ({"ended_for": None, "params": {"before": "2026-01-01"}}, at(2026, 5, 15, 3), None),
]


@pytest.mark.parametrize(("rule", "slot", "expected"), CUT_OFFS)
def test_a_cut_off_is_counted_back_from_the_tick(
    rule: dict[str, Any], slot: datetime, expected: datetime | None
) -> None:
    """From course or term a day in UTC; from the academic year the last end that is long enough ago."""
    made = schedule(time_zone="Europe/Vienna", **rule)

    assert cut_off(made, slot, {"main": "08-31"}) == expected


def test_a_preview_does_not_look_into_the_future() -> None:
    """A cut-off that has not come yet is cut to the present; the request names the exact moment of a year's end."""
    soon = schedule(ended_by="academic_year", ended_for="0 days")
    now = at(2026, 8, 30, 12)

    assert cut_off(soon, at(2026, 9, 1), {"main": "08-31"}, latest=now) == now
    assert request_of(soon, at(2026, 9, 1), {"main": "08-31"}).params == {
        "before": "2026-09-01T00:00:00+00:00",
        "ended_by": "academic_year",
    }


YEAR = at(2026, 9, 1)
BEFORE, AFTER = at(2026, 6, 30), at(2026, 12, 20)
COURSES: list[tuple[dict[str, Any], bool]] = [
    ({"ended_at": BEFORE}, True),
    ({"ended_at": YEAR}, True),
    ({"ended_at": AFTER}, False),
    ({"ended_at": AFTER, "term_end_at": BEFORE}, True),
    ({"ended_at": BEFORE, "term_end_at": AFTER}, True),
    ({"ended_at": AFTER, "term_end_at": AFTER}, False),
    ({"ended_at": None, "term_end_at": AFTER}, True),
    ({"ended_at": BEFORE, "ended": False}, False),
]


@pytest.mark.parametrize(("course", "taken"), COURSES)
def test_a_course_belongs_to_the_year_in_which_it_or_its_term_ended(course: dict[str, Any], taken: bool) -> None:
    """The earlier of the two decides, the year's last moment included; an unknown end is taken, what still runs not."""
    query = CourseQuery(ended_before=YEAR, ended_by=EndOf.ACADEMIC_YEAR)

    assert query.end_fits(Course(**({"id": "1", "name": "x", "ended": True} | course))) is taken


NONSENSE: list[tuple[dict[str, Any], str, str]] = [
    ({"time_zone": "Mars/Olympus"}, "time_zone", "Europe/Vienna"),
    ({"cron": "often"}, "cron", "minute, hour"),
    ({"cron": "0 0 31 2 *"}, "cron", "never comes"),
    ({"ended_for": "half a year"}, "ended_for", "6 months"),
    ({"ended_for": None}, "ended_for", "how long ago"),
    ({"ended_for": None, "params": {"before": "2026-01-01"}, "ended_by": "term"}, "ended_by", "only with ended_for"),
    ({"source": "terms", "params": {"terms": ["1"]}}, "ended_for", "does not go by the end"),
    ({"params": {"before": "2026-01-01"}}, "params.before", "a new date at each tick"),
    ({"include": ["BIO*", "account: "]}, "include.1", "no pattern"),
    ({"integration": "other", "ended_by": "academic_year"}, "ended_by", "does not say when its academic years end"),
]


@pytest.mark.parametrize(("rule", "where", "says"), NONSENSE)
def test_a_rule_that_makes_no_sense_names_its_field(rule: dict[str, Any], where: str, says: str) -> None:
    """Each field that cannot be used is named, with what to write instead."""
    with pytest.raises(BadRequest) as refused:
        check_rule(schedule(**rule), {"main": "08-31"})

    assert refused.value.where == where
    assert says in f"{refused.value} {refused.value.remedy}"


MAIN = '[daemon]\ntime_zone = "Europe/Vienna"\n[integrations.main]\nconnector = "canvas"\n'
DECLARED = '[schedules.year]\nintegration = "main"\ncron = "0 3 15 * *"\nended_for = "6 months"\nof = "academic_year"\n'


def test_the_end_of_the_academic_year_is_the_integrations_own(tmp_path):
    """`academic_year_ends` of the integration counts for the schedules on it; without it none may ask for it."""
    path = tmp_path / "settings.toml"
    path.write_text(MAIN + 'academic_year_ends = "08-31"\n' + DECLARED)
    settings = load_settings(path)
    (made,) = declared_schedules(settings, at(2026, 5, 20))
    path.write_text(MAIN + DECLARED)

    assert cut_off(made, at(2027, 3, 15, 2), year_ends(settings)) == at(2026, 8, 31, 22)
    with pytest.raises(SettingsError, match=r"schedules\.year\.of .*line 9.*academic_year_ends"):
        declared_schedules(load_settings(path), at(2026, 5, 20))
    path.write_text(MAIN + 'academic_year_ends = "31 August"\n')
    with pytest.raises(SettingsError, match=r"integrations\.main\.academic_year_ends .*line 5"):
        load_settings(path)


def test_no_schedule_is_called_as_the_form_of_the_console(tmp_path: Path) -> None:
    """The name `new` is refused wherever schedules are named: it is the address of the console's form."""
    path = tmp_path / "settings.toml"
    path.write_text(
        '[integrations.main]\nconnector = "canvas"\n\n'
        '[schedules.new]\nintegration = "main"\ncron = "0 3 * * *"\nended_for = "1 year"\n',
        encoding="utf-8",
    )

    with pytest.raises(SettingsError, match="take another name"):
        load_settings(path)
    with pytest.raises(ValueError, match="take another name"):
        check_name("new")
