"""How submissions are written: most by one template, since there are hundreds of thousands of them."""

from __future__ import annotations

from coursekeep_campus.content import ORIGIN, Doc, Submission
from coursekeep_campus.model import Course
from coursekeep_campus.replies import Raw, dump

__all__ = ["render_submission", "submission_doc"]


def render_submission(course: Course, submission: Submission, includes: frozenset[str]) -> Raw:
    """Write a submission with what `include[]` asks for."""
    if _is_plain(submission) and includes <= _EASY:
        return Raw(_render_plain(course, submission, includes).encode())
    return Raw(dump(submission_doc(course, submission, includes)))


#: what a template can add
_EASY = frozenset(
    {"submission_history", "submission_comments", "rubric_assessment", "full_rubric_assessment", "visibility"}
)


def _is_plain(s: Submission) -> bool:
    return not (s.more or s.history or s.comments or s.rubric_assessment)


def _render_plain(course: Course, s: Submission, includes: frozenset[str]) -> str:
    """Write a submission that has only what all have. `submission_doc` says the same, ten times slower."""
    score, grade = _number(s.score), _text(s.grade)
    graded_at, submitted_at = _text(s.graded_at), _text(s.submitted_at)
    preview = f"{ORIGIN}/courses/{course.id}/assignments/{s.assignment_id}/submissions/{s.user_id}?preview=1&version=1"
    plain = (
        f'"id":{s.id},"body":null,"url":null,"grade":{grade},"score":{score},"submitted_at":{submitted_at},'
        f'"assignment_id":{s.assignment_id},"user_id":{s.user_id},"submission_type":{_text(s.type)},'
        f'"workflow_state":"{s.state}","grade_matches_current_submission":true,"graded_at":{graded_at},'
        f'"grader_id":{_number(s.grader_id)},"attempt":{_number(s.attempt)},"cached_due_date":{_text(s.due_at)},'
        f'"excused":{"false" if s.graded_at else "null"},"late_policy_status":null,"points_deducted":null,'
        f'"grading_period_id":null,"extra_attempts":null,"posted_at":{graded_at},"redo_request":false,'
        f'"late":{_flag(s.late)},"missing":{_flag(s.missing)},"seconds_late":{s.seconds_late},'
        f'"entered_grade":{grade},"entered_score":{score},"preview_url":"{preview}",'
        f'"anonymous_id":"a{s.id % 100000:05d}"'
    )
    text = "{" + plain
    if "submission_history" in includes:
        text += ',"submission_history":[{' + plain + "}]"
    if "submission_comments" in includes:
        text += ',"submission_comments":[]'
    if "visibility" in includes:
        text += ',"assignment_visible":true'
    return text + "}"


def _number(value: float | None) -> str:
    return "null" if value is None else repr(value)


def _text(value: str | None) -> str:
    # Moments, states and grades: none of them holds what JSON would escape.
    return "null" if value is None else f'"{value}"'


def _flag(value: bool) -> str:
    return "true" if value else "false"


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
