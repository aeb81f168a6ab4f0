"""Makes the content of one OULAD presentation when it is first asked for."""

from __future__ import annotations

from array import array
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from coursekeep_campus.content import Content, Doc, Person, Submission
from coursekeep_campus.grading import course_scores
from coursekeep_campus.model import Course
from coursekeep_campus.shapes import assignment_doc, assignment_group_doc, enrollment_doc, grades_doc, section_doc
from coursekeep_campus.shapes_course import course_settings, course_tabs
from coursekeep_campus.shapes_material import item_doc, module_doc
from coursekeep_campus.times import stamp

__all__ = ["AssessmentRow", "Presentation", "SiteRow", "StudentRow", "content_of"]

#: number, type, due day, weight
AssessmentRow = tuple[int, str, int | None, float]
#: number, activity, first and last week
SiteRow = tuple[int, str, int | None, int | None]
#: enrolment's id, student's number, region, final result, days of registration and unregistration
StudentRow = tuple[int, int, str, str, int | None, int | None]

#: values per result: id, assessment, student, day, banked, score (-1 for none)
_STRIDE = 6


@dataclass(kw_only=True, slots=True)
class Presentation:
    """The rows of one module presentation. Days count from `start`; ids in Canvas are the rows' own plus `base`."""

    id: int
    module: str
    code: str
    start: datetime
    length: int
    base: int
    assessments: list[AssessmentRow] = field(default_factory=list)
    sites: list[SiteRow] = field(default_factory=list)
    students: list[StudentRow] = field(default_factory=list)
    results: array[int] = field(default_factory=lambda: array("i"))

    def day(self, number: int | None) -> str | None:
        """Write a day as a moment; None stays None."""
        return None if number is None else stamp(self.start + timedelta(days=number))


def content_of(course: Course, presentation: Presentation) -> Content:
    """Make the content of a presentation's course."""
    content = Content()
    assert course.root_folder is not None
    content.folders = [course.root_folder]
    content.settings = course_settings()
    content.tabs = course_tabs(course.id)
    content.outcome_groups = [_outcome_group(course)]
    _add_assignments(content, course, presentation)
    _add_people(content, course, presentation)
    _add_modules(content, course, presentation)
    _add_submissions(content, presentation)
    _add_grades(content, course, presentation)
    return content


def _outcome_group(course: Course) -> Doc:
    context = {"context_type": "Course", "context_id": course.id}
    return {"id": course.id, "title": course.name, "description": None, "parent_outcome_group": None, **context}


def _add_assignments(content: Content, course: Course, presentation: Presentation) -> None:
    kinds = list(dict.fromkeys(kind for _, kind, _, _ in presentation.assessments))
    groups = {}
    for position, kind in enumerate(kinds, 1):
        weight = sum(w for _, k, _, w in presentation.assessments if k == kind)
        groups[kind] = presentation.id * 10 + position
        content.assignment_groups.append(assignment_group_doc(groups[kind], kind, position, weight))
    for position, (number, kind, due, weight) in enumerate(presentation.assessments, 1):
        content.assignments.append(
            assignment_doc(
                presentation.base + number,
                course.id,
                groups[kind],
                f"{kind} {number} ({weight:g} %)",
                position=position,
                due_at=presentation.day(due),
                submission_types=["on_paper"] if kind == "Exam" else ["online_text_entry"],
                created_at=stamp(presentation.start),
                updated_at=stamp(presentation.start),
                integration_data={"weight": weight},
            )
        )
    content.assignments.sort(key=lambda doc: doc["position"])


def _add_people(content: Content, course: Course, presentation: Presentation) -> None:
    sections: dict[str, Doc] = {}
    for region in sorted({row[2] for row in presentation.students}):
        sis = {"sis_section_id": f"{course.sis_id}-{region}", "sis_course_id": course.sis_id}
        number = presentation.id * 100 + len(sections) + 1
        sections[region] = section_doc(number, course.id, region, created_at=stamp(presentation.start), **sis)
    content.sections = list(sections.values())
    for id_, student, region, result, registered, unregistered in presentation.students:
        name = f"Student {student}"
        person = Person(
            id=presentation.base + student, name=name, sortable_name=name, login=f"s{student}", sis_id=str(student)
        )
        section = sections[region]
        content.people[person.id] = person
        content.enrollments.append(
            enrollment_doc(
                id_,
                course.id,
                section["id"],
                person,
                "StudentEnrollment",
                enrollment_state="inactive" if result == "Withdrawn" else "completed",
                created_at=presentation.day(registered) or stamp(presentation.start),
                updated_at=presentation.day(unregistered) or stamp(presentation.start),
                start_at=presentation.day(registered),
                end_at=presentation.day(unregistered),
                sis_course_id=course.sis_id,
                sis_section_id=section["sis_section_id"],
            )
        )


def _add_modules(content: Content, course: Course, presentation: Presentation) -> None:
    by_week: dict[int | None, list[SiteRow]] = defaultdict(list)
    for row in presentation.sites:
        by_week[row[2]].append(row)
    for position, week in enumerate(sorted(by_week, key=lambda week: -1 if week is None else week), 1):
        number = presentation.id * 100 + position
        name = "All weeks" if week is None else f"Week {week}"
        content.modules.append(module_doc(number, course.id, name, position, len(by_week[week])))
        content.module_items[number] = [
            _item(presentation, course, number, place, row) for place, row in enumerate(by_week[week], 1)
        ]


def _item(presentation: Presentation, course: Course, module: int, position: int, row: SiteRow) -> Doc:
    number, kind, first, last = row
    weeks = "" if first is None else f", weeks {first} to {last}"
    address = f"https://vle.example.org/{presentation.module}/{presentation.code}/{number}"
    title = f"{kind} {number}{weeks}"
    shared = {"external_url": address, "new_tab": True}
    return item_doc(presentation.base + number, course.id, module, position, title, "ExternalUrl", **shared)


def _add_submissions(content: Content, presentation: Presentation) -> None:
    due = {presentation.base + number: day for number, _, day, _ in presentation.assessments}
    due_at = {number: presentation.day(day) for number, day in due.items()}
    exams = {presentation.base + number for number, kind, _, _ in presentation.assessments if kind == "Exam"}
    days = {day: presentation.day(day) for day in presentation.results[3::_STRIDE]}
    values, base = presentation.results, presentation.base
    for at in range(0, len(values), _STRIDE):
        id_, assessment, student, day, banked, score = values[at : at + _STRIDE]
        graded = score >= 0
        assignment_id = base + assessment
        due_day = due[assignment_id]
        days_late = 0 if due_day is None or banked else max(0, day - due_day)
        content.submissions.append(
            Submission(
                id=id_,
                user_id=base + student,
                assignment_id=assignment_id,
                state="graded" if graded else "submitted",
                score=float(score) if graded else None,
                grade=str(score) if graded else None,
                # A banked result is carried over from an earlier presentation: nothing was handed in.
                attempt=None if banked else 1,
                type=None if banked else ("on_paper" if assignment_id in exams else "online_text_entry"),
                submitted_at=days[day],
                graded_at=days[day] if graded else None,
                due_at=due_at[assignment_id],
                late=days_late > 0,
                seconds_late=days_late * 86400,
            )
        )


def _add_grades(content: Content, course: Course, presentation: Presentation) -> None:
    results = {presentation.base + student: result for _, student, _, result, _, _ in presentation.students}
    for doc in content.enrollments:
        current, final = course_scores(course, content, doc["user_id"])
        result = results[doc["user_id"]]
        doc["grades"] = grades_doc(course.id, doc["user_id"], current, final) | {"final_grade": result}
