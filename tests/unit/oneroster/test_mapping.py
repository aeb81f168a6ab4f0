"""What becomes of OneRoster's objects: terms, courses and records, alike from files and from a service."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.oneroster_files import district, write_zip
from fakes.oneroster_server import OneRosterServer
from pydantic import SecretStr, ValidationError

from coursekeep import NO_RETRY, Account, Course, CourseQuery, GapReason, Kind, NotFound, Term
from coursekeep.testing import Export, collect
from coursekeep_connectors.oneroster import OneRosterConnector, OneRosterSettings

CLASS = "c/1 ä"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_zip(tmp_path / "x.zip", district())


async def _export(settings: OneRosterSettings) -> Export:
    async with OneRosterConnector(settings, retry=NO_RETRY) as opened:
        course = await opened.course(CLASS)
        assert course is not None
        return await collect(opened, course)


def exported(settings: OneRosterSettings) -> Export:
    return asyncio.run(_export(settings))


def listed(path: Path, query: CourseQuery | None = None, **settings: str) -> list[Course]:
    async def main() -> list[Course]:
        async with OneRosterConnector(OneRosterSettings(path=path, **settings), retry=NO_RETRY) as opened:
            return [course async for course in opened.courses(query or CourseQuery())]

    return asyncio.run(main())


def test_sessions_become_terms_named_by_where_they_lie(path: Path) -> None:
    """A session is named with those above it; its last day counts; one that is to be deleted is no term."""

    async def main() -> tuple[list[Term], list[Account]]:
        async with OneRosterConnector(OneRosterSettings(path=path, time_zone="Europe/Berlin")) as opened:
            return [term async for term in opened.terms()], [account async for account in opened.accounts()]

    terms, accounts = asyncio.run(main())
    assert [(term.id, term.name) for term in terms] == [("y24", "2024"), ("t24", "2024 / Spring"), ("t99", "Far")]
    assert terms[1].start_at == datetime(2024, 1, 31, 23, tzinfo=UTC)
    assert terms[1].end_at == datetime(2024, 6, 30, 21, 59, 59, tzinfo=UTC)
    assert [(account.id, account.parent_id) for account in accounts] == [("dist", None), ("sch/1", "dist")]


def test_classes_become_courses_that_end_with_their_last_session(path: Path) -> None:
    """A class ends with the last of its sessions; one that is to be deleted has ended, nobody knows when."""
    ended, running, deleted = listed(path)

    assert (ended.name, ended.code, ended.sis_id, ended.state) == ("Physics 1", "PH-1", CLASS, None)
    assert (ended.term_id, ended.account_id, ended.account_name) == ("t24", "sch/1", "North School")
    assert (ended.ended, ended.ended_at) == (True, datetime(2024, 6, 30, 23, 59, 59, tzinfo=UTC))
    assert (running.term_id, running.ended) == ("t99", False)
    assert (deleted.state, deleted.ended, deleted.ended_at) == ("tobedeleted", True, None)


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (CourseQuery(term_ids=["t24"]), [CLASS, "c2"]),
        (CourseQuery(term_ids=["sis:y24"]), [CLASS, "c2"]),
        (CourseQuery(text="ph-1"), [CLASS]),
        (CourseQuery(account="dist"), [CLASS, "c2", "c3"]),
        (CourseQuery(ended_before=datetime(2024, 7, 1, tzinfo=UTC)), [CLASS, "c3"]),
        (CourseQuery(ended_before=datetime(2024, 6, 30, tzinfo=UTC)), ["c3"]),
    ],
)
def test_courses_are_chosen_by_every_condition(path: Path, query: CourseQuery, ids: Sequence[str]) -> None:
    """Terms take the classes of the terms within them; texts, organisations and ends are judged as everywhere."""
    assert [course.id for course in listed(path, query)] == ids


@pytest.mark.parametrize("query", [CourseQuery(term_ids=["t25"]), CourseQuery(account="sch/2")])
def test_unknown_terms_and_organisations_are_not_found(path: Path, query: CourseQuery) -> None:
    """A term or organisation that does not exist is told, rather than give an empty list."""
    with pytest.raises(NotFound):
        listed(path, query)


def test_a_class_is_mapped_with_everything_that_is_known_of_it(path: Path) -> None:
    """People, enrolments in every state, line items and results come out whole; what is absent is null."""
    export = exported(OneRosterSettings(path=path))

    people = export.of(Kind.PEOPLE)
    assert (people["u1"]["name"], people["u1"]["pronouns"], people["u2"]["short_name"]) == (
        "Ada Byron",
        "she/her",
        "Bobby",
    )
    enrolled = export.of(Kind.ENROLLMENTS)
    states = {id_: (data["role"], data["role_name"], data["state"]) for id_, data in enrolled.items()}
    assert states == {
        "e1": ("teacher", "teacher", "active"),
        "e2": ("student", "student", "active"),
        "e3": ("student", "student", "tobedeleted"),
        "e5": ("other", "proctor", "active"),
    }
    assert enrolled["e2"]["end_at"] is None
    sheet = export.of(Kind.ASSIGNMENTS)["l1"]
    assert (sheet["group_id"], sheet["description_html"], sheet["points_possible"]) == ("cat", "a &lt; b", 10.0)
    assert export.of(Kind.ASSIGNMENT_GROUPS) == {"cat": {"name": "Homework", "weight": 40.0}}
    results = export.of(Kind.SUBMISSIONS)
    assert (results["x1"]["score"], results["x1"]["grade"], results["x1"]["late"]) == (9.5, "A", True)
    assert results["x1"]["comments"] == [{"text": "Good,\nreally"}]
    assert (results["x1"]["graded_at"], results["x1"]["extra"]["score_date"]) == (None, "2024-02-13")
    assert (results["x2"]["excused"], results["x2"]["score"], results["x3"]["missing"]) == (True, None, True)
    assert set(export.of(Kind.SETTINGS)) == {
        *("class", "course", "school"),
        *("academicSession-t24", "academicSession-y24", "scoreScale-sc1"),
    }


def test_whoever_is_referred_to_but_missing_is_a_gap(path: Path) -> None:
    """An enrolled person whom no row describes is expected, and named missing."""
    export = exported(OneRosterSettings(path=path))

    assert [(gap.id, gap.reason) for gap in export.gaps] == [("u9", GapReason.NOT_FOUND)]
    assert sum(one.count for one in export.expected if one.kind is Kind.PEOPLE) == 4


def test_values_that_make_no_sense_are_gaps_and_stay_as_written(tmp_path: Path) -> None:
    """A score that is no number leaves the record, without a score, beside a gap; the raw row keeps the text."""
    tables = district()
    tables["results"] = [row.replace(",9.5,", ",9.5/10,") for row in tables["results"]]
    tables["enrollments"] = [row.replace("2024-02-01,2024-06-30", "1/2/2024,") for row in tables["enrollments"]]
    export = exported(OneRosterSettings(path=write_zip(tmp_path / "x.zip", tables)))

    assert export.of(Kind.SUBMISSIONS)["x1"]["score"] is None
    assert {(gap.kind, gap.id, gap.count) for gap in export.gaps} >= {
        (Kind.SUBMISSIONS, "x1", 0),
        (Kind.ENROLLMENTS, "e1", 0),
    }
    assert "9.5/10" in json.dumps([page.body for page in export.pages])


def test_two_different_rows_of_one_id_are_a_gap(tmp_path: Path) -> None:
    """The first of two different enrolments of one id is kept, the second named; an equal one is none."""
    tables = district()
    rows = tables["enrollments"]
    tables["enrollments"] = [*rows, rows[1], rows[2].replace("student", "teacher")]
    export = exported(OneRosterSettings(path=write_zip(tmp_path / "x.zip", tables)))

    assert [gap.id for gap in export.gaps_of(Kind.ENROLLMENTS)] == ["e2"]
    assert export.of(Kind.ENROLLMENTS)["e2"]["role"] == "student"
    assert sum(one.count for one in export.expected if one.kind is Kind.ENROLLMENTS) == 5


def test_added_columns_stay_in_the_raw_rows_and_passwords_do_not(path: Path) -> None:
    """A column of the institution's own is kept; one that is named like a password never is."""
    told = json.dumps([page.body for page in exported(OneRosterSettings(path=path)).pages])

    assert '"metadata.room": "R2"' in told
    assert "hush-3" not in told
    assert "hush-4" not in told


def test_demographics_are_kept_only_where_they_are_asked_for(path: Path) -> None:
    """Birth dates are in no package unless the setting says so."""
    without, with_ = (exported(OneRosterSettings(path=path, demographics=wanted)) for wanted in (False, True))

    assert "2009-01-02" not in json.dumps([page.body for page in without.pages])
    assert [page.endpoint for page in with_.pages].count("demographics") == 1
    assert "2009-01-02" in json.dumps([page.body for page in with_.pages])


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_files_and_service_give_the_same_records(tmp_path: Path, version: str) -> None:
    """The same district gives the same people, enrolments, line items and results, whichever way it is read."""
    tables = district(version)
    token = "made-up-token-77"
    with OneRosterServer(tables, version, token=token) as server:
        over_rest = exported(OneRosterSettings(base_url=server.url, token=SecretStr(token), page_size=2))
    from_files = exported(OneRosterSettings(path=write_zip(tmp_path / "x.zip", tables)))

    for kind in (Kind.PEOPLE, Kind.ASSIGNMENT_GROUPS):
        assert over_rest.of(kind) == from_files.of(kind)
    for kind in (Kind.ENROLLMENTS, Kind.ASSIGNMENTS, Kind.SUBMISSIONS):
        for id_, data in from_files.of(kind).items():
            # A service states its status and its changes, which bulk files leave out.
            other = dict(over_rest.of(kind)[id_]) | {"updated_at": data.get("updated_at")}
            extra = {key: value for key, value in other.pop("extra", {}).items() if key != "status"}
            mine = {key: value for key, value in data.items() if key != "extra"}
            assert extra == {key: value for key, value in data.get("extra", {}).items() if key != "status"}
            assert {key: value for key, value in other.items() if key in mine} == mine
    assert {(gap.kind, gap.id) for gap in over_rest.gaps} == {(gap.kind, gap.id) for gap in from_files.gaps}


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "either base_url"),
        ({"base_url": "https://x.example.edu", "path": "x.zip", "token": "t"}, "either base_url"),
        ({"base_url": "https://x.example.edu"}, "set token, or client_id"),
        ({"base_url": "https://x.example.edu", "client_id": "c", "oauth_url": "https://x"}, "set token, or client_id"),
        ({"base_url": "https://x.example.edu", "token": "t", "client_id": "c"}, "either token"),
        ({"path": "x.zip", "token": "t"}, "belong to base_url"),
        ({"path": "x.zip", "time_zone": "Mars/Olympus"}, "no time zone"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(settings: dict[str, str], said: str) -> None:
    """One source, and one way of authentication; the message names what to set."""
    with pytest.raises(ValidationError, match=said):
        OneRosterSettings.model_validate(settings)
