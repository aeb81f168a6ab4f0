"""Changes that happen in a campus while it is being archived."""

from __future__ import annotations

from datetime import timedelta

from coursekeep_campus.content import Bytes, Doc, StoredFile, Submission
from coursekeep_campus.grading import course_scores
from coursekeep_campus.model import Campus, Course
from coursekeep_campus.shapes import grades_doc
from coursekeep_campus.shapes_material import file_doc
from coursekeep_campus.times import stamp

__all__ = ["add_large_file", "change_grade", "history_doc"]


def change_grade(campus: Campus, course_id: int, assignment_id: int, user_id: int, score: float) -> Doc:
    """Grade a submission anew: the submission, the grades of the enrolment and the history of grades all change.

    Raises KeyError where there is no such submission.
    """
    course = campus.courses[course_id]
    content = course.content
    found = [s for s in content.submissions_of_assignment(assignment_id) if s.user_id == user_id]
    if not found:
        raise KeyError(f"user {user_id} has no submission to assignment {assignment_id} in course {course_id}")
    submission = found[0]
    change = _history_entry(campus, course, submission, score)
    submission.score, submission.grade = score, _points(score)
    submission.state, submission.graded_at = "graded", change["graded_at"]
    submission.grader_id = change["grader_id"]
    for attempt in submission.history[-1:]:
        attempt.update(score=score, grade=_points(score), entered_score=score, entered_grade=_points(score))
        attempt.update(graded_at=submission.graded_at, workflow_state="graded", grader_id=submission.grader_id)
    content.grade_changes.append(change)
    current, final = course_scores(course, content, user_id)
    for doc in content.enrollments_of(user_id):
        if "grades" in doc:
            scores = {name: value for name, value in grades_doc(course.id, user_id, current, final).items() if value}
            doc["grades"] = {**doc["grades"], **scores}
    course.pin()
    return change


def add_large_file(campus: Campus, course_id: int, size: int, name: str = "recording.mp4") -> StoredFile:
    """Put a file of any size into the root folder of a course; its bytes are made while they are sent.

    `known["large_file"]` names the course from then on. Raises KeyError where there is no such course.
    """
    course = campus.courses[course_id]
    content = course.content
    course.pin()
    course.eager = True
    root = content.folders[0]
    number = course_id * 10_000 + 9_000 + len(content.files)
    doc = file_doc(number, name, size, campus.now, verifier=None, folder_id=root["id"])
    file = StoredFile(doc=doc, content=Bytes(length=size))
    content.files.append(file)
    root["files_count"] += 1
    campus.known["large_file"] = course_id
    return file


def _points(score: float) -> str:
    return f"{score:g}"


def _history_entry(campus: Campus, course: Course, submission: Submission, score: float) -> Doc:
    content = course.content
    assignment = next(doc for doc in content.assignments if doc["id"] == submission.assignment_id)
    moment = campus.now + timedelta(seconds=len(content.grade_changes) + 1)
    return history_doc(course, submission, assignment, stamp(moment), score, _points(score))


def history_doc(
    course: Course, submission: Submission, assignment: Doc, graded_at: str | None, score: float, grade: str
) -> Doc:
    """Describe one version of a graded submission as the gradebook's history does."""
    grader_id, grader = (course.teachers[0].id, course.teachers[0].name) if course.teachers else (None, None)
    person = course.content.people[submission.user_id]
    return {
        "id": submission.id,
        "assignment_id": assignment["id"],
        "assignment_name": assignment["name"],
        "user_id": submission.user_id,
        "user_name": person.name,
        "grader_id": grader_id,
        "grader": grader,
        "graded_at": graded_at,
        "attempt": submission.attempt,
        "score": score,
        "grade": grade,
        "workflow_state": "graded",
        "current_grade": grade,
        "current_graded_at": graded_at,
        "current_grader": grader,
        "new_grade": grade,
        "new_graded_at": graded_at,
        "new_grader": grader,
        "previous_grade": submission.grade,
        "previous_graded_at": submission.graded_at,
        "previous_grader": grader if submission.graded_at else None,
    }
