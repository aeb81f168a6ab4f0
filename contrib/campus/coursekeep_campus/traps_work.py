"""Traps in the rest: attempts, overrides, modules, pages, gradebook, outcomes, calendar, and the course itself."""

from __future__ import annotations

from datetime import timedelta

from coursekeep_campus.builder import Builder
from coursekeep_campus.content import ORIGIN, Doc
from coursekeep_campus.generated_course import comment
from coursekeep_campus.times import stamp

__all__ = [
    "attempts",
    "big_ids",
    "big_module",
    "calendar",
    "disabled_tabs",
    "export_fails",
    "gradebook",
    "nickname",
    "outcomes",
    "overrides",
    "peer_reviews",
    "revisions",
    "strange_text",
]


def big_ids(builder: Builder) -> None:
    """Number everything beyond what a double can hold, as objects of other shards are."""
    builder.start_ids_at(9_010_000_000_000_000 + builder.course.id * 10_000)


def disabled_tabs(builder: Builder) -> None:
    """Switch parts of the course off: they answer 404 with a message of their own."""
    builder.course.disabled = frozenset({"quizzes", "pages", "collaborations"})


def nickname(builder: Builder) -> None:
    """Let the caller have a nickname for the course: `name` is not its name."""
    builder.course.nickname = "My old course"


def export_fails(builder: Builder) -> None:
    """Let the content export end in failure."""
    builder.course.export_fails = True


def big_module(builder: Builder) -> None:
    """Put more items into a module than the largest page holds: they are left out of the list of modules."""
    builder.module("Everything", [("SubHeader", f"Heading {number}", {}) for number in range(1, 121)])


def revisions(builder: Builder) -> None:
    """Change a page, rename it, and empty another one."""
    page = builder.page("Old title", "<p>first</p>", url="old-title")
    builder.revise(page, "Old title", "<p>second</p>", builder.day(12))
    builder.revise(page, "New title", "<p>third</p>", builder.day(13), slug="new-title")
    empty = builder.page("Emptied", "<p>something</p>")
    builder.revise(empty, "Emptied", None, builder.day(14))


def attempts(builder: Builder) -> None:
    """Hand in twice with different files, comment with a file and in a recording, and grade by rubric."""
    assignment = builder.content.assignments[1]
    work = next(s for s in builder.content.submissions if s.assignment_id == assignment["id"] and s.state == "graded")
    first, second = (builder.file(f"draft {n}.txt", f"draft {n}\n".encode(), attached=True) for n in (1, 2))
    moments = [stamp(builder.day(20)), stamp(builder.day(27))]
    work.type, work.attempt, work.submitted_at = "online_upload", 2, moments[1]
    work.more = {"attachments": [second.doc]}
    shared = {"submission_type": "online_upload", "body": None}
    ungraded = dict.fromkeys(("score", "grade", "entered_score", "entered_grade", "graded_at", "grader_id"))
    early = {**shared, **ungraded, "attempt": 1, "submitted_at": moments[0], "workflow_state": "submitted"}
    work.history = [
        {**early, "attachments": [first.doc]},
        {**shared, "attempt": 2, "submitted_at": moments[1], "attachments": [second.doc]},
    ]
    answer = builder.file("remarks.txt", b"remarks\n", attached=True)
    comment(builder, work, "See the file", attachments=[answer.doc])
    builder.file("remarks.mp3", b"ID3 made-up sound", attached=True, media_entry_id="m-made-up")
    media = {"media_id": "m-made-up", "media_type": "audio", "display_name": "remarks.mp3", "content-type": "audio/mp4"}
    media["url"] = f"{ORIGIN}/users/2/media_download?entryId=m-made-up&redirect=1&type=mp4"
    comment(builder, work, "This is a media comment.", media_comment=media)
    essay = builder.content.assignments[0]
    graded = next(s for s in builder.content.submissions if s.assignment_id == essay["id"] and s.state == "graded")
    graded.rubric_assessment = {
        "_1": {"rating_id": "_1a", "comments": "clear", "points": 50.0},
        "_2": {"rating_id": "_2b", "comments": None, "points": 0.0},
    }
    builder.content.rubrics[0]["assessments"].append(
        {
            "id": builder.new_id(),
            "rubric_id": builder.content.rubrics[0]["id"],
            "score": 50.0,
            "artifact_type": "Submission",
            "artifact_id": graded.id,
            "artifact_attempt": 1,
            "assessment_type": "grading",
            "assessor_id": builder.course.teachers[0].id,
            "data": [{"id": "_1", "points": 50.0}, {"id": "_2", "points": 0.0}],
        }
    )


def overrides(builder: Builder) -> None:
    """Give one assignment so many overrides that its dates are only counted; keep another unpublished."""
    assignment = builder.assignment("Many dates", only_visible_to_overrides=True)
    for number in range(26):
        _override(builder, assignment, number)
    one = builder.content.assignments[0]
    _override(builder, one, 100)
    builder.assignment("Not published", published=False, workflow_state="unpublished")


def _override(builder: Builder, assignment: Doc, number: int) -> None:
    student = builder.students[number % len(builder.students)]
    builder.content.overrides.setdefault(assignment["id"], []).append(
        {
            "id": builder.new_id(),
            "assignment_id": assignment["id"],
            "title": f"Override {number}",
            "student_ids": [student.id],
            "due_at": stamp(builder.day(50 + number)),
            "all_day": False,
            "unlock_at": None,
            "lock_at": None,
        }
    )


def peer_reviews(builder: Builder) -> None:
    """Let students review each other."""
    assignment = builder.content.assignments[0]
    assignment["peer_reviews"] = True
    pairs = zip(builder.students, [*builder.students[1:], builder.students[0]], strict=True)
    work = {s.user_id: s for s in builder.content.submissions if s.assignment_id == assignment["id"]}
    for reviewer, author in pairs:
        builder.content.peer_reviews.setdefault(assignment["id"], []).append(
            {
                "id": builder.new_id(),
                "assessor_id": reviewer.id,
                "asset_id": work[author.id].id,
                "asset_type": "Submission",
                "user_id": author.id,
                "workflow_state": "completed",
                "user": {"id": author.id, "display_name": author.name},
                "assessor": {"id": reviewer.id, "display_name": reviewer.name},
                "submission_comments": [],
            }
        )


def gradebook(builder: Builder) -> None:
    """Keep what only the gradebook knows: columns, one of them hidden, a late policy, periods, a scheme."""
    content = builder.content
    for position, hidden in enumerate((False, True), 1):
        column: Doc = {"id": builder.new_id(), "title": f"Notes {position}", "position": position, "hidden": hidden}
        content.gradebook_columns.append({**column, "teacher_notes": hidden, "read_only": False})
        data = [{"user_id": s.id, "content": f"note on {s.id}"} for s in builder.students]
        content.gradebook_column_data[column["id"]] = data
    content.late_policy = {
        "id": builder.new_id(),
        "course_id": builder.course.id,
        "missing_submission_deduction_enabled": True,
        "missing_submission_deduction": 100.0,
        "late_submission_deduction_enabled": True,
        "late_submission_deduction": 10.0,
        "late_submission_interval": "day",
        "late_submission_minimum_percent_enabled": False,
        "late_submission_minimum_percent": 0.0,
    }
    for number in (1, 2):
        start, end = builder.day(60 * (number - 1)), builder.day(60 * number)
        content.grading_periods.append(
            {
                "id": builder.new_id(),
                "title": f"Half {number}",
                "start_date": stamp(start),
                "end_date": stamp(end),
                "close_date": stamp(end),
                "weight": 50.0,
                "is_closed": True,
            }
        )
    scheme = [{"name": "A", "value": 0.9}, {"name": "B", "value": 0.8}, {"name": "F", "value": 0.0}]
    context = {"context_type": "Course", "context_id": builder.course.id}
    content.grading_standards.append({"id": builder.new_id(), "title": "Letters", **context, "grading_scheme": scheme})
    teacher = builder.course.teachers[0]
    content.external_tools.append(
        {
            "id": builder.new_id(),
            "name": "Simulation",
            "description": None,
            "url": "https://tool.example.org/launch",
            "domain": None,
            "consumer_key": "made-up-key",
            "created_at": stamp(builder.day(0)),
            "updated_at": stamp(builder.day(0)),
            "privacy_level": "anonymous",
            "custom_fields": {"owner": teacher.name},
            "workflow_state": "anonymous",
        }
    )


def outcomes(builder: Builder) -> None:
    """State an outcome, link it in a group below the root, and measure it."""
    content, course = builder.content, builder.course
    root = content.outcome_groups[0]
    group: Doc = {**root, "id": builder.new_id(), "title": "Skills"}
    group["parent_outcome_group"] = {"id": root["id"], "title": root["title"]}
    content.outcome_groups.append(group)
    ratings = [{"description": "Mastered", "points": 3.0}, {"description": "Not yet", "points": 0.0}]
    outcome: Doc = {
        "id": builder.new_id(),
        "title": "Argues from evidence",
        "display_name": "Evidence",
        "description": builder.html(),
        "context_id": course.id,
        "context_type": "Course",
        "points_possible": 3.0,
        "mastery_points": 2.0,
        "calculation_method": "latest",
        "ratings": ratings,
        "vendor_guid": None,
        "assessed": True,
        "can_edit": True,
    }
    content.outcomes[outcome["id"]] = outcome
    short = {name: outcome[name] for name in ("id", "title", "display_name", "context_id", "context_type")}
    content.outcome_links.append(
        {
            "url": f"/api/v1/courses/{course.id}/outcome_groups/{group['id']}/outcomes/{outcome['id']}",
            "context_id": course.id,
            "context_type": "Course",
            "outcome_group": {"id": group["id"], "title": group["title"]},
            "outcome": short,
            "assessed": True,
        }
    )
    assignment = content.assignments[0]
    for student in builder.students:
        content.outcome_results.append(
            {
                "id": builder.new_id(),
                "score": 3.0,
                "submitted_or_assessed_at": stamp(builder.day(40)),
                "links": {
                    "user": str(student.id),
                    "learning_outcome": str(outcome["id"]),
                    "alignment": f"assignment_{assignment['id']}",
                    "assignment": f"assignment_{assignment['id']}",
                },
                "percent": 1.0,
                "possible": 3.0,
                "mastery": True,
            }
        )


def calendar(builder: Builder) -> None:
    """Plan events long ago, some day, and in a section; none of them is today."""
    builder.event("Excursion", builder.day(30))
    builder.event("Some day", None)
    section = builder.content.sections[0]
    builder.event("Only section 1", builder.day(31), effective_context_code=f"course_section_{section['id']}")
    builder.event("Far away", builder.now + timedelta(days=500))


def strange_text(builder: Builder) -> None:
    """Write what breaks careless software: other scripts, astral characters, markup, control characters, emptiness."""
    texts = (
        "Zażółć gęślą jaźń",
        "日本語のページ",
        "\U0001d54f astral \U0001f9ea",
        "<script>alert(1)</script>",
        'quotes " \\ and \u2028 line separator',
        'sis_user_id":null,"id":5',
    )
    for number, text in enumerate(texts):
        builder.page(text, f"<p>{text}</p>", url=f"strange-{number}")
    builder.page("Nothing", "")
    topic = builder.topic(texts[3])
    builder.entry(topic, builder.students[0], message=texts[2])
    builder.content.submissions[0].more["body"] = texts[4]
