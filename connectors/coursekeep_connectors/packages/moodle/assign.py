"""Assignments with their submissions, attempts, feedback and rubrics in a Moodle backup."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part
from coursekeep_connectors.packages.documents import child, children, descendants, local
from coursekeep_connectors.packages.moodle.activity import Activity
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import elements, facts, identified, plain, said, time_of, trees
from coursekeep_connectors.packages.values import number, whole

__all__ = ["assign_parts", "rubric_parts"]


@dataclass(slots=True)
class _Work:
    """What one person, or one group, has done and got."""

    attempts: dict[int, dict[str, Any]] = field(default_factory=dict)
    comments: list[dict[str, Any]] = field(default_factory=list)
    grade: dict[str, Any] = field(default_factory=dict)


def assign_parts(backup: Backup, activity: Activity) -> Iterator[Part]:
    """Yield the assignment, and one submission for each person or group, with every attempt."""
    shell, id_ = activity.shell, f"assign-{activity.id}"
    item = next((each for each in activity.grade_items if said(each, "itemnumber") in (None, "0")), None)
    types = [each for each in trees(backup.documents, activity.main, "plugin_configs") if isinstance(each, dict)]
    enabled = [each["plugin"] for each in types if _is_enabled(each)]
    attempts = whole(said(shell, "maxattempts"))
    data: dict[str, Any] = {
        "title": said(shell, "name"),
        "description_html": said(shell, "intro"),
        "group_id": identified(item, "categoryid"),
        "points_possible": number(said(item, "grademax")),
        "submission_types": enabled,
        "allowed_attempts": attempts,
        "unlock_at": time_of(backup.package, shell, "allowsubmissionsfromdate", id_),
        "due_at": time_of(backup.package, shell, "duedate", id_),
        "lock_at": time_of(backup.package, shell, "cutoffdate", id_),
        "published": activity.visible,
        "anonymous_grading": {"1": True, "0": False}.get(said(shell, "blindmarking") or ""),
        "overrides": [each for each in trees(backup.documents, activity.main, "overrides") if isinstance(each, dict)],
        "sis_id": said(item, "idnumber"),
        "extra": {"assign": facts(shell, "name", "intro"), "plugin_configs": types},
    }
    yield backup.sheet.record(Kind.ASSIGNMENTS, id_, data, basis="assign.xml")
    for key, work in _works(backup, activity).items():
        yield backup.sheet.record(Kind.SUBMISSIONS, f"{id_}-{key}", _submission(id_, key, work), basis="assign.xml")


def _is_enabled(config: dict[str, Any]) -> bool:
    return (config.get("subtype"), config.get("name"), config.get("value")) == ("assignsubmission", "enabled", "1")


def _works(backup: Backup, activity: Activity) -> dict[str, _Work]:
    backup.documents.fits(activity.main)
    found: dict[str, _Work] = {}
    for element in elements(backup.documents, activity.main, "submission"):
        work = found.setdefault(_key(element), _Work())
        attempt = _attempt(backup, element, activity.context)
        work.attempts[_free(work.attempts, whole(said(element, "attemptnumber")) or 0, "submission_id")] |= attempt
    for path, element in backup.documents.stream(activity.main, "grade"):
        if not path or local(path[-1]) != "grades":
            continue
        work = found.setdefault(_key(element), _Work())
        number_ = _free(work.attempts, whole(said(element, "attemptnumber")) or 0, "grade_id")
        work.attempts[number_] |= _feedback(backup, element, activity.context)
    for item in activity.grade_items:
        if said(item, "itemnumber") in (None, "0"):
            for grade in children(child(item, "grade_grades"), "grade_grade"):
                work = found.setdefault(_key(grade), _Work())
                work.grade = _gradebook(backup, grade)
    return found


def _free(attempts: dict[int, dict[str, Any]], wanted: int, key: str) -> int:
    """Return the attempt to fill: the one of that number, or the next where that one is filled already."""
    while key in attempts.setdefault(wanted, {}):
        wanted += 1
    return wanted


def _key(element: Element) -> str:
    person, group = identified(element, "userid"), identified(element, "groupid")
    return person if person or not group else f"group-{group}"  # type: ignore[return-value]  # never both None


def _attempt(backup: Backup, element: Element, context: str) -> dict[str, Any]:
    id_ = element.get("id", "")
    texts = [said(each) for each in descendants(element, "onlinetext")]
    files = backup.attached.get(("assignsubmission_file", "submission_files", context, id_), [])
    embedded = backup.attached.get(("assignsubmission_onlinetext", "submissions_onlinetext", context, id_), [])
    return {
        "submission_id": id_,
        "status": said(element, "status"),
        "latest": said(element, "latest"),
        "created_at": time_of(backup.package, element, "timecreated", f"submission-{id_}"),
        "updated_at": time_of(backup.package, element, "timemodified", f"submission-{id_}"),
        "group_id": identified(element, "groupid"),
        "body_html": next((text for text in texts if text), None),
        "file_ids": [*files, *embedded],
        "plugins": {local(each): plain(each) for each in element if len(each) and local(each).startswith("subplugin")},
    }


def _feedback(backup: Backup, element: Element, context: str) -> dict[str, Any]:
    id_ = element.get("id", "")
    score = number(said(element, "grade"))
    return {
        "grade_id": id_,
        "score": None if score is not None and score < 0 else score,  # Moodle's sign for not graded is -1
        "grader_id": identified(element, "grader"),
        "graded_at": time_of(backup.package, element, "timemodified", f"grade-{id_}"),
        "feedback": [text for each in descendants(element, "commenttext") if (text := said(each))],
        "feedback_file_ids": backup.attached.get(("assignfeedback_file", "feedback_files", context, id_), []),
        "feedback_plugins": {local(each): plain(each) for each in element if len(each)},
    }


def _gradebook(backup: Backup, grade: Element) -> dict[str, Any]:
    return {
        "score": number(said(grade, "finalgrade")),
        "graded_at": time_of(backup.package, grade, "timemodified", f"grade_grade-{grade.get('id')}"),
        "grader_id": identified(grade, "usermodified"),
        "feedback": said(grade, "feedback"),
        "record": {"@id": grade.get("id"), **facts(grade)},
    }


def _submission(assignment: str, key: str, work: _Work) -> dict[str, Any]:
    attempts = [{"attempt": number_ + 1, **work.attempts[number_]} for number_ in sorted(work.attempts)]
    last = next((each for each in attempts if each.get("latest") == "1"), attempts[-1] if attempts else {})
    grade = work.grade
    comments = [
        {"text": text, "author_id": each.get("grader_id"), "attempt": each["attempt"]}
        for each in attempts
        for text in each.get("feedback", [])
    ]
    submitted = last.get("status") == "submitted"
    return {
        "assignment_id": assignment,
        "person_id": None if key.startswith("group-") else key,
        "group_id": last.get("group_id"),
        "state": last.get("status"),
        "attempt": last.get("attempt"),
        "body_html": last.get("body_html"),
        "submitted_at": last.get("updated_at") if submitted else None,
        "score": grade.get("score"),
        "graded_at": grade.get("graded_at"),
        "grader_id": last.get("grader_id"),
        "file_ids": last.get("file_ids", []),
        "attempts": attempts,
        "comments": comments,
        "extra": {"gradebook": grade} if grade else {},
    }


def rubric_parts(backup: Backup, name: str, assignment: str) -> Iterator[Part]:
    """Yield the rubrics and marking guides, with every filling of them."""
    for area in children(backup.documents.xml(name), "area"):
        for definition in children(child(area, "definitions"), "definition"):
            criteria = [plain(each) for each in definition.iter() if local(each) in ("criterion", "guidecriterion")]
            instances = [plain(each) for each in children(child(definition, "instances"), "instance")]
            data: dict[str, Any] = {
                "title": said(definition, "name"),
                "criteria": [each for each in criteria if isinstance(each, dict)],
                "associations": [{"target_id": assignment, "area": said(area, "areaname"), **facts(definition)}],
                "assessments": [each for each in instances if isinstance(each, dict)],
            }
            yield backup.sheet.record(Kind.RUBRICS, definition.get("id", ""), data, basis="grading.xml")
