"""Grade items, grades and their history in a Moodle backup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part, Record
from coursekeep_connectors.packages.documents import child, children
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import elements, facts, identified, plain, said, time_of, trees
from coursekeep_connectors.packages.values import number

__all__ = ["grade_history_parts", "gradebook_parts", "item_parts"]

_TYPES = {"0": "none", "1": "value", "2": "scale", "3": "text"}
_NEUTRAL = ("course", "category")


def item_parts(
    backup: Backup, item: Element, name: str, *, of: str | None = None, quiz: str | None = None
) -> Iterator[Part]:
    """Yield a grade item and its grades. `of` is the assignment that it belongs to, where that is a record already."""
    id_ = item.get("id", "")
    sort = said(item, "itemtype")
    assignment = of or f"item-{id_}"
    if sort not in _NEUTRAL:
        backup.assignments[id_] = assignment
        if of is None:
            yield _assignment(backup, item, assignment, quiz, name)
    for grade in children(child(item, "grade_grades"), "grade_grade"):
        if sort in _NEUTRAL:
            yield _course_grade(backup, item, grade, name)
        elif of is None:
            yield _graded(backup, grade, assignment, name)


def _assignment(backup: Backup, item: Element, id_: str, quiz: str | None, name: str) -> Record:
    data: dict[str, Any] = {
        "title": said(item, "itemname"),
        "group_id": identified(item, "categoryid"),
        "points_possible": number(said(item, "grademax")),
        "grading_type": _TYPES.get(said(item, "gradetype") or ""),
        "quiz_id": quiz,
        "sis_id": said(item, "idnumber"),
        "extra": {"grade_item": facts(item)},
    }
    return backup.sheet.record(Kind.ASSIGNMENTS, id_, data, basis=f"{name.rpartition('/')[2]}: grade items")


def _graded(backup: Backup, grade: Element, assignment: str, name: str) -> Record:
    """Make the record of one person's grade where there is no submission to join it to."""
    id_ = f"grade-{grade.get('id')}"
    data: dict[str, Any] = {
        "assignment_id": assignment,
        "person_id": identified(grade, "userid"),
        "score": number(said(grade, "finalgrade")),
        "graded_at": time_of(backup.package, grade, "timemodified", id_),
        "grader_id": identified(grade, "usermodified"),
        "excused": True if (said(grade, "excluded") or "0") != "0" else None,
        "comments": [{"text": text, "from": "gradebook"}] if (text := said(grade, "feedback")) else [],
        "extra": {"grade": facts(grade, "feedback")},
    }
    return backup.sheet.record(Kind.SUBMISSIONS, id_, data, basis=f"{name.rpartition('/')[2]}: grades")


def _course_grade(backup: Backup, item: Element, grade: Element, name: str) -> Record:
    id_ = grade.get("id", "")
    overridden = (said(grade, "overridden") or "0") != "0"
    final = number(said(grade, "finalgrade"))
    data: dict[str, Any] = {
        "person_id": identified(grade, "userid") or "",
        "final_score": final,
        "override_score": final if overridden else None,
        "extra": {"item_type": said(item, "itemtype"), "item_id": item.get("id"), "grade": facts(grade)},
    }
    return backup.sheet.record(Kind.GRADES, id_, data, basis=f"{name}: grades")


def gradebook_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield the categories, the items of no activity with their grades, and the settings of the gradebook."""
    for category in elements(backup.documents, name, "grade_category"):
        rules = facts(category, "fullname", "timecreated", "timemodified")
        data = {"name": said(category, "fullname"), "rules": rules}
        yield backup.sheet.record(Kind.ASSIGNMENT_GROUPS, category.get("id", ""), data, basis=name)
    for item in elements(backup.documents, name, "grade_item"):
        yield from item_parts(backup, item, name)
    letters, settings = (trees(backup.documents, name, list_) for list_ in ("grade_letters", "grade_settings"))
    value = {"letters": letters, "settings": settings}
    yield backup.sheet.record(Kind.SETTINGS, "gradebook", {"value": value}, basis=name)


def grade_history_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield every recorded change of a grade."""
    for grade in elements(backup.documents, name, "grade_grade"):
        id_ = grade.get("id", "")
        data: dict[str, Any] = {
            "assignment_id": backup.assignments.get(said(grade, "itemid") or ""),
            "person_id": identified(grade, "userid"),
            "grader_id": identified(grade, "loggeduser"),
            "at": time_of(backup.package, grade, "timemodified", f"history-{id_}"),
            "event": said(grade, "source"),
            "score_after": number(said(grade, "finalgrade")),
            "extra": {"change": plain(grade)},
        }
        yield backup.sheet.record(Kind.GRADE_HISTORY, id_, data, basis=name.rpartition("/")[2])
