"""Pages, modules, quizzes, calendar and outcomes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

Collect = Callable[..., list[Any]]


def test_pages_have_no_body_in_lists(client: httpx.Client, collect: Collect) -> None:
    """The list of pages has no bodies; each page has its own, by slug or by id."""
    page = collect("courses/101/pages", sort="title")[0]
    full = client.get(f"/api/v1/courses/101/pages/{page['url']}").json()

    assert "body" not in page
    assert full["body"]
    assert client.get(f"/api/v1/courses/101/pages/page_id:{page['page_id']}").json() == full


def test_front_page(client: httpx.Client, trap: Callable[[str], int]) -> None:
    """The front page is marked and can be asked for; where pages are switched off it is 404."""
    front = client.get("/api/v1/courses/101/front_page").json()

    assert front["front_page"] is True
    assert client.get(f"/api/v1/courses/{trap('disabled_tabs')}/front_page").status_code == 404


def test_revisions(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Every revision is kept with its body; a renamed page answers to its new slug only."""
    course = trap("revisions")
    base = f"courses/{course}/pages/new-title"
    revisions = collect(f"{base}/revisions")
    bodies = [client.get(f"/api/v1/{base}/revisions/{r['revision_id']}").json()["body"] for r in revisions]
    short = client.get(f"/api/v1/{base}/revisions/1", params={"summary": "true"}).json()

    assert [r["latest"] for r in revisions] == [True, False, False]
    assert bodies == ["<p>third</p>", "<p>second</p>", "<p>first</p>"]
    assert "body" not in revisions[0]
    assert "body" not in short
    assert client.get(f"/api/v1/courses/{course}/pages/old-title").status_code == 404
    assert client.get(f"/api/v1/courses/{course}/pages/emptied").json()["body"] is None


def test_large_modules_leave_items_out(collect: Collect, trap: Callable[[str], int]) -> None:
    """A module with more items than a page holds comes without them; its own list has them all."""
    course = trap("big_module")
    modules = collect(f"courses/{course}/modules", **{"include[]": ["items", "content_details"]})
    large = next(module for module in modules if module["items_count"] > 100)
    items = collect(f"courses/{course}/modules/{large['id']}/items")

    assert "items" not in large
    assert len(items) == large["items_count"] == 120
    assert all(len(module["items"]) == module["items_count"] for module in modules if module is not large)


def test_items_point_to_things(client: httpx.Client, collect: Collect) -> None:
    """Items of most types name their content; pages are named by slug, headings and links by nothing."""
    modules = collect("courses/101/modules", **{"include[]": "items"})
    items = {item["type"]: item for module in modules for item in module["items"]}

    assert client.get(f"/api/v1/courses/101/pages/{items['Page']['page_url']}").status_code == 200
    assert client.get(f"/api/v1/courses/101/files/{items['File']['content_id']}").status_code == 200
    assert "content_id" not in items["Page"]
    assert items["ExternalUrl"]["external_url"].startswith("https://")


def test_classic_quiz(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Answers of all attempts are in the history of the submission, and only there."""
    course = trap("classic_quiz")
    quiz = next(quiz for quiz in collect(f"courses/{course}/quizzes") if quiz["assignment_id"])
    path = f"courses/{course}/assignments/{quiz['assignment_id']}/submissions"
    found = collect(path, **{"include[]": "submission_history"})
    twice = next(s for s in found if s["attempt"] == 2)
    questions = {q["id"] for q in collect(f"courses/{course}/quizzes/{quiz['id']}/questions")}

    assert [attempt["attempt"] for attempt in twice["submission_history"]] == [1, 2]
    assert all(len(attempt["submission_data"]) == 3 for attempt in twice["submission_history"])
    assert {a["question_id"] for h in twice["submission_history"] for a in h["submission_data"]} <= questions
    assert twice["grader_id"] == -quiz["id"]
    assert twice["body"].startswith("user: ")
    assert quiz["access_code"]


def test_quiz_submissions(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Quiz submissions are the latest of everybody, wrapped; their questions carry the answers given."""
    course = trap("classic_quiz")
    quiz = next(quiz for quiz in collect(f"courses/{course}/quizzes") if quiz["assignment_id"])
    base = f"/api/v1/courses/{course}/quizzes/{quiz['id']}"
    latest = client.get(f"{base}/submissions").json()["quiz_submissions"]
    answered = client.get(f"/api/v1/quiz_submissions/{latest[0]['id']}/questions").json()["quiz_submission_questions"]
    drawn = client.get(
        f"{base}/questions", params={"quiz_submission_id": latest[0]["id"], "quiz_submission_attempt": 1}
    )

    assert len(latest) == 7
    assert [question["answer"] for question in answered]
    assert len(answered) == len(drawn.json()) == 3
    assert not [name for name in latest[0] if name.startswith("_")]


def test_question_groups_one_by_one(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Question groups cannot be listed, only read one by one, by the ids in questions."""
    course = trap("classic_quiz")
    quiz = next(quiz for quiz in collect(f"courses/{course}/quizzes") if quiz["assignment_id"])
    base = f"/api/v1/courses/{course}/quizzes/{quiz['id']}"
    number = next(q["quiz_group_id"] for q in client.get(f"{base}/questions").json() if q["quiz_group_id"])

    assert client.get(f"{base}/groups/{number}").json()["pick_count"] == 1
    assert client.get(f"{base}/groups").status_code == 404


def test_new_quizzes(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """New Quizzes are assignments of a tool; their own service is readable in one course and 404 in others."""
    readable, unreadable = trap("new_quiz"), trap("new_quiz_unreadable")
    found = [a for a in collect(f"courses/{unreadable}/assignments") if a["is_quiz_lti_assignment"]]
    base = f"/api/quiz/v1/courses/{readable}/quizzes"
    quiz = client.get(base).json()[0]
    items = client.get(f"{base}/{quiz['id']}/items").json()

    assert found[0]["external_tool_tag_attributes"]["url"]
    assert collect(f"courses/{unreadable}/quizzes") == []
    assert client.get(f"/api/quiz/v1/courses/{unreadable}/quizzes").status_code == 404
    assert client.get(f"{base}/{quiz['id']}").json()["title"] == "New quiz, readable"
    assert [item["entry_type"] for item in items] == ["Item", "Bank"]


def test_calendar_is_of_today(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Without `all_events` the calendar shows today only; undated events need a pass of their own."""
    codes = {"context_codes[]": f"course_{trap('calendar')}"}
    everything = collect("calendar_events", **codes, all_events="true")
    undated = collect("calendar_events", **codes, undated="true")

    assert client.get("/api/v1/calendar_events", params=codes).json() == []
    assert len(everything) == 5
    assert [event["title"] for event in undated] == ["Some day"]


def test_calendar_limits_courses(client: httpx.Client) -> None:
    """More than ten courses at once are refused."""
    codes = [f"course_{number}" for number in range(101, 112)]

    assert client.get("/api/v1/calendar_events", params={"context_codes[]": codes}).status_code == 400


def test_outcomes(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Outcomes hang in groups; links bring them whole only in full style, results come wrapped."""
    course = trap("outcomes")
    root = client.get(f"/api/v1/courses/{course}/root_outcome_group").json()
    short = collect(f"courses/{course}/outcome_group_links")[0]
    full = collect(f"courses/{course}/outcome_group_links", outcome_style="full")[0]
    results = client.get(f"/api/v1/courses/{course}/outcome_results", params={"include[]": "outcomes"}).json()

    assert root["parent_outcome_group"] is None
    assert "ratings" not in short["outcome"]
    assert full["outcome"] == client.get(f"/api/v1/outcomes/{short['outcome']['id']}").json()
    assert len(results["outcome_results"]) == 8
    assert results["linked"]["outcomes"][0]["id"] == str(short["outcome"]["id"])


def test_strange_text(client: httpx.Client, collect: Collect, trap: Callable[[str], int]) -> None:
    """Texts of any script, markup and separators come through unharmed."""
    titles = {page["title"] for page in collect(f"courses/{trap('strange_text')}/pages")}

    assert {"日本語のページ", "\U0001d54f astral \U0001f9ea", "<script>alert(1)</script>"} <= titles
