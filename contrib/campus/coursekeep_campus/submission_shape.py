"""How submissions are written: most by one template, since there are hundreds of thousands of them."""

from __future__ import annotations

from coursekeep_campus.model import ORIGIN, Course, Doc, Submission
from coursekeep_campus.replies import Raw, dump

__all__ = ["render_submission", "submission_doc"]


def render_submission(course: Course, submission: Submission, includes: frozenset[str]) -> Raw:
    """Write a submission with what `include[]` asks for."""
    return Raw(dump(submission_doc(course, submission, includes)))


def submission_doc(course: Course, s: Submission, includes: frozenset[str]) -> Doc:
    """Describe a submission."""
    doc = _standing(course, s)
    if "submission_history" in includes:
        doc["submission_history"] = [{**doc, **attempt} for attempt in s.history] or [dict(doc)]
    if "submission_comments" in includes:
        doc["submission_comments"] = s.comments
    if ("rubric_assessment" in includes or "full_rubric_assessment" in includes) and s.rubric_assessment is not None:
        doc["rubric_assessment"] = s.rubric_assessment
    if "visibility" in includes:
        doc["assignment_visible"] = True
    if "group" in includes and "group" not in doc:
        doc["group"] = {"id": None, "name": None}
    if "user" in includes and s.user_id in course.content.people:
        person = course.content.people[s.user_id]
        doc["user"] = {"id": person.id, "name": person.name, "sortable_name": person.sortable_name}
    return doc


def _standing(course: Course, s: Submission) -> Doc:
    return {
        "id": s.id,
        "body": None,
        "url": None,
        "grade": s.grade,
        "score": s.score,
        "submitted_at": s.submitted_at,
        "assignment_id": s.assignment_id,
        "user_id": s.user_id,
        "submission_type": s.type,
        "workflow_state": s.state,
        "grade_matches_current_submission": True,
        "graded_at": s.graded_at,
        "grader_id": s.grader_id,
        "attempt": s.attempt,
        "cached_due_date": s.due_at,
        "excused": False if s.graded_at else None,
        "late_policy_status": None,
        "points_deducted": None,
        "grading_period_id": None,
        "extra_attempts": None,
        "posted_at": s.graded_at,
        "redo_request": False,
        "late": s.late,
        "missing": s.missing,
        "seconds_late": s.seconds_late,
        "entered_grade": s.grade,
        "entered_score": s.score,
        "preview_url": (
            f"{ORIGIN}/courses/{course.id}/assignments/{s.assignment_id}/submissions/{s.user_id}?preview=1&version=1"
        ),
        "anonymous_id": f"a{s.id % 100000:05d}",
        **s.more,
    }
