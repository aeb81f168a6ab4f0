"""Course grades: worked out from submissions, so that they change when a submission does."""

from __future__ import annotations

from coursekeep_campus.content import Content, Doc
from coursekeep_campus.model import Course

__all__ = ["course_scores"]


def course_scores(course: Course, content: Content, user_id: int) -> tuple[float | None, float | None]:
    """Work out the current score (what is graded) and the final one (ungraded counts as zero), in percent."""
    scores = {s.assignment_id: s.score for s in content.submissions_of_student(user_id) if s.score is not None}
    counted = [doc for doc in content.assignments if doc["published"] and not doc["omit_from_final_grade"]]
    if not course.apply_weights:
        return _percent(counted, scores, only_graded=True), _percent(counted, scores, only_graded=False)
    return _weighted(content, counted, scores, only_graded=True), _weighted(content, counted, scores, only_graded=False)


def _percent(counted: list[Doc], scores: dict[int, float], *, only_graded: bool) -> float | None:
    taken = [doc for doc in counted if doc["id"] in scores or not only_graded]
    possible = sum(doc["points_possible"] or 0.0 for doc in taken)
    if not possible:
        return None
    return round(100 * sum(scores.get(doc["id"], 0.0) for doc in taken) / possible, 2)


def _weighted(content: Content, counted: list[Doc], scores: dict[int, float], *, only_graded: bool) -> float | None:
    total, weights = 0.0, 0.0
    for group in content.assignment_groups:
        inside = [doc for doc in counted if doc["assignment_group_id"] == group["id"]]
        percent = _percent(inside, scores, only_graded=only_graded)
        if percent is not None:
            total += percent * group["group_weight"]
            weights += group["group_weight"]
    return round(total / weights, 2) if weights else None
