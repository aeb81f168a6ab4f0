"""The parts of a cartridge that are graded: assignments and their groups, quizzes, rubrics."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element

from coursekeep_campus.builder import Builder
from coursekeep_campus.content import Doc
from coursekeep_campus.qti import read_questions
from coursekeep_campus.shapes import assignment_group_doc, quiz_doc
from coursekeep_campus.times import parse, stamp
from coursekeep_campus.xml import child, descendants, text_of

if TYPE_CHECKING:
    from coursekeep_campus.cartridge_reader import Cartridge, Resource

__all__ = ["add_assignment", "add_assignment_groups", "add_quiz", "add_rubrics"]

_Linked = Callable[[str], str]


def add_assignment_groups(builder: Builder, cartridge: Cartridge) -> None:
    """Add the groups that Canvas's exports name, or one of its own."""
    name = "course_settings/assignment_groups.xml"
    groups = descendants(cartridge.xml(name), "assignmentGroup") if name in cartridge.members else ()
    for position, group in enumerate(groups, 1):
        weight = _number(child(group, "group_weight"))
        title = text_of(child(group, "title"))
        builder.content.assignment_groups.append(assignment_group_doc(builder.new_id(), title, position, weight))
    if not builder.content.assignment_groups:
        builder.content.assignment_groups.append(assignment_group_doc(builder.new_id(), "Assignments", 1))


def add_assignment(builder: Builder, cartridge: Cartridge, resource: Resource, linked: _Linked) -> Doc:
    """Add an assignment, of the standard's extension or of Canvas's own kind."""
    settings = cartridge.companion(resource, "assignment_settings.xml")
    if settings is None:
        settings = cartridge.companion(resource, ".xml")
    title = text_of(child(settings, "title")) or "Assignment"
    page = next((name for name in resource.files if name.endswith(".html")), None)
    body = cartridge.members[page].decode("utf-8", "replace") if page in cartridge.members else ""
    canvas = child(settings, "extensions", "assignment") if child(settings, "extensions") is not None else settings
    fields = _work_fields(canvas)
    gradable = child(settings, "gradable")
    if gradable is not None and gradable.get("points_possible"):
        fields["points_possible"] = float(gradable.get("points_possible", "0"))
    return builder.assignment(title, description=linked(text_of(child(settings, "text")) or body), **fields)


def _work_fields(settings: Element | None) -> Doc:
    kinds = text_of(child(settings, "submission_types"))
    published = text_of(child(settings, "workflow_state")) != "unpublished"
    return {
        "due_at": _moment(child(settings, "due_at")),
        "lock_at": _moment(child(settings, "lock_at")),
        "unlock_at": _moment(child(settings, "unlock_at")),
        "points_possible": _number(child(settings, "points_possible")),
        "grading_type": text_of(child(settings, "grading_type")) or "points",
        "submission_types": [kind.strip() for kind in kinds.split(",")] if kinds else ["none"],
        "peer_reviews": text_of(child(settings, "peer_reviews")) == "true",
        "published": published,
        "workflow_state": "published" if published else "unpublished",
        "has_submitted_submissions": False,
    }


def add_quiz(builder: Builder, cartridge: Cartridge, resource: Resource, linked: _Linked) -> Doc:
    """Add a quiz with its questions; from Canvas's own copy where there is one, which holds more."""
    meta = cartridge.companion(resource, "assessment_meta.xml")
    own = f"non_cc_assessments/{resource.id}.xml.qti"
    root = cartridge.xml(own if own in cartridge.members else resource.files[0])
    assessment = child(root, "assessment")
    questions, groups = read_questions(root, builder.new_id)
    title = text_of(child(meta, "title")) or (assessment.get("title", "") if assessment is not None else "")
    attempts = text_of(child(meta, "allowed_attempts"))
    quiz = quiz_doc(
        builder.new_id(),
        builder.course.id,
        title or "Quiz",
        description=linked(text_of(child(meta, "description"))),
        quiz_type=text_of(child(meta, "quiz_type")) or "practice_quiz",
        points_possible=_number(child(meta, "points_possible")),
        allowed_attempts=int(attempts) if attempts.lstrip("-").isdecimal() else 1,
        shuffle_answers=text_of(child(meta, "shuffle_answers")) == "true",
        question_count=len(questions),
        question_types=sorted({question["question_type"] for question in questions}),
        published=text_of(child(meta, "available")) != "false",
    )
    for doc in (*questions, *groups):
        doc["quiz_id"] = quiz["id"]
        if "question_text" in doc:
            doc["question_text"] = linked(doc["question_text"])
    builder.content.quizzes.append(quiz)
    builder.content.quiz_questions[quiz["id"]] = questions
    builder.content.quiz_groups[quiz["id"]] = groups
    if quiz["quiz_type"] == "assignment":
        _add_quiz_assignment(builder, quiz, child(meta, "assignment"))
    return quiz


def _add_quiz_assignment(builder: Builder, quiz: Doc, settings: Element | None) -> None:
    fields = {**_work_fields(settings), "submission_types": ["online_quiz"], "points_possible": quiz["points_possible"]}
    assignment = builder.assignment(
        quiz["title"], is_quiz_assignment=True, quiz_id=quiz["id"], description=quiz["description"], **fields
    )
    quiz["assignment_id"] = assignment["id"]


def add_rubrics(builder: Builder, cartridge: Cartridge) -> None:
    """Add the rubrics of Canvas's exports."""
    name = "course_settings/rubrics.xml"
    if name not in cartridge.members:
        return
    for rubric in descendants(cartridge.xml(name), "rubric"):
        criteria = [_criterion(criterion) for criterion in descendants(rubric, "criterion")]
        builder.content.rubrics.append(
            {
                "id": builder.new_id(),
                "title": text_of(child(rubric, "title")),
                "context_id": builder.course.id,
                "context_type": "Course",
                "points_possible": sum(criterion["points"] for criterion in criteria),
                "free_form_criterion_comments": text_of(child(rubric, "free_form_criterion_comments")) == "true",
                "hide_score_total": text_of(child(rubric, "hide_score_total")) == "true",
                "reusable": False,
                "read_only": False,
                "data": criteria,
                "associations": [],
                "assessments": [],
            }
        )


def _criterion(element: Element) -> Doc:
    ratings = [
        {
            "id": text_of(child(rating, "id")),
            "description": text_of(child(rating, "description")),
            "long_description": text_of(child(rating, "long_description")),
            "points": _number(child(rating, "points")),
        }
        for rating in descendants(element, "rating")
    ]
    return {
        "id": text_of(child(element, "criterion_id")),
        "description": text_of(child(element, "description")),
        "long_description": text_of(child(element, "long_description")),
        "points": _number(child(element, "points")),
        "criterion_use_range": text_of(child(element, "criterion_use_range")) == "true",
        "ratings": ratings,
    }


def _number(element: Element | None) -> float:
    try:
        return float(text_of(element) or 0)
    except ValueError:
        return 0.0


def _moment(element: Element | None) -> str | None:
    try:
        return stamp(parse(text_of(element)))
    except ValueError:
        return None
