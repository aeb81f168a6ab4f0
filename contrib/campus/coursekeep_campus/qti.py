"""Reads the questions of a QTI 1.2 assessment, as Common Cartridges and Canvas's own exports hold them."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree.ElementTree import Element

from coursekeep_campus.content import Doc
from coursekeep_campus.xml import child, children, descendants, text_of

__all__ = ["read_questions"]

#: profiles of Common Cartridge that are Canvas types by another name
_PROFILES = {
    "cc.multiple_choice.v0p1": "multiple_choice_question",
    "cc.multiple_response.v0p1": "multiple_answers_question",
    "cc.true_false.v0p1": "true_false_question",
    "cc.fib.v0p1": "short_answer_question",
    "cc.pattern_match.v0p1": "short_answer_question",
    "cc.essay.v0p1": "essay_question",
}


def read_questions(root: Element, new_id: Callable[[], int]) -> tuple[list[Doc], list[Doc]]:
    """Return the questions and question groups of an assessment, without the quiz's id."""
    questions: list[Doc] = []
    groups: list[Doc] = []
    for item in descendants(root, "item"):
        questions.append(_question(item, len(questions) + 1, new_id))
    for section in descendants(root, "section"):
        number = child(section, "selection_ordering", "selection", "selection_number")
        if number is None:
            continue
        group = _group(section, len(groups) + 1, new_id)
        groups.append(group)
        inside = {item.get("ident") for item in children(section, "item")}
        for question in questions:
            if question["_ident"] in inside:
                question["quiz_group_id"] = group["id"]
    for question in questions:
        del question["_ident"]
    return questions, groups


def _group(section: Element, position: int, new_id: Callable[[], int]) -> Doc:
    selection = ("selection_ordering", "selection")
    points = child(section, *selection, "selection_extension", "points_per_item")
    return {
        "id": new_id(),
        "name": section.get("title") or "",
        "pick_count": int(_number(text_of(child(section, *selection, "selection_number")))),
        "question_points": _number(text_of(points)),
        "position": position,
    }


def _question(item: Element, position: int, new_id: Callable[[], int]) -> Doc:
    fields = {
        text_of(child(entry, "fieldlabel")): text_of(child(entry, "fieldentry"))
        for entry in descendants(item, "qtimetadatafield")
    }
    profile = fields.get("cc_profile", "")
    presentation = child(item, "presentation")
    material = next(iter(descendants(presentation, "mattext")), None) if presentation is not None else None
    feedback = _feedback(item)
    return {
        "id": new_id(),
        "quiz_group_id": None,
        "assessment_question_id": new_id(),
        "position": position,
        "question_name": item.get("title") or "Question",
        "question_type": fields.get("question_type") or _PROFILES.get(profile, "text_only_question"),
        "question_text": text_of(material),
        "points_possible": _number(fields.get("points_possible", "1")),
        "correct_comments": feedback.get("correct_fb", ""),
        "incorrect_comments": feedback.get("general_incorrect_fb", ""),
        "neutral_comments": feedback.get("general_fb", ""),
        "answers": _answers(item, feedback),
        "variables": None,
        "formulas": None,
        "matches": None,
        "matching_answer_incorrect_matches": None,
        "_ident": item.get("ident"),
    }


def _answers(item: Element, feedback: dict[str, str]) -> list[Doc]:
    right = _right_choices(item)
    found: list[Doc] = []
    for response in descendants(item, "response_lid"):
        for label in descendants(response, "response_label"):
            ident = label.get("ident", "")
            text = next(iter(descendants(label, "mattext")), None)
            found.append(
                {
                    "id": ident,
                    "text": text_of(text),
                    "weight": 100 if ident in right else 0,
                    "blank_id": response.get("ident"),
                    "comments": feedback.get(f"{ident}_fb", ""),
                }
            )
    return found


def _right_choices(item: Element) -> set[str]:
    right: set[str] = set()
    for condition in descendants(item, "respcondition"):
        if child(condition, "setvar") is not None:
            refused = {text_of(equal) for no in descendants(condition, "not") for equal in descendants(no, "varequal")}
            right |= {text_of(equal) for equal in descendants(condition, "varequal")} - refused
    return right


def _feedback(item: Element) -> dict[str, str]:
    found: dict[str, str] = {}
    for feedback in children(item, "itemfeedback"):
        text = next(iter(descendants(feedback, "mattext")), None)
        found[feedback.get("ident", "")] = text_of(text)
    return found


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0
