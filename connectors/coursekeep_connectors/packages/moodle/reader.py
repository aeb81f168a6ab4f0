"""Goes through a Moodle backup in about the order in which its documents lie in it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Gap, GapReason, Kind, MalformedAnswer, Part, Record
from coursekeep_connectors.packages.documents import child, descendants
from coursekeep_connectors.packages.moodle.activity import Activity, load
from coursekeep_connectors.packages.moodle.assign import assign_parts, rubric_parts
from coursekeep_connectors.packages.moodle.content import CONTENT, Texts
from coursekeep_connectors.packages.moodle.course import (
    badge_parts,
    calendar_parts,
    completion_parts,
    course_completion_parts,
    information_of,
    outcome_parts,
    section_parts,
    setting_parts,
    stated,
)
from coursekeep_connectors.packages.moodle.files import FILES, file_parts, note_attachments
from coursekeep_connectors.packages.moodle.forum import forum_parts
from coursekeep_connectors.packages.moodle.grades import grade_history_parts, gradebook_parts, item_parts
from coursekeep_connectors.packages.moodle.people import enrollment_parts, group_parts, people_parts
from coursekeep_connectors.packages.moodle.quiz import question_parts, quiz_parts
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import facts, said
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import whole

__all__ = ["read_moodle"]

_BACKUP = "moodle_backup.xml"
#: what activities become beside their place in the outline, and which of their lists are read for it
_READERS = {
    **CONTENT,
    "assign": Texts(lists=frozenset({"submissions", "grades", "plugin_configs", "overrides"}), parts=assign_parts),
    "quiz": Texts(
        lists=frozenset({"attempts", "question_instances", "sections", "feedbacks", "overrides", "grades"}),
        parts=quiz_parts,
    ),
    "forum": Texts(lists=frozenset({"discussions"}), parts=forum_parts),
}
_TARGETS = {"assign": Kind.ASSIGNMENTS, "quiz": Kind.QUIZZES, "page": Kind.PAGES}


def read_moodle(package: Package) -> Iterator[Part]:
    """Yield the records and files of a backup. Raises `MalformedAnswer` where it does not say what it holds."""
    backup = Backup(package=package)
    information = information_of(backup, _BACKUP)
    package.used.update({_BACKUP, ".ARCHIVE_INDEX", "moodle_backup.log", "imsmanifest.xml"} & set(_names(backup)))
    yield from stated(backup, information)
    yield from package.guarded(Kind.FILES, FILES, _noted(backup))
    yield from _course(backup)
    for name in [name for name in _names(backup) if name.startswith("sections/") and name.endswith("/section.xml")]:
        yield from backup.read(Kind.STRUCTURE, name, section_parts(backup, name))
    yield from _activities(backup, information)
    history = "grade_history.xml"
    yield from backup.read(Kind.GRADE_HISTORY, history, grade_history_parts(backup, history))
    yield from backup.read(Kind.QUIZ_QUESTIONS, "questions.xml", question_parts(backup, "questions.xml"))
    yield from backup.read(Kind.FILES, FILES, file_parts(backup))
    yield from _left_over(backup)


def _names(backup: Backup) -> list[str]:
    return list(backup.documents.container.entries)


def _noted(backup: Backup) -> Iterator[Part]:
    note_attachments(backup)
    return
    yield


def _course(backup: Backup) -> Iterator[Part]:
    read = backup.read
    course = "course/course.xml"
    yield from read(Kind.SETTINGS, course, setting_parts(backup, course, "course"))
    yield from read(Kind.PEOPLE, "users.xml", people_parts(backup, "users.xml"))
    roles = enrollment_parts(backup, "course/enrolments.xml", "course/roles.xml")
    yield from backup.package.guarded(Kind.ENROLLMENTS, "course/enrolments.xml", roles)
    yield from read(Kind.GROUPS, "groups.xml", group_parts(backup, "groups.xml"))
    yield from read(Kind.CALENDAR_EVENTS, "course/calendar.xml", calendar_parts(backup, "course/calendar.xml"))
    yield from read(Kind.COMPLETIONS, "completion.xml", course_completion_parts(backup, "completion.xml"))
    yield from read(Kind.OUTCOMES, "outcomes.xml", outcome_parts(backup, "outcomes.xml"))
    yield from read(Kind.BADGES, "badges.xml", badge_parts(backup, "badges.xml"))
    yield from read(Kind.SETTINGS, "scales.xml", setting_parts(backup, "scales.xml", "scales"))
    yield from read(Kind.ASSIGNMENT_GROUPS, "gradebook.xml", gradebook_parts(backup, "gradebook.xml"))


def _activities(backup: Backup, information: Element) -> Iterator[Part]:
    """Yield every activity that the backup lists, and those that lie in it unlisted."""
    listed = [said(each, "directory") or "" for each in descendants(child(information, "contents"), "activity")]
    inside: dict[str, list[str]] = {}
    for name in _names(backup):
        parts = name.split("/")
        if len(parts) > 2 and parts[0] == "activities":
            inside.setdefault("/".join(parts[:2]), []).append(name)
    directories = list(dict.fromkeys([*inside, *(directory for directory in listed if directory)]))
    backup.sheet.expect(Kind.STRUCTURE, len(directories), "moodle_backup.xml: activities")
    for directory in directories:
        if directory not in inside:
            detail = "the backup lists the activity, but does not hold it"
            yield Gap(kind=Kind.STRUCTURE, reason=GapReason.NOT_FOUND, id=directory, detail=detail)
            continue
        backup.documents.read_ahead(inside[directory])
        try:
            activity = load(backup, directory)
        except MalformedAnswer as error:
            yield backup.sheet.unreadable(Kind.STRUCTURE, directory, error, count=1)
            continue
        yield from _activity(backup, activity)
        for name in inside[directory]:
            backup.pass_over(name)
    backup.documents.read_ahead([])


def _activity(backup: Backup, activity: Activity) -> Iterator[Part]:
    reader = _READERS.get(activity.name)
    yield _node(backup, activity)
    is_assign = activity.name == "assign"
    quiz = f"quiz-{activity.id}" if activity.name == "quiz" else None
    for item in activity.grade_items:
        main = is_assign and said(item, "itemnumber") in (None, "0")
        of = f"assign-{activity.id}" if main else None
        yield from item_parts(backup, item, f"{activity.directory}/grades.xml", of=of, quiz=quiz)
    if reader is not None:
        kind = _TARGETS.get(activity.name, Kind.DISCUSSIONS if activity.name == "forum" else Kind.PAGES)
        yield from backup.package.guarded(kind, activity.main, reader.parts(backup, activity))
    left = {name: count for name, count in activity.lists.items() if reader is None or name not in reader.lists}
    if left or reader is None:
        held = ", ".join(f"{count:,} × {name}" for name, count in sorted(left.items()))
        detail = f"{activity.name}: {held or 'its content'} is kept in the package file only"
        yield backup.sheet.native_only(Kind.ACTIVITIES, f"module-{activity.module_id}", detail)
    directory, id_ = activity.directory, activity.module_id
    rubrics, history = f"{directory}/grading.xml", f"{directory}/grade_history.xml"
    target = f"{activity.name}-{activity.id}"
    yield from backup.read(Kind.RUBRICS, rubrics, rubric_parts(backup, rubrics, target))
    yield from backup.read(Kind.GRADE_HISTORY, history, grade_history_parts(backup, history))
    done, events = f"{directory}/completion.xml", f"{directory}/calendar.xml"
    yield from backup.read(Kind.COMPLETIONS, done, completion_parts(backup, done, id_))
    yield from backup.read(Kind.CALENDAR_EVENTS, events, calendar_parts(backup, events))


def _node(backup: Backup, activity: Activity) -> Record:
    shell, kind = activity.shell, _TARGETS.get(activity.name)
    data: dict[str, Any] = {
        "node": "item",
        "parent_id": None if activity.section_id is None else f"section-{activity.section_id}",
        "position": backup.positions.get(activity.module_id),
        "indent": whole(activity.module.get("indent")),
        "title": said(shell, "name"),
        "item_type": activity.name,
        "target_kind": None if kind is None else str(kind),
        "target_id": None if kind is None else f"{activity.name}-{activity.id}",
        "url": said(shell, "externalurl"),
        "published": activity.visible,
        "extra": {"module": activity.module, "context_id": activity.context},
    }
    if kind is None:
        data["extra"][activity.name] = facts(shell, "name", "password")
    return Record(kind=Kind.STRUCTURE, id=f"module-{activity.module_id}", data=data)


def _left_over(backup: Backup) -> Iterator[Part]:
    """Yield what nothing has read: bytes as files, documents that say something as named gaps."""
    for name in _names(backup):
        if name.endswith(".xml") and not name.startswith("files/"):
            backup.pass_over(name)
    for pattern, count in sorted(backup.unread.items()):
        detail = f"{count:,} × {pattern} kept in the package file only"
        yield backup.sheet.native_only(Kind.SETTINGS, pattern, detail)
    yield from backup.package.rest()
