"""What every course of a generated campus has, before traps are laid."""

from __future__ import annotations

from coursekeep_campus.builder import Builder
from coursekeep_campus.change import history_doc
from coursekeep_campus.content import ORIGIN, Doc, Person, Submission
from coursekeep_campus.shapes import assignment_group_doc
from coursekeep_campus.shapes_course import course_settings, course_tabs
from coursekeep_campus.times import stamp

__all__ = ["comment", "fill"]


def fill(builder: Builder, students: list[Person], test_student: Person) -> None:
    """Fill a course with people, work, talk and material."""
    content, course = builder.content, builder.course
    content.syllabus = f"<h2>{course.name}</h2>{builder.html(2)}"
    content.settings = course_settings()
    content.tabs = course_tabs(course.id, course.disabled)
    content.features = ["new_gradebook", "final_grades_override"]
    content.assignment_groups.append(assignment_group_doc(builder.new_id(), "Coursework", 1, 60.0))
    content.assignment_groups.append(
        assignment_group_doc(builder.new_id(), "Projects", 2, 40.0, rules={"drop_lowest": 1, "never_drop": []})
    )
    _people(builder, students, test_student)
    _files(builder)
    _assignments(builder)
    _rubric(builder)
    _work(builder)
    _talk(builder)
    _pages(builder)
    _modules(builder)
    _calendar(builder)
    _outcomes(builder)


def _people(builder: Builder, students: list[Person], test_student: Person) -> None:
    first = builder.section("Section 1")
    second = builder.section("Section 2")
    for teacher in builder.course.teachers:
        builder.enroll(teacher, "TeacherEnrollment")
    over = "completed" if builder.course.state == "completed" else "active"
    for number, student in enumerate(students):
        section = first if number % 2 == 0 else second
        builder.enroll(student, "StudentEnrollment", section, enrollment_state=over, total_activity_time=3600 + number)
    builder.students = list(students)
    builder.enroll(test_student, "StudentViewEnrollment")


def _files(builder: Builder) -> None:
    root = builder.folder("course files")
    handouts = builder.folder("Handouts", root)
    builder.file("syllabus.txt")
    builder.file("reading list.txt", folder=handouts)
    builder.file("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 4, folder=handouts)


def _assignments(builder: Builder) -> None:
    group = builder.content.assignment_groups[1]["id"]
    builder.assignment("Essay", submission_types=["online_text_entry", "online_upload"])
    builder.assignment("Report", submission_types=["online_upload"])
    builder.assignment("Web project", assignment_group_id=group, submission_types=["online_url"])
    builder.assignment("Exam", submission_types=["on_paper"], grading_type="percent")


def _rubric(builder: Builder) -> None:
    course, content = builder.course, builder.content
    assignment = content.assignments[0]
    number = builder.new_id()
    criteria: list[Doc] = [
        {
            "id": f"_{position}",
            "description": name,
            "long_description": "",
            "points": 50.0,
            "criterion_use_range": False,
            "ratings": [
                {"id": f"_{position}a", "description": "Full marks", "long_description": "", "points": 50.0},
                {"id": f"_{position}b", "description": "No marks", "long_description": "", "points": 0.0},
            ],
        }
        for position, name in enumerate(("Argument", "Sources"), 1)
    ]
    settings = {"id": number, "title": "Essay rubric", "points_possible": 100.0, "free_form_criterion_comments": False}
    assignment.update(rubric=criteria, rubric_settings=settings, use_rubric_for_grading=True)
    association = {"id": builder.new_id(), "rubric_id": number, "association_id": assignment["id"]}
    content.rubrics.append(
        {
            **settings,
            "context_id": course.id,
            "context_type": "Course",
            "reusable": False,
            "read_only": False,
            "hide_score_total": False,
            "data": criteria,
            "associations": [{**association, "association_type": "Assignment", "use_for_grading": True}],
            "assessments": [],
        }
    )


def _work(builder: Builder) -> None:
    for position, assignment in enumerate(builder.content.assignments):
        for number, student in enumerate(builder.students):
            _submit(builder, assignment, student, position, number)


def _submit(builder: Builder, assignment: Doc, student: Person, position: int, number: int) -> None:
    chance = builder.random.random()
    if chance < 0.1:
        missing = position < 2
        builder.submission(assignment, student, "unsubmitted", missing=missing)
        return
    kind = assignment["submission_types"][-1]
    paper = kind == "on_paper"
    late = not paper and chance > 0.9
    handed_in = builder.day(14 * (position + 1) + (2 if late else -1), minutes=number)
    submission = builder.submission(
        assignment,
        student,
        "submitted" if 0.1 <= chance < 0.2 and not paper else "graded",
        type=None if paper else kind,
        attempt=None if paper else 1,
        submitted_at=None if paper else stamp(handed_in),
        late=late,
        seconds_late=2 * 86400 if late else 0,
    )
    _hand_in(builder, submission, kind)
    if submission.state == "graded":
        _grade(builder, assignment, submission, position, number)


def _hand_in(builder: Builder, submission: Submission, kind: str) -> None:
    if kind == "online_url":
        submission.more["url"] = f"https://student-{submission.user_id}.example.org/project"
    elif kind == "online_upload" and builder.random.random() < 0.4:
        file = builder.file(f"work-{submission.user_id}.txt", attached=True)
        submission.more["attachments"] = [file.doc]
    elif kind == "online_upload":
        submission.type = "online_text_entry"
        submission.more["body"] = builder.html()


def _grade(builder: Builder, assignment: Doc, submission: Submission, position: int, number: int) -> None:
    score = float(builder.random.randrange(40, 101))
    graded = stamp(builder.day(14 * (position + 1) + 5, minutes=number))
    change = history_doc(builder.course, submission, assignment, graded, score, f"{score:g}")
    submission.score, submission.grade, submission.graded_at = score, f"{score:g}", graded
    submission.grader_id = builder.course.teachers[0].id
    builder.content.grade_changes.append(change)
    if number % 4 == 0:
        comment(builder, submission, builder.words(8))


def comment(builder: Builder, submission: Submission, text: str, **fields: object) -> Doc:
    """Add a comment of the teacher to a submission."""
    teacher = builder.course.teachers[0]
    doc: Doc = {
        "id": builder.new_id(),
        "comment": text,
        "author_id": teacher.id,
        "author_name": teacher.name,
        "author": {"id": teacher.id, "display_name": teacher.name, "anonymous_id": f"t{teacher.id}"},
        "created_at": submission.graded_at or stamp(builder.day(30)),
        "edited_at": None,
        **fields,
    }
    submission.comments.append(doc)
    return doc


def _talk(builder: Builder) -> None:
    for title in ("Introductions", "Questions about the reading"):
        topic = builder.topic(title)
        for number, student in enumerate(builder.students[:3]):
            entry = builder.entry(topic, student)
            if number == 0:
                builder.entry(topic, builder.course.teachers[0], entry)
    builder.topic("Welcome", announcement=True)


def _pages(builder: Builder) -> None:
    file = builder.content.files[0]
    link = f'<a href="{ORIGIN}/courses/{builder.course.id}/files/{file.id}/download">Syllabus</a>'
    front = builder.page("Start here", f"<p>{builder.words(12)}</p>{link}", front_page=True)
    front.front = True
    builder.page("Week 1")
    builder.page("Week 2", published=False)


def _modules(builder: Builder) -> None:
    content, course = builder.content, builder.course
    page, file, assignment = content.pages[1], content.files[1], content.assignments[0]
    api = f"{ORIGIN}/api/v1/courses/{course.id}"
    builder.module(
        "Beginning",
        [
            ("SubHeader", "Read first", {}),
            ("Page", page.doc["title"], {"page_url": page.doc["url"], "url": f"{api}/pages/{page.doc['url']}"}),
            ("File", file.doc["display_name"], {"content_id": file.id, "url": f"{api}/files/{file.id}"}),
        ],
    )
    builder.module(
        "Work",
        [
            (
                "Assignment",
                assignment["name"],
                {"content_id": assignment["id"], "completion_requirement": {"type": "must_submit"}},
            ),
            ("ExternalUrl", "Further reading", {"external_url": "https://reading.example.org/", "new_tab": True}),
            ("Discussion", "Introductions", {"content_id": content.topics[0].doc["id"]}),
        ],
    )


def _calendar(builder: Builder) -> None:
    builder.event("Opening lecture", builder.day(1))


def _outcomes(builder: Builder) -> None:
    course = builder.course
    builder.content.outcome_groups.append(
        {
            "id": builder.new_id(),
            "title": course.name,
            "description": None,
            "context_id": course.id,
            "context_type": "Course",
            "vendor_guid": None,
            "parent_outcome_group": None,
            "url": f"/api/v1/courses/{course.id}/outcome_groups/1",
            "can_edit": True,
        }
    )
