"""People, enrolments with their roles, and groups of a Moodle backup."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part, Record
from coursekeep_connectors.packages.documents import child, children
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import elements, identified, plain, said, time_of

__all__ = ["enrollment_parts", "group_parts", "people_parts", "role_of"]

_ROLES = {
    "student": "student",
    "editingteacher": "teacher",
    "teacher": "assistant",
    "coursecreator": "designer",
    "guest": "observer",
}
_PROFILE = (
    "of people, names, login, idnumber and mail are read; their other profile fields, preferences and custom fields"
    " are kept in the package file only"
)


def people_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield the people."""
    found = False
    for user in elements(backup.documents, name, "user"):
        found = True
        first, last = said(user, "firstname"), said(user, "lastname")
        data: dict[str, Any] = {
            "name": " ".join(part for part in (first, last) if part) or None,
            "login_id": said(user, "username"),
            "sis_id": said(user, "idnumber"),
            "email": said(user, "email"),
        }
        yield backup.sheet.record(Kind.PEOPLE, user.get("id", ""), data, basis=name)
    if found:
        yield backup.sheet.native_only(Kind.PEOPLE, None, _PROFILE)


def role_of(name: str | None) -> str:
    """Return the neutral word for one of Moodle's roles."""
    return _ROLES.get((name or "").lower(), "other")


def enrollment_parts(backup: Backup, enrolments: str, roles: str) -> Iterator[Part]:
    """Yield one record for every enrolment, with the person's first role, and one for every further role."""
    names = _role_names(backup)
    assigned = _assigned(backup, roles)
    if backup.documents.has(enrolments):
        backup.package.used.add(enrolments)
        for path, element in backup.documents.stream(enrolments, "enrolment"):
            method = path[-2] if len(path) > 1 else None
            person = said(element, "userid") or ""
            mine = assigned.get(person)
            role = mine.pop(0)[1] if mine else None
            yield _enrollment(backup, element, method, person, names.get(role or ""), enrolments)
    for person, rest in assigned.items():
        for id_, role, changed in rest:
            archetype, own = names.get(role, (None, None))
            data = {"person_id": person, "role": role_of(archetype), "role_name": own, "state": "active"}
            data["updated_at"] = changed or None
            yield backup.sheet.record(Kind.ENROLLMENTS, f"role-{id_}", data, basis=roles)


def _enrollment(
    backup: Backup,
    element: Element,
    method: Element | None,
    person: str,
    role: tuple[str | None, str | None] | None,
    name: str,
) -> Record:
    id_ = element.get("id", "")
    suspended = said(element, "status") == "1" or said(method, "status") == "1"
    data: dict[str, Any] = {
        "person_id": person,
        "role": role_of(role[0] if role else None),
        "role_name": role[1] if role else None,
        "state": "suspended" if suspended else "active",
        "start_at": time_of(backup.package, element, "timestart", f"enrolment-{id_}"),
        "end_at": time_of(backup.package, element, "timeend", f"enrolment-{id_}"),
        "updated_at": time_of(backup.package, element, "timemodified", f"enrolment-{id_}"),
    }
    return backup.sheet.record(Kind.ENROLLMENTS, id_, data, basis=name)


def _role_names(backup: Backup) -> dict[str, tuple[str | None, str | None]]:
    """Return archetype and name of every role by id."""
    found: dict[str, tuple[str | None, str | None]] = {}
    if backup.documents.has("roles.xml"):
        backup.package.used.add("roles.xml")
        for role in children(backup.documents.xml("roles.xml"), "role"):
            short = said(role, "shortname")
            own = said(role, "nameincourse") or said(role, "name") or short
            found[role.get("id", "")] = (said(role, "archetype") or short, own)
    return found


def _assigned(backup: Backup, name: str) -> dict[str, list[tuple[str, str, str]]]:
    """Return the roles that people have in the course: id of the assignment, role, time."""
    found: defaultdict[str, list[tuple[str, str, str]]] = defaultdict(list)
    if backup.documents.has(name):
        backup.package.used.add(name)
        backup.documents.fits(name)
        for each in elements(backup.documents, name, "assignment"):
            id_ = each.get("id", "")
            changed = time_of(backup.package, each, "timemodified", f"role-{id_}") or ""
            found[said(each, "userid") or ""].append((id_, said(each, "roleid") or "", changed))
    return dict(found)


def group_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield the groups with their members, and the groupings as a setting."""
    for group in elements(backup.documents, name, "group"):
        members = [plain(each) for each in children(child(group, "group_members"), "group_member")]
        people = [identified(each, "userid") for each in children(child(group, "group_members"), "group_member")]
        data: dict[str, Any] = {
            "name": said(group, "name"),
            "description": said(group, "description"),
            "sis_id": said(group, "idnumber"),
            "member_ids": [person for person in people if person],
            "memberships": [each for each in members if isinstance(each, dict)],
        }
        yield backup.sheet.record(Kind.GROUPS, group.get("id", ""), data, basis=name)
    backup.documents.fits(name)
    groupings = [plain(each) for each in elements(backup.documents, name, "grouping")]
    if groupings:
        yield backup.sheet.record(Kind.SETTINGS, "groupings", {"value": groupings}, basis=name)
