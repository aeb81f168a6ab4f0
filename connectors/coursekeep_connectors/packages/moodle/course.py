"""The course of a Moodle backup: what it is, its sections, calendar, completion, outcomes and badges."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, MalformedAnswer, Part
from coursekeep_connectors.packages.documents import child, children, descendants, local
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import elements, facts, identified, plain, said, time_of
from coursekeep_connectors.packages.values import number, shown, stamp, whole

__all__ = [
    "badge_parts", "calendar_parts", "completion_parts", "course_completion_parts", "information_of", "outcome_parts",
    "section_parts", "setting_parts", "stated",
]  # fmt: skip

#: what a backup without people cannot hold
_OF_PEOPLE = (Kind.PEOPLE, Kind.ENROLLMENTS, Kind.SUBMISSIONS, Kind.GRADES, Kind.QUIZ_ATTEMPTS, Kind.POSTS)


def setting_parts(backup: Backup, name: str, id_: str, *, without: tuple[str, ...] = ()) -> Iterator[Part]:
    """Yield a small document as a setting."""
    value = plain(backup.documents.xml(name))
    if isinstance(value, dict):
        value = {key: each for key, each in value.items() if key not in without}
    yield backup.sheet.record(Kind.SETTINGS, id_, {"value": value}, basis=name)


def stated(backup: Backup, information: Element) -> Iterator[Part]:
    """Yield what the backup says about itself; one without people says so, and expects none."""
    settings = {
        said(each, "name"): said(each, "value")
        for each in descendants(child(information, "settings"), "setting")
        if said(each, "level") in ("root", None)
    }
    about = {**facts(information), "settings": {key: value for key, value in settings.items() if key}}
    yield backup.sheet.record(Kind.SETTINGS, "moodle_backup", {"value": about}, basis="moodle_backup.xml")
    if settings.get("users") == "0":
        for kind in _OF_PEOPLE:
            backup.sheet.expect(kind, 0, "moodle_backup.xml: made without people")


def section_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield a section; note the order of the activities in it."""
    section = backup.documents.xml(name)
    sequence = [part for part in (said(section, "sequence") or "").split(",") if part.strip()]
    backup.positions |= {module.strip(): position for position, module in enumerate(sequence, start=1)}
    data: dict[str, Any] = {
        "node": "module",
        "position": whole(said(section, "number")),
        "title": said(section, "name"),
        "published": {"1": True, "0": False}.get(said(section, "visible") or ""),
        "extra": {"section": {key: value for key, value in _object(section).items() if key not in ("@id", "name")}},
    }
    yield backup.sheet.record(Kind.STRUCTURE, f"section-{section.get('id')}", data, basis="sections")


def calendar_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield the events."""
    for event in elements(backup.documents, name, "event"):
        id_ = event.get("id", "")
        start, seconds = whole(said(event, "timestart")), whole(said(event, "timeduration"))
        end = stamp(str(start + seconds)) if start and seconds else None
        data: dict[str, Any] = {
            "title": said(event, "name"),
            "description_html": said(event, "description"),
            "type": said(event, "eventtype"),
            "start_at": time_of(backup.package, event, "timestart", f"event-{id_}"),
            "end_at": shown(end),
            "location": said(event, "location"),
            "extra": {"event": facts(event, "name", "description")},
        }
        yield backup.sheet.record(Kind.CALENDAR_EVENTS, id_, data, basis=name.rpartition("/")[2])


def course_completion_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield who has completed the course, and by which rules."""
    rules: list[Any] = []
    root = backup.documents.xml(name)
    for each in root:
        if local(each) != "course_completions":
            rules.append({local(each): plain(each)})
            continue
        id_ = f"course-{each.get('id')}"
        done = time_of(backup.package, each, "timecompleted", id_)
        data: dict[str, Any] = {
            "person_id": identified(each, "userid") or "",
            "target_kind": "course",
            "target_id": said(each, "course"),
            "state": "complete" if done else "incomplete",
            "at": done,
            "extra": {"completion": facts(each)},
        }
        yield backup.sheet.record(Kind.COMPLETIONS, id_, data, basis=name)
    if rules:
        yield backup.sheet.record(Kind.SETTINGS, "completion", {"value": rules}, basis=name)


def completion_parts(backup: Backup, name: str, module_id: str) -> Iterator[Part]:
    """Yield who has completed an activity."""
    for each in elements(backup.documents, name, "completion"):
        id_ = f"module-{each.get('id')}"
        data: dict[str, Any] = {
            "person_id": identified(each, "userid") or "",
            "target_kind": str(Kind.STRUCTURE),
            "target_id": f"module-{module_id}",
            "state": {"0": "incomplete", "1": "complete", "2": "complete_pass", "3": "complete_fail"}.get(
                said(each, "completionstate") or ""
            ),
            "at": time_of(backup.package, each, "timemodified", id_),
            "extra": {"completion": facts(each)},
        }
        yield backup.sheet.record(Kind.COMPLETIONS, id_, data, basis="completion.xml of activities")


def outcome_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield the outcomes."""
    for outcome in elements(backup.documents, name, "outcome"):
        data: dict[str, Any] = {
            "node": "outcome",
            "title": said(outcome, "fullname") or said(outcome, "shortname"),
            "description_html": said(outcome, "description"),
            "points_possible": number(said(outcome, "grademax")),
            "extra": {"outcome": facts(outcome, "description")},
        }
        yield backup.sheet.record(Kind.OUTCOMES, outcome.get("id", ""), data, basis=name)


def badge_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield the badges, and the awards that teachers have made by hand; a backup holds no others."""
    for badge in elements(backup.documents, name, "badge"):
        id_ = badge.get("id", "")
        criteria = [plain(each) for each in children(child(badge, "criteria"), "criterion")]
        own = {"name": said(badge, "name"), "description": said(badge, "description")}
        extra = {"badge": facts(badge, "name", "description"), "criteria": criteria}
        yield backup.sheet.record(Kind.BADGES, f"badge-{id_}", {**own, "extra": extra}, basis=name)
        for award in children(child(badge, "manual_awards"), "manual_award"):
            where = f"award-{award.get('id')}"
            data = {
                **own,
                "person_id": identified(award, "recipientid"),
                "awarded_at": time_of(backup.package, award, "datemet", where),
                "extra": {"badge_id": f"badge-{id_}", "award": facts(award)},
            }
            yield backup.sheet.record(Kind.BADGES, where, data, basis=f"{name}: manual awards")


def information_of(backup: Backup, name: str) -> Element:
    """Return what a backup says about itself. Raises `MalformedAnswer`."""
    found = child(backup.documents.xml(name), "information")
    if found is None:
        raise MalformedAnswer("it does not say what the backup holds", where=name)
    return found


def _object(element: Element) -> dict[str, Any]:
    found = plain(element)
    return found if isinstance(found, dict) else {}
