"""Moodle backups, of 2.0 to 5.x and of 1.9, become records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from fakes.moodle_backup import ESSAY, MOODLE, MOODLE_1
from fakes.package_export import export_of, read_file
from fakes.package_files import make_mbz, make_zip

from coursekeep import Expected, GapReason, Kind
from coursekeep.testing import Export

Maker = Callable[[Path, Mapping[str, str | bytes]], Path]


@pytest.fixture(params=[make_mbz, make_zip], ids=["tar", "zip"])
def export(request: pytest.FixtureRequest, tmp_path: Path) -> Export:
    make: Maker = request.param
    return export_of(make(tmp_path / "b.mbz", MOODLE))


def test_course_is_described(export: Export) -> None:
    """Name, short name, id of the student information system, category and end come from the backup."""
    course = export.course
    assert (course.name, course.code, course.sis_id, course.account_name) == ("Botany", "BOT-1", "SIS-9", "Science")
    assert (course.ended, course.state) == (True, "moodle_backup")


def test_people_and_enrolments(export: Export) -> None:
    """People are named; a suspended enrolment says so; a role without enrolment is one of its own."""
    assert export.of(Kind.PEOPLE)["3"] | {"name": "Lea Rner", "sis_id": None} == export.of(Kind.PEOPLE)["3"]
    enrollments = export.of(Kind.ENROLLMENTS)
    assert {id_: (each["role"], each["state"]) for id_, each in enrollments.items()} == {
        "4": ("student", "suspended"),
        "role-5": ("teacher", "active"),
    }
    assert export.of(Kind.GROUPS)["1"]["member_ids"] == ["3"]


def test_submission_has_attempt_feedback_grade_and_file(export: Export) -> None:
    """What a person handed in and got is one record; a person with a grade alone has one too."""
    work = export.of(Kind.SUBMISSIONS)["assign-940-3"]
    assert (work["state"], work["score"], work["grader_id"]) == ("submitted", 8.5, "2")
    assert (work["body_html"], work["file_ids"]) == ("<p>Mine</p>", ["501"])
    assert [each["score"] for each in work["attempts"]] == [8.5]
    assert [each["text"] for each in work["comments"]] == ["Well done"]
    assert export.of(Kind.SUBMISSIONS)["assign-940-2"]["score"] is None
    (rubric,) = export.of(Kind.RUBRICS).values()
    assert [each["@id"] for each in rubric["assessments"]] == ["9"]
    assert export.of(Kind.GRADES)["20"]["final_score"] == 15.5


def test_word_in_place_of_a_time_is_kept(export: Export) -> None:
    """A time that is no number is null in the record, and stands among the raw answers."""
    assert export.of(Kind.ASSIGNMENTS)["assign-940"]["unlock_at"] is None
    (page,) = export.pages
    assert page.body == [{"id": "assign-940/allowsubmissionsfromdate", "text": "soon"}]


def test_quiz_has_attempts_and_bank(export: Export) -> None:
    """A quiz keeps its attempts with answers, but not its password; questions belong to their category."""
    quiz = export.of(Kind.QUIZZES)["quiz-920"]
    assert (quiz["time_limit_seconds"], quiz["allowed_attempts"], quiz["assignment_id"]) == (600, -1, "item-82")
    assert "made-up" not in repr(export.records)
    attempt = export.of(Kind.QUIZ_ATTEMPTS)["70"]
    assert (attempt["score"], attempt["answers"][0]["responsesummary"]) == (1.0, "True")
    question = export.of(Kind.QUIZ_QUESTIONS)["300"]
    assert (question["quiz_id"], question["extra"]["question_versions"]["version"]) == ("category-95", "2")
    assert export.of(Kind.SUBMISSIONS)["grade-26"]["score"] == 7.0


def test_forum_pages_and_outline(export: Export) -> None:
    """The first post is the topic's message, replies are posts; books and pages are pages; links have addresses."""
    topic = export.of(Kind.DISCUSSIONS)["discussion-4"]
    assert (topic["message_html"], topic["author_id"], topic["pinned"]) == ("Who likes ferns?", "3", True)
    post = export.of(Kind.POSTS)["41"]
    assert (post["discussion_id"], post["parent_id"], post["message_html"]) == ("discussion-4", None, "I do")
    assert {page["title"] for page in export.of(Kind.PAGES).values()} == {"Read", "One"}
    nodes = export.of(Kind.STRUCTURE)
    assert nodes["module-97"]["url"] == "https://example.edu/x"
    assert (nodes["module-94"]["parent_id"], nodes["module-94"]["position"]) == ("section-7", 1)


def test_files_have_their_names_and_digests(export: Export, tmp_path: Path) -> None:
    """A file has the name that files.xml gives it, and the bytes of its digest; one without bytes is withheld."""
    files = {file.id: file for file in export.files}
    essay = files["501"]
    assert (essay.name, essay.group, essay.person_id) == ("Essay: größer.txt", "submissions", "3")
    assert essay.digest is not None
    assert essay.digest.startswith("sha1:")
    assert read_file(tmp_path, essay) == ESSAY
    assert files["502"].withheld is GapReason.NOT_FOUND
    assert set(files) == {"501", "502"}


def test_what_is_not_read_is_named(export: Export) -> None:
    """Lists and documents that stay in the package file are gaps; an activity that is missing is one too."""
    gaps = {(gap.kind, gap.id): gap for gap in export.gaps}
    assert gaps[Kind.STRUCTURE, "activities/label_98"].reason is GapReason.NOT_FOUND
    assert "1 × answers" in gaps[Kind.ACTIVITIES, "module-96"].detail
    assert "1 × subscriptions" in gaps[Kind.ACTIVITIES, "module-91"].detail
    assert gaps[Kind.SETTINGS, "activities/assign_*/comments.xml"].reason is GapReason.NATIVE_ONLY
    assert Expected(kind=Kind.STRUCTURE, count=8, basis="moodle_backup.xml: activities") in export.expected


def test_backup_without_people_says_so(tmp_path: Path) -> None:
    """Nobody is missing from a backup that was made without people: none are expected."""
    alone = {name: content for name, content in MOODLE.items() if name != "users.xml"}
    alone["moodle_backup.xml"] = str(MOODLE["moodle_backup.xml"]).replace("<value>1</value>", "<value>0</value>")
    export = export_of(make_mbz(tmp_path / "nu.mbz", alone))

    assert Expected(kind=Kind.PEOPLE, count=0, basis="moodle_backup.xml: made without people") in export.expected
    assert not export.gaps_of(Kind.PEOPLE)


def test_activity_that_cannot_be_read_costs_nothing_else(tmp_path: Path) -> None:
    """A broken document of one activity is a gap; all others are read."""
    broken = {**MOODLE, "activities/forum_91/forum.xml": "<activity><forum>"}
    export = export_of(make_mbz(tmp_path / "b.mbz", broken))

    assert [gap.id for gap in export.gaps_of(Kind.STRUCTURE) if gap.reason is GapReason.MALFORMED] == [
        "activities/forum_91"
    ]
    assert "assign-940-3" in export.of(Kind.SUBMISSIONS)


def test_backup_of_moodle_1(tmp_path: Path) -> None:
    """The one document of Moodle 1.9 gives people, roles, outline, pages, submissions and questions, no passwords."""
    export = export_of(make_zip(tmp_path / "old.zip", MOODLE_1))

    assert (export.course.name, export.course.code, export.course.ended) == ("Old Botany", "OLD", True)
    assert export.of(Kind.PEOPLE)["3"]["name"] == "Ol D"
    assert export.of(Kind.ENROLLMENTS)["role-5-3"]["role"] == "student"
    work = export.of(Kind.SUBMISSIONS)["submission-1"]
    assert (work["score"], work["body_html"], work["file_ids"]) == (None, "Text", ["moddata/assignment/4/3/report.txt"])
    assert export.of(Kind.STRUCTURE)["module-9"]["title"] == "Report"
    assert export.of(Kind.PAGES)["resource-5"]["body_html"] == "<b>Hi</b>"
    assert export.of(Kind.QUIZ_QUESTIONS)["6"]["quiz_id"] == "category-1"
    assert {file.id: file.person_id for file in export.files} == {
        "course_files/plan.txt": None,
        "moddata/assignment/4/3/report.txt": "3",
    }
    assert "1 × MESSAGES" in next(gap.detail for gap in export.gaps_of(Kind.ACTIVITIES))
    assert "made-up" not in repr(export.records)


def test_what_is_not_read_of_moodle_1_is_named(tmp_path: Path) -> None:
    """Every list of the document that gives no records is a gap with how many things it holds; what is read is none."""
    export = export_of(make_zip(tmp_path / "old.zip", MOODLE_1))
    gaps = [gap for gap in export.gaps if gap.kind is not Kind.ACTIVITIES]

    assert {(gap.kind, gap.id, (gap.detail or "").split(":")[1].split()[0]) for gap in gaps} == {
        (Kind.SETTINGS, "roles", "1"),
        (Kind.SETTINGS, "logs", "2"),
        (Kind.SETTINGS, "scales", "1"),
        (Kind.OUTCOMES, "grade_outcomes", "1"),
        (Kind.GRADE_HISTORY, "grade_grades_histories", "1"),
    }
    assert {gap.reason for gap in gaps} == {GapReason.NATIVE_ONLY}
