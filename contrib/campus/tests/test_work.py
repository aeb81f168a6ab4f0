"""Assignments, submissions and grades."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer
from coursekeep_campus.replies import dump
from coursekeep_campus.submission_shape import render_submission, submission_doc

Collect = Callable[..., list[Any]]
ALL = {"student_ids[]": "all"}
FULL = ["submission_history", "submission_comments", "rubric_assessment", "visibility"]


def by_student(collect: Collect, course: int, **params: Any) -> list[dict[str, Any]]:
    """Read the submissions of a course, grouped."""
    groups = collect(f"courses/{course}/students/submissions", **ALL, grouped="1", **params)
    return [submission for group in groups for submission in group["submissions"]]


def test_grouped_and_flat_agree(collect: Collect) -> None:
    """Submissions are the same grouped by student, flat, and by assignment, and there is one for everybody."""
    grouped = by_student(collect, 101)
    flat = collect("courses/101/students/submissions", **ALL)
    assignments = collect("courses/101/assignments")
    single = [s for a in assignments for s in collect(f"courses/101/assignments/{a['id']}/submissions")]

    assert len(flat) == 8 * len(assignments)
    assert {s["id"] for s in grouped} == {s["id"] for s in flat} == {s["id"] for s in single}


def test_placeholders(collect: Collect) -> None:
    """Who handed in nothing has a submission all the same, with an id and no date."""
    unsubmitted = [s for s in by_student(collect, 101) if s["workflow_state"] == "unsubmitted"]

    assert unsubmitted
    assert all(s["id"] and s["submitted_at"] is None and s["score"] is None for s in unsubmitted)


def test_own_submissions_by_default(client: httpx.Client) -> None:
    """Without `student_ids` only the caller's own submissions come: none."""
    assert client.get("/api/v1/courses/101/students/submissions").json() == []


def test_all_needs_the_right(server: CampusServer, connect: Callable[..., httpx.Client]) -> None:
    """`student_ids[]=all` needs the right to see all grades."""
    course = next(c.id for c in server.campus.courses.values() if c.taught and c.access.value == "open")

    answer = connect(server, "teacher").get(f"/api/v1/courses/{course}/students/submissions", params=ALL)
    assert answer.status_code == 403


def test_bad_ids(client: httpx.Client) -> None:
    """More ids than a page holds are 400, unknown assignments are 403 that is no matter of rights."""
    path = "/api/v1/courses/101/students/submissions"
    many = client.get(path, params={"student_ids[]": [str(n) for n in range(101)]})
    unknown = client.get(path, params={**ALL, "assignment_ids[]": "1"})

    assert (many.status_code, many.json()) == (400, {"error": "too many students"})
    assert (unknown.status_code, unknown.json()) == (403, {"error": "invalid assignment ids requested"})


def test_filters(collect: Collect, client: httpx.Client) -> None:
    """Submissions are filtered by state and dates; a bad date is 400."""
    path = "courses/101/students/submissions"
    graded = collect(path, **ALL, workflow_state="graded")
    day = max(s["submitted_at"] for s in graded if s["submitted_at"])
    latest = collect(path, **ALL, submitted_since=day)

    assert {s["workflow_state"] for s in graded} == {"graded"}
    assert latest
    assert all(s["submitted_at"] >= day for s in latest)
    assert client.get(f"/api/v1/{path}", params={**ALL, "graded_since": "then"}).status_code == 400


def test_only_published_assignments(collect: Collect, trap: Callable[[str], int]) -> None:
    """Submissions come for published assignments only, while the list of assignments holds all."""
    course = trap("overrides")
    hidden = [a["id"] for a in collect(f"courses/{course}/assignments") if not a["published"]]
    seen = {s["assignment_id"] for s in by_student(collect, course)}

    assert len(hidden) == 1
    assert seen
    assert not seen & set(hidden)


def test_attempts_differ(collect: Collect, trap: Callable[[str], int]) -> None:
    """The history holds every attempt with its own files; the standing submission shows the last ones."""
    found = by_student(collect, trap("attempts"), **{"include[]": FULL})
    work = next(s for s in found if len(s["submission_history"]) == 2)
    names = [[a["display_name"] for a in attempt["attachments"]] for attempt in work["submission_history"]]

    assert names == [["draft 1.txt"], ["draft 2.txt"]]
    assert [a["display_name"] for a in work["attachments"]] == ["draft 2.txt"]
    assert work["submission_history"][0]["score"] is None


def test_comments_and_rubric(collect: Collect, client: httpx.Client, trap: Callable[[str], int]) -> None:
    """Comments carry files and recordings; rubric assessments name criteria of the assignment's rubric."""
    course = trap("attempts")
    found = by_student(collect, course, **{"include[]": FULL})
    comments = [comment for s in found for comment in s["submission_comments"]]
    assessed = next(s for s in found if s.get("rubric_assessment"))
    rubric = collect(f"courses/{course}/rubrics")[0]
    wanted = {"include[]": ["associations", "assessments"], "style": "full"}
    full = client.get(f"/api/v1/courses/{course}/rubrics/{rubric['id']}", params=wanted).json()

    assert any(comment.get("attachments") for comment in comments)
    assert any(comment.get("media_comment") for comment in comments)
    assert set(assessed["rubric_assessment"]) == {criterion["id"] for criterion in rubric["data"]}
    assert full["assessments"][0]["artifact_id"] == assessed["id"]
    assert "assessments" not in rubric


def test_what_is_not_asked_for(collect: Collect, trap: Callable[[str], int]) -> None:
    """History, comments and rubric assessments are absent where they are not asked for."""
    for submission in by_student(collect, trap("attempts")):
        assert not {"submission_history", "submission_comments", "rubric_assessment"} & submission.keys()


def test_own_dates_by_default(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """Dates are the caller's own unless `override_assignment_dates=false` asks for the assignment's."""
    course = trap("overrides")
    number = client.get(f"/api/v1/courses/{course}/assignments").json()[0]["id"]
    path = f"/api/v1/courses/{course}/assignments/{number}"
    mine = client.get(path).json()["due_at"]
    true = client.get(path, params={"override_assignment_dates": "false", "include[]": "all_dates"}).json()

    assert mine != true["due_at"]
    assert true["all_dates"][0] == {"base": True, "due_at": true["due_at"], "unlock_at": None, "lock_at": None}


def test_many_overrides(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """From 25 overrides on dates are only counted, and must be read as overrides."""
    course = trap("overrides")
    found = collect(f"courses/{course}/assignments", **{"include[]": "all_dates"})
    many = next(a for a in found if a["name"] == "Many dates")
    overrides = collect(f"courses/{course}/assignments/{many['id']}/overrides")
    pair = {"assignment_overrides[][id]": overrides[0]["id"], "assignment_overrides[][assignment_id]": many["id"]}
    bulk = client.get(f"/api/v1/courses/{course}/assignments/overrides", params=pair)

    assert "all_dates" not in many
    assert many["all_dates_count"] == 27
    assert len(overrides) == 26
    assert bulk.json() == overrides[:1]


def test_assignment_groups(collect: Collect) -> None:
    """Groups bring weights, drop rules and, where asked for, their assignments."""
    groups = collect("courses/101/assignment_groups", **{"include[]": "assignments"})

    assert [group["group_weight"] for group in groups] == [60.0, 40.0]
    assert groups[1]["rules"]["drop_lowest"] == 1
    assert sum(len(group["assignments"]) for group in groups) == 4


def test_peer_reviews(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Peer reviews name reviewer and work; people only where asked for."""
    course = trap("peer_reviews")
    number = collect(f"courses/{course}/assignments")[0]["id"]
    path = f"courses/{course}/assignments/{number}/peer_reviews"
    full = collect(path, **{"include[]": ["user", "submission_comments"]})

    assert len(full) == 8
    assert full[0]["user"]["id"] == full[0]["user_id"]
    assert "user" not in client.get(f"/api/v1/{path}").json()[0]


def test_history_of_grades(client: httpx.Client, collect: Collect) -> None:
    """The feed holds every grade given, oldest first where asked; days, graders and versions agree with it."""
    feed = collect("courses/101/gradebook_history/feed", ascending="true")
    backwards = collect("courses/101/gradebook_history/feed")
    days = collect("courses/101/gradebook_history/days")
    one = collect("courses/101/gradebook_history/feed", assignment_id=feed[0]["assignment_id"])
    day, grader = days[0]["date"], days[0]["graders"][0]
    assignment = grader["assignments"][0]["id"]
    path = f"courses/101/gradebook_history/{day}/graders/{grader['id']}/assignments/{assignment}/submissions"

    assert [c["id"] for c in backwards] == [c["id"] for c in reversed(feed)]
    assert {c["graded_at"][:10] for c in feed} == {day["date"] for day in days}
    assert {c["assignment_id"] for c in one} == {feed[0]["assignment_id"]}
    assert collect(path)[0]["versions"]
    assert len(client.get("/api/v1/audit/grade_change/courses/101").json()["events"]) == 10


def test_gradebook(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Hidden columns come only where asked for; a late policy is 404 where there is none."""
    course = trap("gradebook")
    shown = collect(f"courses/{course}/custom_gradebook_columns")
    columns = collect(f"courses/{course}/custom_gradebook_columns", include_hidden="true")
    data = collect(f"courses/{course}/custom_gradebook_columns/{columns[1]['id']}/data")

    assert (len(shown), len(columns), len(data)) == (1, 2, 8)
    assert client.get(f"/api/v1/courses/{course}/late_policy").json()["late_policy"]["course_id"] == course
    assert client.get("/api/v1/courses/101/late_policy").status_code == 404
    assert len(collect(f"courses/{course}/grading_standards")) == 1
    assert len(collect(f"courses/{course}/external_tools")) == 1


@pytest.mark.parametrize("includes", [(), ("submission_history",), ("visibility", "submission_comments")])
def test_template_says_the_same(server: CampusServer, includes: tuple[str, ...]) -> None:
    """The template for plain submissions writes exactly what the full description says."""
    wanted = frozenset(includes)
    for course in server.campus.courses.values():
        for submission in course.content.submissions:
            fast = render_submission(course, submission, wanted)

            assert fast == dump(submission_doc(course, submission, wanted))
