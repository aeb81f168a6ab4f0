"""Finding courses: terms, filters that mislead, and the server's own answer to "has it ended?"."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer

Collect = Callable[..., list[Any]]
NOW = "2026-03-15T12:00:00Z"


def ended_by_rule(course: dict[str, Any]) -> bool:
    """Work the rule out anew, from the answers alone."""
    if course["workflow_state"] == "completed":
        return True
    own = course["end_at"] if course["restrict_enrollments_to_course_dates"] else None
    end = own or course["term"]["end_at"]
    return bool(end) and datetime.fromisoformat(end) < datetime.fromisoformat(NOW)


def test_terms(client: httpx.Client) -> None:
    """Terms come from the root account, latest first, without deleted ones; a sub-account answers 400."""
    terms = client.get("/api/v1/accounts/self/terms").json()["enrollment_terms"]
    starts = [term["start_at"] for term in terms if term["start_at"]]
    deleted = client.get("/api/v1/accounts/1/terms", params={"workflow_state[]": "all"}).json()["enrollment_terms"]

    assert len(terms) == 5
    assert starts == sorted(starts, reverse=True)
    assert len(deleted) == 6
    assert client.get("/api/v1/accounts/2/terms").status_code == 400


def test_term_overrides(client: httpx.Client) -> None:
    """A term's end may differ by role; one term by itself always says so."""
    term = client.get("/api/v1/accounts/1/terms/sis_term_id:TERM-13").json()

    assert term["overrides"]["TeacherEnrollment"]["end_at"] > term["end_at"]


def test_concluded_follows_the_rule(collect: Collect, server: CampusServer) -> None:
    """`include[]=concluded` is Canvas's rule: the state, else own dates that count, else the term."""
    courses = collect("accounts/self/courses", **{"include[]": ["term", "concluded"]})
    ended = {course["id"] for course in courses if course["concluded"]}

    assert {course["id"]: ended_by_rule(course) for course in courses} == {c["id"]: c["concluded"] for c in courses}
    assert set(server.known["ended"]) <= ended
    assert not set(server.known["running"]) & ended
    assert len(server.known["ended"]) == 25


def test_every_branch_of_the_rule(server: CampusServer) -> None:
    """The campus has courses for each branch: state, own end, informational end, term end, no end at all."""
    campus = server.campus
    kinds = {
        (
            course.state == "completed",
            course.end_at is not None and course.restrict_to_dates,
            course.end_at is not None and not course.restrict_to_dates,
            campus.terms[course.term_id].end_at is not None,
            campus.has_ended(course),
        )
        for course in campus.courses.values()
    }

    assert {kind[4] for kind in kinds if kind[0]} == {True}
    assert {kind[4] for kind in kinds if kind[1]} == {True, False}
    assert {kind[4] for kind in kinds if kind[2]} == {True, False}
    assert (False, False, False, False, False) in kinds


def test_completed_filter_misleads(collect: Collect, server: CampusServer) -> None:
    """`completed=true` lists courses that are still open: it looks at any end, also one that does not count."""
    listed = {course["id"] for course in collect("accounts/self/courses", completed="true")}

    assert set(server.known["ended"]) <= listed
    assert listed & set(server.known["running"])


def test_there_is_no_ends_before(collect: Collect) -> None:
    """`ends_before` does not exist and filters nothing."""
    everything = collect("accounts/self/courses")

    assert len(collect("accounts/self/courses", ends_before="1990-01-01")) == len(everything)


@pytest.mark.parametrize(
    ("params", "takes"),
    [
        ({}, lambda course, term: course.state != "deleted"),
        ({"state[]": "all"}, lambda course, term: True),
        ({"state[]": "deleted"}, lambda course, term: course.state == "deleted"),
        ({"published": "false"}, lambda course, term: course.state in ("created", "claimed")),
        ({"enrollment_term_id": "11"}, lambda course, term: term.id == 11),
        ({"enrollment_term_id": "sis_term_id:TERM-11"}, lambda course, term: term.id == 11),
        ({"search_term": "Algebra"}, lambda course, term: course.name.startswith("Algebra")),
        ({"by_subaccounts[]": "3"}, lambda course, term: course.account_id == 3),
        ({"starts_before": "1990-01-01T00:00:00Z"}, lambda course, term: not (course.start_at and term.start_at)),
    ],
)
def test_filters(collect: Collect, server: CampusServer, params: dict[str, str], takes: Callable[..., bool]) -> None:
    """The filters that exist do what they say; where one of the dates is null, date filters pass."""
    campus = server.campus
    shown = (
        campus.courses.values() if "state[]" in params else [c for c in campus.courses.values() if c.state != "deleted"]
    )
    expected = [course.id for course in shown if takes(course, campus.terms[course.term_id])]

    assert [course["id"] for course in collect("accounts/1/courses", **params)] == sorted(expected)
    assert expected


def test_sub_account(collect: Collect) -> None:
    """The courses of an account include those of the accounts below it, and no others."""
    science = collect("accounts/sis_account_id:SCI/courses")

    assert {course["account_id"] for course in science} == {2, 4}


def test_bad_parameters(client: httpx.Client) -> None:
    """A search text of one letter, an unknown term and a bad date are refused."""
    path = "/api/v1/accounts/1/courses"

    assert client.get(path, params={"search_term": "a"}).status_code == 400
    assert client.get(path, params={"enrollment_term_id": "99"}).status_code == 404
    assert client.get(path, params={"ends_after": "soon"}).status_code == 400


def test_unpublished_state(client: httpx.Client, server: CampusServer) -> None:
    """Created and claimed courses call themselves `unpublished`."""
    course = next(c for c in server.campus.courses.values() if c.state == "claimed")

    assert client.get(f"/api/v1/courses/{course.id}").json()["workflow_state"] == "unpublished"


def test_ids_of_other_kinds(client: httpx.Client, server: CampusServer) -> None:
    """A course is found by its SIS id, plain or in hex, and by its uuid; the prefix is part of the path."""
    course = server.campus.courses[101]
    sis = course.sis_id or ""
    found = client.get(f"/api/v1/courses/sis_course_id:{sis}").json()

    assert found["id"] == 101
    assert client.get(f"/api/v1/courses/hex:sis_course_id:{sis.encode().hex()}").json()["id"] == 101
    assert client.get(f"/api/v1/courses/uuid:{found['uuid']}").json()["id"] == 101
    assert client.get("/api/v1/courses/sis_course_id:NO-SUCH").status_code == 404


def test_deleted_course(client: httpx.Client, server: CampusServer) -> None:
    """A deleted course is 404 unless an administrator asks for all courses."""
    path = f"/api/v1/courses/{server.known['deleted']}"

    assert client.get(path).status_code == 404
    assert client.get(path, params={"include[]": "all_courses"}).json()["workflow_state"] == "deleted"
    assert client.get(f"{path}/pages").status_code == 404


def test_date_restricted_course(client: httpx.Client, server: CampusServer) -> None:
    """A course restricted by date is a stub, which is no data, and refuses everything inside."""
    number = server.known["date_restricted"]

    assert client.get(f"/api/v1/courses/{number}").json() == {"id": number, "access_restricted_by_date": True}
    assert client.get(f"/api/v1/courses/{number}/pages").status_code == 403


def test_forbidden_course_is_listed(collect: Collect, client: httpx.Client, server: CampusServer) -> None:
    """A course may be in the list and yet refuse to be read."""
    number = server.known["forbidden"]

    assert number in {course["id"] for course in collect("accounts/self/courses")}
    assert client.get(f"/api/v1/courses/{number}/assignments").status_code == 403


def test_nickname(client: httpx.Client, trap: Callable[[str], int], server: CampusServer) -> None:
    """With a nickname, `name` is not the course's name."""
    course = client.get(f"/api/v1/courses/{trap('nickname')}").json()

    assert course["name"] == "My old course"
    assert course["original_name"] == server.campus.courses[trap("nickname")].name


def test_switched_off_part(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """A part that is switched off is 404 with a message of its own."""
    answer = client.get(f"/api/v1/courses/{trap('disabled_tabs')}/pages")

    assert answer.status_code == 404
    assert answer.json() == {"message": "That page has been disabled for this course"}


def test_shell(client: httpx.Client) -> None:
    """The course brings what is asked for, with the secret of its calendar among it."""
    wanted = ["syllabus_body", "term", "total_students", "tabs", "concluded"]
    course = client.get("/api/v1/courses/101", params={"include[]": wanted}).json()

    assert course["syllabus_body"].startswith("<h2>")
    assert course["total_students"] == 8
    assert course["calendar"]["ics"].endswith(".ics")
    assert {tab["id"] for tab in course["tabs"]} >= {"home", "modules"}


def test_same_seed_same_campus(order: Callable[..., CampusServer], connect: Callable[..., httpx.Client]) -> None:
    """Two campuses of one seed and day give the same answers, but for their addresses."""
    one, other = order(courses=6), order(courses=6)
    path = "/api/v1/courses/101/students/submissions?student_ids[]=all&grouped=1&include[]=submission_history"
    texts = [connect(server).get(path).text.replace(server.url, "") for server in (one, other)]

    assert texts[0] == texts[1]


def test_another_seed_another_campus() -> None:
    """Another seed makes another campus."""
    from coursekeep_campus import generated

    one, other = generated(seed=1, courses=5), generated(seed=2, courses=5)

    assert one.courses[101].content.syllabus != other.courses[101].content.syllabus


def test_too_few_courses() -> None:
    """A generated campus of fewer than five courses is refused with the number."""
    from coursekeep_campus import generated

    with pytest.raises(ValueError, match="at least 5 courses, not 2"):
        generated(courses=2)
