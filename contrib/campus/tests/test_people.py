"""People: most of them are missing where nobody asks for those whose enrolment is over."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

Collect = Callable[..., list[Any]]
EVERY_STATE = ["active", "invited", "creation_pending", "completed", "inactive", "rejected", "deleted"]


def test_default_states(collect: Collect, trap: Callable[[str], int]) -> None:
    """Without states, enrolments that are completed, rejected or deleted are left out."""
    path = f"courses/{trap('enrollment_states')}/enrollments"
    default = {doc["enrollment_state"] for doc in collect(path)}
    everything = {doc["enrollment_state"] for doc in collect(path, **{"state[]": EVERY_STATE})}

    assert default == {"active", "invited", "creation_pending", "inactive"}
    assert everything == set(EVERY_STATE)


def test_completed_course_seems_empty(collect: Collect) -> None:
    """In a course that was concluded, the default hides all students."""
    path = "courses/103/enrollments"
    students = [doc for doc in collect(path) if doc["type"] == "StudentEnrollment"]

    assert students == []
    assert len(collect(path, **{"state[]": "completed"})) == 8


def test_filters(collect: Collect, trap: Callable[[str], int]) -> None:
    """Enrolments are filtered by type and by user."""
    path = f"courses/{trap('enrollment_states')}/enrollments"
    observers = collect(path, **{"type[]": "ObserverEnrollment"})
    twice = collect(path, user_id=observers[0]["associated_user_id"])

    assert len(observers) == 1
    assert len(twice) == 2
    assert len({doc["course_section_id"] for doc in twice}) == 2


def test_grades_of_students(collect: Collect) -> None:
    """Students carry grades, worked out from their submissions; teachers carry none."""
    docs = collect("courses/101/enrollments")
    students = [doc for doc in docs if doc["type"] == "StudentEnrollment"]

    assert all(doc["grades"]["current_score"] >= doc["grades"]["final_score"] for doc in students)
    assert all("grades" not in doc for doc in docs if doc["type"] == "TeacherEnrollment")


def test_bad_grading_period(client: httpx.Client) -> None:
    """An unknown grading period is 400 with `error`."""
    answer = client.get("/api/v1/courses/101/enrollments", params={"grading_period_id": "7"})

    assert (answer.status_code, list(answer.json())) == (400, ["error"])


def test_users(collect: Collect, trap: Callable[[str], int]) -> None:
    """Users are those of active and invited enrolments; mail and test students only where asked for."""
    path = f"courses/{trap('enrollment_states')}/users"
    default = collect(path)
    full = collect(path, **{"include[]": ["email", "enrollments", "test_student"], "enrollment_state[]": EVERY_STATE})

    assert all("email" not in user for user in default)
    assert len(full) > len(default)
    assert [user["name"] for user in full if user.get("is_test_student")] == ["Test Student"]
    assert {e["enrollment_state"] for user in full for e in user["enrollments"]} >= {"completed", "inactive"}


def test_sections(collect: Collect, trap: Callable[[str], int]) -> None:
    """A cross-listed section names the course it came from; one may extend access by dates of its own."""
    sections = collect(f"courses/{trap('cross_listed')}/sections", **{"include[]": ["total_students", "students"]})
    guests = next(section for section in sections if section["nonxlist_course_id"])
    extended = next(section for section in sections if section["restrict_enrollments_to_section_dates"])

    assert guests["total_students"] == len(guests["students"]) == 1
    assert extended["end_at"] > "2026-03-15"
    assert extended["students"] is None


def test_groups(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Groups have a set, members in several states, and things of their own."""
    course = trap("group_discussion")
    categories = collect(f"courses/{course}/group_categories")
    groups = collect(f"courses/{course}/groups", **{"include[]": "users"})
    number = groups[0]["id"]
    members = collect(f"groups/{number}/memberships")

    assert {group["group_category_id"] for group in groups} == {categories[0]["id"]}
    assert len(collect(f"group_categories/{categories[0]['id']}/groups")) == len(groups) == 2
    assert {member["workflow_state"] for member in members} == {"accepted", "invited"}
    assert len(groups[0]["users"]) == len(collect(f"groups/{number}/users")) == len(members) - 1
    assert collect(f"groups/{number}/memberships", **{"filter_states[]": "requested"}) == []
    assert len(collect(f"groups/{number}/files")) == len(collect(f"groups/{number}/pages")) == 1
    assert client.get(f"/api/v1/groups/{number}").json()["name"] == "Team 1"
