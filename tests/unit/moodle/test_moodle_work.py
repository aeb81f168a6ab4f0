"""Moodle's traps around work and activities: newest attempts only, warnings, grades that are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fakes.moodle_answers import BASE, MoodleAnswers, error, parts_of

from coursekeep import Expected, Gap, GapReason, Kind, Part, Record
from coursekeep_connectors.moodle import assignments, forums, materials, progress, quizzes
from coursekeep_connectors.moodle.activities import activities
from coursekeep_connectors.moodle.native import backups
from coursekeep_connectors.moodle.outline import Outline
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.sorts import APART, SORTS
from coursekeep_connectors.moodle.values import moment, number, objects, truth, whole

CONTENTS = "core_course_get_contents"


def module(modname: str, instance: int = 5, **more: Any) -> dict[str, Any]:
    return {"id": instance + 100, "instance": instance, "modname": modname, "name": "It", "visible": 1, **more}


def file(name: str) -> dict[str, Any]:
    return {"filename": name, "fileurl": f"{BASE}/webservice/pluginfile.php/1/x/y/{name}", "filesize": 3}


def read(
    moodle: MoodleAnswers, *modules: dict[str, Any], area: Callable[..., Parts] | None = None, **settings: Any
) -> list[Part]:
    """Read the outline of a course with these modules, and then an area."""
    moodle.on(CONTENTS, [{"id": 1, "section": 0, "name": "Top", "visible": 1, "modules": list(modules)}])
    reading = moodle.reading(**settings)
    outline = Outline()

    async def stream() -> Any:
        async for part in outline.parts(reading):
            yield part
        if area is not None:
            async for part in area(reading, outline):
                yield part
        for expected in reading.expected():
            yield expected

    return parts_of(stream())


def others(reading: Reading, outline: Outline) -> Parts:
    return activities(reading, outline, SORTS, APART)


def records(parts: list[Part], kind: Kind) -> dict[str, Record]:
    return {part.id: part for part in parts if isinstance(part, Record) and part.kind is kind}


def gaps(parts: list[Part], kind: Kind) -> list[Gap]:
    return [part for part in parts if isinstance(part, Gap) and part.kind is kind]


def adds_up(parts: list[Part], kind: Kind) -> bool:
    expected = sum(part.count for part in parts if isinstance(part, Expected) and part.kind is kind)
    return expected == len(records(parts, kind)) + sum(gap.count or 0 for gap in gaps(parts, kind))


def assign(**more: Any) -> MoodleAnswers:
    one = {"id": 5, "cmid": 105, "name": "Essay", "grade": 100, "maxattempts": -1, **more}
    moodle = MoodleAnswers().on(
        "mod_assign_get_assignments", {"courses": [{"id": 7, "assignments": [one]}], "warnings": []}
    )
    for name in ("submissions", "grades", "user_flags"):
        moodle.on(f"mod_assign_get_{name}", {"assignments": [], "warnings": []})
    return moodle


def submission(number_: int, user: int, **more: Any) -> dict[str, Any]:
    times = {"timecreated": 1_700_000_000, "timemodified": 1_700_000_000 + number_}
    return {"id": number_, "userid": user, "attemptnumber": 0, "status": "submitted", "groupid": 0, **times, **more}


def test_earlier_attempts_come_from_the_standing() -> None:
    """The list has the newest attempt only; whoever has more is asked about, and each keeps grade and files."""
    plugin = {"type": "file", "fileareas": [{"area": "a", "files": [file("one.txt")]}]}
    old = {"attemptnumber": 0, "submission": submission(70, 9, plugins=[plugin]), "grade": {"grade": "40.00000"}}
    status = {"lastattempt": {}, "previousattempts": [old], "warnings": []}
    moodle = assign().on("mod_assign_get_submission_status", status)
    newest = submission(71, 9, attemptnumber=1, status="reopened", plugins=[])
    moodle.on(
        "mod_assign_get_submissions", {"assignments": [{"assignmentid": 5, "submissions": [newest]}], "warnings": []}
    )

    parts = read(moodle, module("assign"), area=assignments.assignments)

    data = records(parts, Kind.SUBMISSIONS)["assign-71"].data
    assert (data["state"], data["attempt"], data["submitted_at"], data["score"]) == ("reopened", 2, None, None)
    assert [(one["attempt"], one.get("score"), len(one.get("file_ids", []))) for one in data["attempts"]] == [
        (1, 40.0, 1),
        (2, None, 0),
    ]
    assert adds_up(parts, Kind.SUBMISSIONS)


def test_a_grade_of_minus_one_is_none() -> None:
    """Moodle writes -1 for work that is not graded; a grade without work is a record of its own."""
    grades = [{"id": 1, "userid": 8, "grade": "-1.00000", "grader": -1}, {"id": 2, "userid": 9, "grade": "13.40000"}]
    moodle = assign().on("mod_assign_get_submission_status", {"warnings": []})
    moodle.on("mod_assign_get_grades", {"assignments": [{"assignmentid": 5, "grades": grades}], "warnings": []})

    found = records(read(moodle, module("assign"), area=assignments.assignments), Kind.SUBMISSIONS)

    assert found["assign-grade-1"].data["score"] is None
    assert found["assign-grade-1"].data["grader_id"] is None
    assert (found["assign-grade-2"].data["score"], found["assign-grade-2"].data["grade"]) == (13.4, "13.40000")


def test_warnings_are_gaps_unless_they_mean_nothing() -> None:
    """Warning 1 says that something was withheld; warning 3 that there is nothing."""
    none = [{"item": "module", "itemid": 5, "warningcode": "3", "message": "No submissions found"}]
    refused = [{"item": "assignment", "itemid": 5, "warningcode": "1", "message": "No access rights"}]
    empty = assign().on("mod_assign_get_submissions", {"assignments": [], "warnings": none})
    closed = assign().on("mod_assign_get_submissions", {"assignments": [], "warnings": refused})

    assert gaps(read(empty, module("assign"), area=assignments.assignments), Kind.SUBMISSIONS) == []
    (gap,) = gaps(read(closed, module("assign"), area=assignments.assignments), Kind.SUBMISSIONS)
    assert (gap.reason, gap.count) == (GapReason.NO_ACCESS, None)


def test_a_scale_is_no_number_of_points() -> None:
    """A negative grade names a scale; others are asked for on behalf of those who are not enrolled."""
    moodle = assign(grade=-3)
    found = records(read(moodle, module("assign"), area=assignments.assignments), Kind.ASSIGNMENTS)["assign-5"].data

    assert (found["points_possible"], found["grading_type"], found["extra"]["scale_id"]) == (None, "scale", "3")
    (form,) = [form for name, form in moodle.asked if name == "mod_assign_get_assignments"]
    assert form["includenotenrolledcourses"] == "1"


def test_an_assignment_that_its_function_does_not_tell_of_is_kept() -> None:
    """What the outline says of it is kept, with a gap; nothing vanishes."""
    moodle = assign().on("mod_assign_get_assignments", {"courses": [], "warnings": []})
    parts = read(moodle, module("assign", 9), area=assignments.assignments)

    assert records(parts, Kind.ASSIGNMENTS)["assign-9"].data["title"] == "It"
    assert [gap.id for gap in gaps(parts, Kind.ASSIGNMENTS)] == ["assign-9"]


def quiz() -> MoodleAnswers:
    return MoodleAnswers().on(
        "mod_quiz_get_quizzes_by_courses", {"quizzes": [{"id": 5, "attempts": 0}], "warnings": []}
    )


def of_quizzes(reading: Reading, outline: Outline) -> Parts:
    reading.people.update({"8", "9"})
    return quizzes.attempts(reading, outline)


@pytest.mark.parametrize("lacking", ["mod_quiz_get_user_attempts", "mod_quiz_get_user_quiz_attempts"])
def test_attempts_by_either_name(lacking: str) -> None:
    """The function was renamed in Moodle 5.0; whichever the service has is asked."""
    name = ({"mod_quiz_get_user_attempts", "mod_quiz_get_user_quiz_attempts"} - {lacking}).pop()
    attempt = {"id": 3, "quiz": 5, "userid": 9, "attempt": 1, "state": "finished", "sumgrades": 0}
    moodle = quiz().on(name, lambda form: {"attempts": [attempt] if form["userid"] == "9" else [], "warnings": []})
    moodle.without.add(lacking)
    moodle.on(
        "mod_quiz_get_attempt_review", {"grade": "1", "questions": [{"slot": 1, "html": "<p>?</p>"}], "warnings": []}
    )

    data = records(read(moodle, module("quiz"), area=of_quizzes), Kind.QUIZ_ATTEMPTS)["3"].data

    assert (data["score"], data["answers"]) == (0.0, [{"slot": 1, "html": "<p>?</p>"}])


def test_attempts_that_nobody_may_see_are_one_gap() -> None:
    """One missing right is one gap for each quiz, not one for each person."""
    moodle = quiz().on("mod_quiz_get_user_quiz_attempts", error("nopermissions"))

    (gap,) = gaps(read(moodle, module("quiz"), area=of_quizzes), Kind.QUIZ_ATTEMPTS)
    assert (gap.reason, gap.id, gap.count) == (GapReason.NO_ACCESS, "quiz-5", None)


def test_the_question_bank_is_a_gap() -> None:
    """Questions exist only as shown in attempts; the settings of the quiz are kept."""
    parts = read(quiz(), module("quiz"), area=quizzes.quizzes)

    assert records(parts, Kind.QUIZZES)["quiz-5"].data["allowed_attempts"] == -1
    assert [gap.reason for gap in gaps(parts, Kind.QUIZ_QUESTIONS)] == [GapReason.NOT_OFFERED]


def test_posts_of_old_sites_and_counts_that_differ() -> None:
    """A site that does not know an argument is asked without it; replies that are counted, but not told, are a gap."""
    forum = [{"id": 5, "type": "news", "name": "News"}]
    topic = {"id": 70, "discussion": 7, "subject": "Hi", "userid": 9, "numreplies": 2}
    post = {"id": 70, "author": {"id": 9, "fullname": "N"}, "message": "<p>Hi</p>", "isdeleted": False}
    gone = {"id": 71, "parentid": 70, "author": {"id": None}, "message": "was removed", "isdeleted": True}
    moodle = MoodleAnswers().on("mod_forum_get_forums_by_courses", forum)
    moodle.on("mod_forum_get_forum_discussions", {"discussions": [topic], "warnings": {}})
    moodle.on(
        "mod_forum_get_discussion_posts",
        lambda form: (
            error("invalidparameter") if "includeinlineattachments" in form else {"posts": [gone, post], "warnings": []}
        ),
    )

    parts = read(moodle, module("forum"), area=forums.forums)

    assert records(parts, Kind.DISCUSSIONS)["7"].data["announcement"] is True
    deleted = records(parts, Kind.POSTS)["71"].data
    assert (deleted["deleted"], deleted["message_html"], deleted["author_id"]) == (True, None, None)
    assert [(gap.reason, gap.count) for gap in gaps(parts, Kind.POSTS)] == [(GapReason.UNEXPLAINED, 1)]
    assert adds_up(parts, Kind.POSTS)


def test_a_page_without_its_function_is_read_from_its_file() -> None:
    """The listing says 0 bytes, but the page has a body; the record has it either way."""
    import httpx

    page = {**file("index.html"), "type": "file", "filepath": "/", "filesize": 0}
    moodle = MoodleAnswers("mod_page_get_pages_by_courses")
    moodle.files["/webservice/pluginfile.php/1/x/y/index.html"] = httpx.Response(200, html="<p>Body</p>")

    parts = read(moodle, module("page", contents=[page]), area=materials.pages)

    assert records(parts, Kind.PAGES)["page-5"].data["body_html"] == "<p>Body</p>"
    (gap,) = gaps(parts, Kind.PAGES)
    assert (gap.reason, gap.count) == (GapReason.NOT_OFFERED, 0)
    assert "mod_page_get_pages_by_courses" in gap.detail


def test_an_activity_of_a_plugin_is_described_and_named() -> None:
    """A type that no function reads is kept as the outline has it, and what people did in it is a gap."""
    parts = read(MoodleAnswers(), module("hvp"), area=others)

    assert records(parts, Kind.ACTIVITIES)["hvp-5"].data["title"] == "It"
    (gap,) = gaps(parts, Kind.RESPONSES)
    assert (gap.reason, gap.count) == (GapReason.NOT_OFFERED, None)
    assert "hvp" in gap.detail


def test_a_choice_in_secret_is_counted() -> None:
    """Who is counted without a name is a gap; who has not chosen is nobody's choice."""
    left = {"id": 0, "text": "none", "userresponses": [{"userid": 4}], "numberofuser": 1}
    option = {"id": 1, "text": "A", "userresponses": [{"userid": 9, "timemodified": 1}], "numberofuser": 3}
    moodle = MoodleAnswers().on("mod_choice_get_choices_by_courses", {"choices": [{"id": 5}], "warnings": []})
    moodle.on("mod_choice_get_choice_results", {"options": [left, option], "warnings": []})

    parts = read(moodle, module("choice"), area=others)

    assert list(records(parts, Kind.RESPONSES)) == ["choice-5-1-9"]
    assert [gap.count for gap in gaps(parts, Kind.RESPONSES)] == [2]
    assert adds_up(parts, Kind.RESPONSES)


def test_hidden_sections_broken_links_and_withheld_modules() -> None:
    """An invalid link is an empty list, not nothing; a module whose files are withheld is a gap."""
    link = module("url", 1, contents=[])
    closed = module("resource", 2, uservisible=False)
    parts = read(MoodleAnswers(), link, closed, module("label", 3))

    structure = records(parts, Kind.STRUCTURE)
    assert set(structure) == {"section-1", "cm-101", "cm-102", "cm-103"}
    assert structure["cm-101"].data["url"] is None
    assert [(gap.id, gap.reason) for gap in gaps(parts, Kind.FILES)] == [("cm-102", GapReason.LOCKED)]


def test_completion_that_a_course_does_not_have() -> None:
    """A course that tracks nothing, or sets no criteria, lacks nothing."""
    moodle = MoodleAnswers().on("core_completion_get_course_completion_status", error("nocriteriaset"))
    moodle.on("core_completion_get_activities_completion_status", {"statuses": [], "warnings": []})
    reading = moodle.reading()
    reading.enrolled.add("9")

    assert [part for part in parts_of(progress.completion(reading, {})) if isinstance(part, Gap)] == []
    assert parts_of(progress.completion(reading, {"enablecompletion": 0})) == []


def test_backups_newest_or_all() -> None:
    """Moodle keeps several; the newest is taken unless all are asked for. Folders and other files are left."""
    listed = [{"filename": f"b{n}.mbz", "url": f"{BASE}/pluginfile.php/1/backup/automated/b{n}.mbz", "timemodified": n,
               "isdir": False} for n in (1, 2)]  # fmt: skip
    moodle = MoodleAnswers().on(
        "core_files_get_files", lambda form: {"files": listed if form["filearea"] == "automated" else []}
    )

    newest, every = (parts_of(backups(moodle.reading(backups=mode))) for mode in ("newest", "all"))

    assert [getattr(part, "name", None) for part in newest] == [None, "b2.mbz"]
    assert [getattr(part, "name", None) for part in every] == [None, "b2.mbz", "b1.mbz"]
    assert "/webservice/pluginfile.php/" in str(getattr(newest[1], "url", ""))


def test_php_does_not_tell_a_list_from_an_object() -> None:
    """An empty object is an empty list, and a list with holes an object with numbers; anything else is nonsense."""
    assert objects({}) == objects(None) == objects([]) == []
    assert objects({"0": {"id": 1}, "2": {"id": 3}}) == [{"id": 1}, {"id": 3}]
    for wrong in ({"a": {}}, "x", [1]):
        with pytest.raises(TypeError):
            objects(wrong)


def test_values_that_are_none() -> None:
    """0 is no time, empty text no number; true, 1 and "1" are one answer, and anything else is nonsense."""
    assert (moment(0), moment(None), moment("0"), number(""), whole(None), truth("")) == (None,) * 6
    assert (truth(1), truth("1"), truth(True), truth(0), number("13.40000"), whole("7")) == (
        True, True, True, False, 13.4, 7,
    )  # fmt: skip
    for wrong in (lambda: truth("yes"), lambda: number(True), lambda: whole(1.5), lambda: moment(10**20)):
        with pytest.raises((TypeError, ValueError)):
            wrong()
