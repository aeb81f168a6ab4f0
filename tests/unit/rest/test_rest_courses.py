"""Terms and courses of a declared connector: found, chosen, and judged by the rule for their end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.rest_lms import listing, make_connector
from fakes.scripted_server import ScriptedServer, answer_json, status

from coursekeep import Course, CourseQuery, MalformedAnswer, NoAccess, NotFound, Term
from coursekeep.rest import Courses, EndRule, Terms

FIELDS = {
    "id": "id",
    "name": "name",
    "code": "code?",
    "sis_id": "sis?",
    "term_id": "term?",
    "state": "state?",
    "end_at": "end?",
    "account_id": "school?",
}
TERMS = Terms(path="/terms", key="items", fields={"id": "id", "name": "name", "end_at": "end?", "sis_id": "sis?"})


def courses_of(**more: Any) -> Courses:
    """Declare where courses are listed."""
    return Courses(**{"path": "/courses", "key": "items", "one": "/courses/{course_id}", "fields": FIELDS, **more})


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        server.on(
            "/terms", listing({"id": 10, "name": "Winter", "end": "2026-02-28", "sis": "W"}, {"id": 11, "name": "S"})
        )
        yield server


def ask(server: ScriptedServer, query: CourseQuery | None = None, **declared: Any) -> list[Course]:
    """List courses."""
    connector = make_connector(server.url, **{"course_list": courses_of(), "term_list": TERMS, **declared})

    async def main() -> list[Course]:
        async with connector:
            return [course async for course in connector.courses(query or CourseQuery())]

    return asyncio.run(main())


def one(server: ScriptedServer, course_id: str, **declared: Any) -> Course | None:
    """Look a course up."""
    connector = make_connector(server.url, **{"course_list": courses_of(), "term_list": TERMS, **declared})

    async def main() -> Course | None:
        async with connector:
            return await connector.course(course_id)

    return asyncio.run(main())


@pytest.mark.parametrize(
    ("course", "rule", "ended", "ended_at"),
    [
        ({"end": "2020-01-01T00:00:00Z"}, EndRule(), True, "2020-01-01T00:00:00+00:00"),
        ({"end": "2999-01-01T00:00:00Z"}, EndRule(), False, "2999-01-01T00:00:00+00:00"),
        ({"term": 10}, EndRule(), True, "2026-03-01T00:00:00+00:00"),
        ({"term": 10, "end": "2999-01-01T00:00:00Z"}, EndRule(), False, "2999-01-01T00:00:00+00:00"),
        ({"term": 10}, EndRule(dates=("end_at",)), False, None),
        ({"term": 11}, EndRule(), False, None),
        ({}, EndRule(), False, None),
        ({"state": "done"}, EndRule(states=("done",)), True, None),
        ({"state": "done", "end": "2999-01-01T00:00:00Z"}, EndRule(states=("done",)), True, None),
        (
            {"state": "done", "end": "2020-01-01T00:00:00Z"},
            EndRule(states=("done",)),
            True,
            "2020-01-01T00:00:00+00:00",
        ),
        ({"end": 1577836800}, EndRule(), True, "2020-01-01T00:00:00+00:00"),
        ({"end": 0}, EndRule(), False, None),
        ({"end": ""}, EndRule(), False, None),
        ({"end": "2020-01-01T01:00:00"}, EndRule(), True, "2020-01-01T00:00:00+00:00"),
    ],
)
def test_courses_end_by_the_rule(
    server: ScriptedServer, course: dict[str, Any], rule: EndRule, ended: bool, ended_at: str | None
) -> None:
    """Dates, states and terms say whether a course has ended, and when; a day counts to its last moment."""
    server.on("/courses", listing({"id": 1, "name": "Botany", **course}))
    zone = "Europe/Berlin" if course.get("end") == "2020-01-01T01:00:00" else "UTC"
    (found,) = ask(server, course_list=courses_of(ends=rule), time_zone=zone)

    assert found.ended is ended
    assert (found.ended_at.astimezone(UTC).isoformat() if found.ended_at else None) == ended_at


def test_terms_are_listed_and_described(server: ScriptedServer) -> None:
    """Terms come once each; a course has the name and the end of its term."""
    server.on("/courses", listing({"id": 1, "name": "Botany", "term": 10}))
    connector = make_connector(server.url, course_list=courses_of(), term_list=TERMS, time_zone="UTC")

    async def main() -> list[Term]:
        async with connector:
            return [term async for term in connector.terms()]

    assert [(term.id, term.sis_id) for term in asyncio.run(main())] == [("10", "W"), ("11", None)]
    (course,) = ask(server, time_zone="UTC")
    assert (course.term_name, course.term_end_at) == ("Winter", datetime(2026, 3, 1, tzinfo=UTC))


MANY = [
    {"id": 1, "name": "Botany", "code": "BOT", "term": 10, "school": "sci"},
    {"id": 2, "name": "Optics", "sis": "OPT-1", "term": 11, "school": "sci"},
    {"id": 3, "name": "Latin", "term": 10, "school": "arts"},
    {"id": 1, "name": "Botany", "code": "BOT", "term": 10, "school": "sci"},
]


@pytest.mark.parametrize(
    ("query", "ids"),
    [
        (CourseQuery(), ["1", "2", "3"]),
        (CourseQuery(term_ids=["10"]), ["1", "3"]),
        (CourseQuery(term_ids=["sis:W"]), ["1", "3"]),
        (CourseQuery(text="bot"), ["1"]),
        (CourseQuery(text="opt-1"), ["2"]),
        (CourseQuery(account="arts"), ["3"]),
        (CourseQuery(ended_before=datetime(2999, 1, 1, tzinfo=UTC)), ["1", "3"]),
    ],
)
def test_courses_are_chosen_here(server: ScriptedServer, query: CourseQuery, ids: list[str]) -> None:
    """Every condition of a query holds for what is listed; a course that is listed twice comes once."""
    server.on("/courses", listing(*MANY))

    assert [course.id for course in ask(server, query, time_zone="UTC")] == ids


def test_the_lms_may_narrow_the_list_down(server: ScriptedServer) -> None:
    """Where it is declared, the LMS lists a term's courses, and searches by itself; terms are judged here too."""
    server.on("/courses", listing(*MANY))
    declared = courses_of(term_parameter="term", text_parameter="q")
    found = ask(server, CourseQuery(term_ids=["11"], text="light"), course_list=declared, time_zone="UTC")

    assert [course.id for course in found] == ["2"]
    assert server.targets()[-1] == "/courses?term=11&q=light"


@pytest.mark.parametrize("query", [CourseQuery(term_ids=["77"]), CourseQuery(term_ids=["sis:none"])])
def test_a_term_that_does_not_exist_is_not_found(server: ScriptedServer, query: CourseQuery) -> None:
    """A query for an unknown term is refused: an empty answer would look like a term without courses."""
    server.on("/courses", listing(*MANY))

    with pytest.raises(NotFound, match="no term"):
        ask(server, query, time_zone="UTC")


def test_an_account_where_there_are_none_is_not_found(server: ScriptedServer) -> None:
    """A connector that tells of no accounts refuses a query by one."""
    server.on("/courses", listing(*MANY))
    fields = {"id": "id", "name": "name"}

    with pytest.raises(NotFound, match="no account"):
        ask(server, CourseQuery(account="sci"), course_list=courses_of(fields=fields), term_list=None)


@pytest.mark.parametrize(
    "course",
    [
        {"id": 1},
        {"name": "no id"},
        {"id": 1, "name": ""},
        {"id": 1, "name": "x", "end": "soon"},
        {"id": 1, "name": "x", "end": "2020-01-01T00:00:00"},
        {"id": 1, "name": "x", "end": True},
        {"id": 1, "name": "x", "term": {"id": 10}},
        "x",
    ],
)
def test_a_course_that_makes_no_sense_stops_the_list(server: ScriptedServer, course: Any) -> None:
    """A wrong date would leave a course out in silence: the list is refused, and the message names the field."""
    server.on("/courses", listing(course))

    with pytest.raises(MalformedAnswer):
        ask(server, term_list=None)


def test_terms_that_cannot_be_read_stop_what_depends_on_them(server: ScriptedServer) -> None:
    """Where courses end with their terms, or one is asked for, terms must be known; else only names are missing."""
    server.on("/terms", status(403))
    server.on("/courses", listing({"id": 1, "name": "Botany", "term": 10}))
    own = courses_of(ends=EndRule(dates=("end_at",)))

    with pytest.raises(NoAccess):
        ask(server)
    with pytest.raises(NoAccess):
        ask(server, CourseQuery(term_ids=["10"]), course_list=own)
    assert [course.term_name for course in ask(server, course_list=own)] == [None]


@pytest.mark.parametrize("course_id", ["99", "", ".", "..", "../terms", "a/b?c"])
def test_a_course_that_does_not_exist_is_none(server: ScriptedServer, course_id: str) -> None:
    """An id never leads to another path, whatever is in it."""
    assert one(server, course_id) is None
    assert not [target for target in server.targets() if target.startswith("/terms")]


def test_another_course_than_asked_for_is_refused(server: ScriptedServer) -> None:
    """An LMS that answers with another course than the one asked for is not believed."""
    server.on("/courses/1", answer_json({"id": 2, "name": "Optics"}))

    with pytest.raises(MalformedAnswer, match="another course"):
        one(server, "1")


@pytest.mark.parametrize("path", ["/sis/{sis_id}", None])
def test_a_course_is_found_by_its_sis_id(server: ScriptedServer, path: str | None) -> None:
    """`sis:` asks the LMS where it can be asked, and else searches the list."""
    server.on("/courses", listing(*MANY))
    server.on("/sis/OPT-1", answer_json(MANY[1]))
    declared = courses_of(one_by_sis=path)

    found = one(server, "sis:OPT-1", course_list=declared, time_zone="UTC")
    assert found is not None
    assert found.id == "2"
    assert one(server, "sis:none", course_list=declared, time_zone="UTC") is None
