"""Canvas's traps around assignments, submissions and quizzes."""

from __future__ import annotations

from typing import Any

from fakes.canvas_answers import BASE, CanvasAnswers, forbidden, missing, paged, parts_of

from coursekeep import Gap, GapReason, Kind, Part, Record, RemoteFile
from coursekeep_connectors.canvas.assignments import AssignmentRef, Assignments, rubrics
from coursekeep_connectors.canvas.history import grade_history
from coursekeep_connectors.canvas.quizzes import new_quizzes, quizzes
from coursekeep_connectors.canvas.submissions import submissions

COURSE = "/api/v1/courses/7"
REF = AssignmentRef(id="20", title="Essay", published=True, quiz_id=None, new_quiz=False)
QUIZ = AssignmentRef(id="20", title="Quiz", published=True, quiz_id="60", new_quiz=False)
NEW = AssignmentRef(id="21", title="New", published=True, quiz_id=None, new_quiz=True)


def _file(number: int) -> dict[str, Any]:
    return {"id": number, "display_name": f"{number}.txt", "url": f"{BASE}/files/{number}/download", "size": 3}


def _submission(number: int, user: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "assignment_id": 20, "user_id": user, "workflow_state": "graded", **more}


def _read(canvas: CanvasAnswers, *refs: AssignmentRef) -> list[Part]:
    return parts_of(submissions(canvas.reading(), list(refs)))


def _records(parts: list[Part], kind: Kind) -> dict[str, Record]:
    return {part.id: part for part in parts if isinstance(part, Record) and part.kind is kind}


def _gaps(parts: list[Part]) -> list[tuple[Kind, GapReason, str | None, int | None]]:
    return [(part.kind, part.reason, part.id, part.count) for part in parts if isinstance(part, Gap)]


def test_attachments_of_every_attempt() -> None:
    """Each attempt has its own files, oldest attempt first; a file handed in twice is fetched once."""
    history = [
        {"attempt": 2, "submitted_at": "2026-02-02T00:00:00Z", "attachments": [_file(2), _file(3)]},
        {"attempt": 1, "submitted_at": "2026-02-01T00:00:00Z", "attachments": [_file(1), _file(2)]},
    ]
    item = _submission(1, 5, attempt=2, submission_history=history, attachments=[_file(2), _file(3)])
    canvas = CanvasAnswers().on(f"{COURSE}/assignments/20/submissions", [item])

    parts = _read(canvas, REF)

    record = _records(parts, Kind.SUBMISSIONS)["1"].data
    assert [attempt["file_ids"] for attempt in record["attempts"]] == [["1", "2"], ["2", "3"]]
    assert record["file_ids"] == ["2", "3"]
    files = [part for part in parts if isinstance(part, RemoteFile)]
    assert sorted(part.id for part in files) == ["1", "2", "3"]
    assert {(part.group, part.person_id) for part in files} == {("submissions", "5")}


def test_comments_with_files_and_recordings() -> None:
    """Comments keep author and text; their files and recordings are fetched, or named where there is only an id."""
    comments = [
        {"id": 8, "author_id": 9, "author_name": "T", "comment": "see file", "attachments": [_file(4)]},
        {"id": 9, "author_id": None, "comment": "hear", "media_comment": {"media_id": "m-1", "url": f"{BASE}/media/1"}},
        {"id": 10, "author_id": 9, "comment": "lost", "media_comment": {"media_id": "m-2", "url": None}},
    ]
    canvas = CanvasAnswers().on(
        f"{COURSE}/assignments/20/submissions", [_submission(1, 5, submission_comments=comments)]
    )

    parts = _read(canvas, REF)

    kept = _records(parts, Kind.SUBMISSIONS)["1"].data["comments"]
    assert [(comment["author_id"], comment["file_ids"]) for comment in kept] == [("9", ["4"]), (None, []), ("9", [])]
    assert [part.id for part in parts if isinstance(part, RemoteFile)] == ["4", "media-m-1"]
    assert _gaps(parts) == [(Kind.FILES, GapReason.NOT_OFFERED, "media-m-2", 1)]


def test_placeholders_are_recorded() -> None:
    """Who handed nothing in has a submission too, without attempts."""
    item = _submission(1, 5, workflow_state="unsubmitted", submission_history=[{"attempt": None, "submitted_at": None}])
    canvas = CanvasAnswers().on(f"{COURSE}/assignments/20/submissions", [item])

    record = _records(_read(canvas, REF), Kind.SUBMISSIONS)["1"].data

    assert (record["state"], record["attempts"]) == ("unsubmitted", [])


def test_automatic_graders_are_no_people() -> None:
    """A negative grader stays as Canvas's sign, and nobody is asked who that is."""
    reading = CanvasAnswers().on(f"{COURSE}/assignments/20/submissions", [_submission(1, 5, grader_id=-60)]).reading()

    parts = parts_of(submissions(reading, [REF]))

    assert _records(parts, Kind.SUBMISSIONS)["1"].data["grader_id"] == "-60"
    assert reading.referred.keys() == {"5"}


def test_submissions_follow_bookmarks_in_short_pages() -> None:
    """Pages are followed by their links, whatever their size, until there is no next one."""
    lists = [[_submission(1, 5)], [], [_submission(2, 6), _submission(3, 7)]]
    canvas = CanvasAnswers().on(f"{COURSE}/assignments/20/submissions", paged(*lists))

    assert _records(_read(canvas, REF), Kind.SUBMISSIONS).keys() == {"1", "2", "3"}


def test_unpublished_assignments_are_not_asked() -> None:
    """Canvas refuses submissions of unpublished assignments, which have none."""
    canvas = CanvasAnswers()

    assert _read(canvas, AssignmentRef(id="20", title="x", published=False, quiz_id=None, new_quiz=False)) == []
    assert canvas.asked == []


def test_denied_assignment_is_a_gap_and_the_others_go_on() -> None:
    """One assignment whose submissions are denied leaves a gap of unknown size; the next one is read."""
    canvas = CanvasAnswers().on(f"{COURSE}/assignments/20/submissions", forbidden())
    canvas.on(f"{COURSE}/assignments/21/submissions", [_submission(2, 5, assignment_id=21)])
    other = AssignmentRef(id="21", title="y", published=True, quiz_id=None, new_quiz=False)

    parts = _read(canvas, REF, other)

    assert _gaps(parts) == [
        (kind, GapReason.NO_ACCESS, "assignment-20", None) for kind in (Kind.SUBMISSIONS, Kind.FILES)
    ]
    assert _records(parts, Kind.SUBMISSIONS).keys() == {"2"}


def test_work_in_external_tools_is_named() -> None:
    """Work that an external tool holds is a gap once per assignment; the pointers are kept."""
    items = [
        _submission(n, n, submission_type="basic_lti_launch", external_tool_url="https://tool.test/x") for n in (1, 2)
    ]
    canvas = CanvasAnswers().on(f"{COURSE}/assignments/20/submissions", items)

    parts = _read(canvas, REF)

    assert _gaps(parts) == [(Kind.SUBMISSIONS, GapReason.NOT_OFFERED, "assignment-20", 0)]
    assert _records(parts, Kind.SUBMISSIONS)["1"].data["extra"]["external_tool_url"] == "https://tool.test/x"


def _quiz_submission(user: int, attempt: int, **more: Any) -> dict[str, Any]:
    return {"id": 600 + user, "user_id": user, "quiz_id": 60, "attempt": attempt, "workflow_state": "complete", **more}


def test_answers_of_every_quiz_attempt() -> None:
    """Every attempt is a record with its answers; the newest also has the times of the quiz's own list."""
    history = [
        {"attempt": 1, "score": 1.0, "submission_data": [{"question_id": 1, "text": "a"}]},
        {"attempt": 2, "score": 2.0, "submission_data": [{"question_id": 1, "text": "b"}]},
    ]
    newest = _quiz_submission(5, 2, time_spent=61, kept_score=2.0)
    settings_only = {**_quiz_submission(6, 1), "workflow_state": "settings_only"}
    canvas = CanvasAnswers()
    canvas.on(f"{COURSE}/quizzes/60/submissions", {"quiz_submissions": [newest, settings_only]})
    canvas.on(f"{COURSE}/assignments/20/submissions", [_submission(1, 5, submission_history=history)])

    attempts = _records(_read(canvas, QUIZ), Kind.QUIZ_ATTEMPTS)

    assert attempts.keys() == {"60-5-1", "60-5-2"}
    assert attempts["60-5-1"].data["answers"] == [{"question_id": 1, "text": "a"}]
    assert attempts["60-5-1"].data["seconds_spent"] is None
    assert (attempts["60-5-2"].data["seconds_spent"], attempts["60-5-2"].data["score"]) == (61, 2.0)


def test_attempts_without_answers_are_named() -> None:
    """An attempt that only the quiz's list knows is kept with a gap; older ones that nothing tells of are gaps."""
    canvas = CanvasAnswers().on(f"{COURSE}/quizzes/60/submissions", {"quiz_submissions": [_quiz_submission(5, 2)]})
    canvas.on(f"{COURSE}/assignments/20/submissions", [_submission(1, 5, submission_history=[])])
    reading = canvas.reading()

    parts = parts_of(submissions(reading, [QUIZ]))

    assert _records(parts, Kind.QUIZ_ATTEMPTS).keys() == {"60-5-2"}
    assert _gaps(parts) == [
        (Kind.QUIZ_ATTEMPTS, GapReason.NOT_OFFERED, "60-5-2", 0),
        (Kind.QUIZ_ATTEMPTS, GapReason.NOT_OFFERED, "60-5-1", 1),
    ]
    assert sum(part.count for part in reading.expected() if part.kind is Kind.QUIZ_ATTEMPTS) == 2


def test_practice_quizzes_are_asked_attempt_by_attempt() -> None:
    """A quiz without submissions gives its answers per attempt; question groups are read by the questions' ids."""
    canvas = CanvasAnswers().on(f"{COURSE}/quizzes", [{"id": 60, "title": "P", "time_limit": 5, "access_code": "x"}])
    canvas.on(f"{COURSE}/quizzes/60/questions", [{"id": 1, "quiz_id": 60, "quiz_group_id": 3, "question_name": "Q"}])
    canvas.on(f"{COURSE}/quizzes/60/groups/3", {"id": 3, "name": "Drawn", "pick_count": 2})
    canvas.on(f"{COURSE}/quizzes/60/submissions", {"quiz_submissions": [_quiz_submission(5, 2)]})
    answers = {"quiz_submission_questions": [{"id": 1, "answer": 2}]}
    canvas.on("/api/v1/quiz_submissions/605/questions", answers)

    parts = parts_of(quizzes(canvas.reading()))

    attempts = _records(parts, Kind.QUIZ_ATTEMPTS)
    assert {key: record.data["answers"] for key, record in attempts.items()} == {
        "60-5-1": [{"id": 1, "answer": 2}],
        "60-5-2": [{"id": 1, "answer": 2}],
    }
    quiz = _records(parts, Kind.QUIZZES)["60"].data
    assert (quiz["groups"][0]["pick_count"], quiz["time_limit_seconds"]) == (2, 300)
    assert "access_code" not in quiz["extra"]


def test_new_quizzes_where_readable() -> None:
    """A New Quiz that can be read is a quiz with questions; the answers are a gap, as the API has none."""
    canvas = CanvasAnswers().on("/api/quiz/v1/courses/7/quizzes/21", {"id": "21", "title": "New"})
    item = {"id": "9", "position": 1, "entry_type": "Item", "entry": {"title": "Q", "interaction_type_slug": "choice"}}
    canvas.on("/api/quiz/v1/courses/7/quizzes/21/items", [item])

    parts = parts_of(new_quizzes(canvas.reading(), [REF, NEW]))

    assert _records(parts, Kind.QUIZZES)["new-21"].data["engine"] == "new"
    assert _records(parts, Kind.QUIZ_QUESTIONS)["new-9"].data["type"] == "choice"
    assert _gaps(parts) == [(Kind.QUIZ_ATTEMPTS, GapReason.NOT_OFFERED, "new-21", None)]


def test_new_quizzes_where_not_readable() -> None:
    """A New Quiz whose tool is not there for the API is a gap, and the expected numbers know of it."""
    reading = CanvasAnswers().on("/api/quiz/v1/courses/7/quizzes/21", missing()).reading()

    parts = parts_of(new_quizzes(reading, [NEW]))

    assert (Kind.QUIZZES, GapReason.NOT_OFFERED, "new-21", 1) in _gaps(parts)
    assert sum(part.count for part in reading.expected() if part.kind is Kind.QUIZZES) == 1


def test_dates_are_the_assignment_s_own() -> None:
    """The dates asked for are the assignment's, not those that hold for the caller; left-out overrides are read."""
    items = [{"id": 20, "name": "A", "has_overrides": True, "due_at": "2026-01-01T00:00:00Z"}]
    canvas = CanvasAnswers().on(f"{COURSE}/assignments", items)
    canvas.on(f"{COURSE}/assignments/20/overrides", paged([{"id": 1}], [{"id": 2}]))
    area = Assignments()

    record = _records(parts_of(area.parts(canvas.reading())), Kind.ASSIGNMENTS)["20"]

    assert canvas.asked[0].url.params["override_assignment_dates"] == "false"
    assert [override["id"] for override in record.data["overrides"]] == [1, 2]
    assert [ref.id for ref in area.refs] == ["20"]


def test_rubric_assessments() -> None:
    """A rubric comes with criteria and assessments; where these are denied, the rubric is kept with a gap."""
    canvas = CanvasAnswers().on(f"{COURSE}/rubrics", [{"id": 1, "title": "R"}, {"id": 2, "title": "S"}])
    canvas.on(f"{COURSE}/rubrics/1", {"id": 1, "title": "R", "data": [{"id": "_1"}], "assessments": [{"id": 4}]})
    canvas.on(f"{COURSE}/rubrics/2", forbidden())

    parts = parts_of(rubrics(canvas.reading()))

    found = _records(parts, Kind.RUBRICS)
    assert (found["1"].data["criteria"], found["1"].data["assessments"]) == ([{"id": "_1"}], [{"id": 4}])
    assert found["2"].data["title"] == "S"
    assert _gaps(parts) == [(Kind.RUBRICS, GapReason.NO_ACCESS, "2", 0)]


def test_versions_of_one_submission_are_told_apart() -> None:
    """The history's versions share the submission's id; each is a record of its own, in the order of time."""
    versions = [
        {"id": 1, "assignment_id": 20, "user_id": 5, "new_grade": "7", "previous_grade": None},
        {"id": 2, "assignment_id": 20, "user_id": 6, "new_grade": "5"},
        {"id": 1, "assignment_id": 20, "user_id": 5, "new_grade": "9", "previous_grade": "7"},
    ]
    canvas = CanvasAnswers().on(f"{COURSE}/gradebook_history/feed", paged(versions[:2], versions[2:]))

    found = _records(parts_of(grade_history(canvas.reading())), Kind.GRADE_HISTORY)

    assert {key: (record.data["grade_before"], record.data["grade_after"]) for key, record in found.items()} == {
        "1-1": (None, "7"),
        "2-1": (None, "5"),
        "1-2": ("7", "9"),
    }
