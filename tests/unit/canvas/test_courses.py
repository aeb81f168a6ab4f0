"""Finding courses and terms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.canvas_answers import CanvasAnswers, missing, paged, parts_of, run

from coursekeep import Account, CourseQuery, MalformedAnswer, NoAccess, NotFound
from coursekeep_connectors.canvas.courses import address_of

PAST, FUTURE = "2020-06-30T00:00:00Z", "2099-06-30T00:00:00Z"
LIST = "/api/v1/accounts/self/courses"


def _course(course_id: int, **more: Any) -> dict[str, Any]:
    return {"id": course_id, "name": f"Course {course_id}", "workflow_state": "available", **more}


def _found(canvas: CanvasAnswers, **query: Any) -> list[str]:
    connector = canvas.connector()

    async def main() -> list[str]:
        return [course.id async for course in connector.courses(CourseQuery(**query))]

    return run(main())


def test_completed_filter_is_not_trusted() -> None:
    """A course that is open after its term by its own end is not taken, and Canvas's filter is not even used."""
    still_open = _course(
        1, end_at=FUTURE, restrict_enrollments_to_course_dates=True, term={"end_at": PAST}, concluded=False
    )
    ended = _course(2, term={"end_at": PAST}, concluded=True)
    canvas = CanvasAnswers().on(LIST, [still_open, ended])

    assert _found(canvas, ended_before=datetime(2026, 1, 1, tzinfo=UTC)) == ["2"]
    assert all("completed" not in request.url.params for request in canvas.asked)


def test_term_ended_for_students_only_is_found_where_canvas_does_not_say() -> None:
    """Where Canvas leaves out `concluded`, the term's end for students decides, read from the root account."""
    overrides = {"StudentEnrollment": {"end_at": PAST}}
    canvas = CanvasAnswers().on(LIST, [_course(1, enrollment_term_id=5, term={"id": 5, "end_at": FUTURE})])
    canvas.on("/api/v1/accounts/self", {"id": 3, "root_account_id": 1})
    canvas.on("/api/v1/accounts/1/terms", {"enrollment_terms": [{"id": 5, "name": "T", "overrides": overrides}]})

    assert _found(canvas, ended_before=datetime(2026, 1, 1, tzinfo=UTC)) == ["1"]


def test_repeated_course_is_yielded_once() -> None:
    """Courses that come again, because the list moved while it was read, are one course."""
    first, second = _course(1, concluded=True), _course(2, concluded=True)
    canvas = CanvasAnswers().on(LIST, paged([first, second], [second, _course(3, concluded=True)]))

    assert _found(canvas) == ["1", "2", "3"]


def test_course_without_sense_does_not_end_the_list() -> None:
    """One course with an impossible date is still listed, to fail visibly, and the others are found."""
    canvas = CanvasAnswers().on(LIST, [_course(1, end_at="soon", concluded=True), _course(2, concluded=True)])

    assert _found(canvas) == ["1", "2"]


def test_nickname_is_not_the_name() -> None:
    """A nickname that the token's owner gave the course does not get into the archive."""
    item = _course(7, original_name="Botany I", concluded=False)
    canvas = CanvasAnswers().on("/api/v1/courses/7", item)

    course = run(canvas.connector().course("7"))

    assert course is not None
    assert course.name == "Botany I"


def test_deleted_course_is_none() -> None:
    """A course that Canvas answers with 404 is none."""
    assert run(CanvasAnswers().connector().course("404")) is None


def test_stub_by_date_is_no_access() -> None:
    """A course of which Canvas gives only an id, because of the caller's dates, is not readable; it is no data."""
    canvas = CanvasAnswers().on("/api/v1/courses/7", {"id": 7, "access_restricted_by_date": True})

    async def main() -> None:
        with pytest.raises(NoAccess, match="administrator"):
            await canvas.connector().course("7")

    run(main())


def test_deleted_between_selection_and_export() -> None:
    """A course that is gone when it is to be read is `NotFound`."""
    canvas = CanvasAnswers().on("/api/v1/courses/7", _course(7, concluded=True), missing())
    connector = canvas.connector()
    course = run(connector.course("7"))
    assert course is not None

    with pytest.raises(NotFound):
        parts_of(connector.export(course))


def test_vanished_while_being_read() -> None:
    """A course deleted in the middle of its export is `NotFound`, not a package full of gaps."""
    canvas = CanvasAnswers().on("/api/v1/courses/7", _course(7, concluded=True), _course(7, concluded=True), missing())
    connector = canvas.connector()
    course = run(connector.course("7"))
    assert course is not None

    with pytest.raises(NotFound, match="vanished"):
        parts_of(connector.export(course))


@pytest.mark.parametrize(
    ("course_id", "expected"),
    [
        ("7", "7"),
        ("10000000000123", "10000000000123"),
        ("1~123", "1~123"),
        ("sis:BIO-101", "sis_course_id:BIO-101"),
        ("sis:Bio 101 ü", "sis_course_id:Bio%20101%20%C3%BC"),
        ("sis:A/B.1", "hex:sis_course_id:412f422e31"),
        ("BIO-101", None),
        ("7/users", None),
        ("../accounts/1", None),
        ("sis:", None),
        ("7~", None),
        ("", None),
        ("²", None),
    ],
)
def test_addresses_of_ids(course_id: str, expected: str | None) -> None:
    """Ids and SIS ids become one path segment; what can be no id of Canvas's is never asked for."""
    assert address_of(course_id) == expected


def test_sub_account_asks_the_root_for_terms() -> None:
    """Terms belong to the root account; a sub-account would be refused."""
    canvas = CanvasAnswers().on("/api/v1/accounts/12", {"id": 12, "root_account_id": 1})
    spring, autumn = {"id": 5, "name": "Spring"}, {"id": 6, "name": "Autumn"}
    canvas.on("/api/v1/accounts/1/terms", paged([spring], [autumn], key="enrollment_terms"))
    connector = canvas.connector(account="12")

    async def main() -> list[str]:
        return [term.id async for term in connector.terms()]

    assert run(main()) == ["5", "6"]


def test_check_names_the_permission() -> None:
    """A token that may not list courses is told which permission is missing."""
    canvas = CanvasAnswers().on("/api/v1/users/self", {"id": 1}).on("/api/v1/accounts/self", {"id": 1, "name": "Uni"})
    canvas.on("/api/v1/accounts/1/terms", {"enrollment_terms": []})
    connector = canvas.connector()

    async def main() -> dict[str, tuple[bool, str]]:
        return {step.name: (step.ok, step.remedy) async for step in connector.check()}

    steps = run(main())
    assert steps["credentials"] == (True, "")
    assert steps["course list"][0] is False
    assert "read_course_list" in steps["course list"][1]


def test_accounts_are_the_configured_one_and_all_below() -> None:
    """The tree is read from the account of the settings down; Canvas is asked for all levels at once."""
    canvas = CanvasAnswers().on("/api/v1/accounts/self", {"id": 1, "name": "University", "sis_account_id": "U"})
    below = [{"id": 2, "name": "Science", "parent_account_id": 1}, {"id": 4, "name": None, "parent_account_id": 2}]
    canvas.on("/api/v1/accounts/1/sub_accounts", below)
    connector = canvas.connector()

    async def main() -> list[Account]:
        return [account async for account in connector.accounts()]

    assert run(main()) == [
        Account(id="1", name="University", sis_id="U"),
        Account(id="2", name="Science", parent_id="1"),
        Account(id="4", name="", parent_id="2"),
    ]
    assert canvas.asked[-1].url.params["recursive"] == "true"


def test_an_account_that_makes_no_sense_is_refused() -> None:
    """An account without an id is a malformed answer: a branch must not be judged by half a tree."""
    canvas = CanvasAnswers().on("/api/v1/accounts/self", {"id": 1, "name": "University"})
    canvas.on("/api/v1/accounts/1/sub_accounts", [{"name": "Science"}])
    connector = canvas.connector()

    async def main() -> None:
        async for _ in connector.accounts():
            pass

    with pytest.raises(MalformedAnswer, match="account"):
        run(main())
