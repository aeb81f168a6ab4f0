"""OneRoster's objects as records."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from typing import TypeVar
from zoneinfo import ZoneInfo

from coursekeep import Kind, Record
from coursekeep_connectors.oneroster.calendar import ident
from coursekeep_connectors.oneroster.roster import Collection, Item
from coursekeep_connectors.oneroster.values import begins, ends, flag, moment, number, ref, text, words

__all__ = ["Doubts", "Mapper", "assignment", "category", "enrollment", "person", "setting", "setting_id", "submission"]

T = TypeVar("T")

#: fields of an object whose values make no sense; the record is kept without them
Doubts = list[str]
Mapper = Callable[[Item, Doubts], Record]

_ROLES: Mapping[str, str] = {
    "student": "student",
    "teacher": "teacher",
    "aide": "assistant",
    "guardian": "observer",
    "parent": "observer",
    "relative": "observer",
}
#: the words for an object that nobody marked: a bulk file leaves the status empty
_UNMARKED = "active"


def person(item: Item, doubts: Doubts) -> Record:
    """Map a user. The full name is made of given and family name: OneRoster has none."""
    body = item.body
    given, family = text(body.get("givenName")), text(body.get("familyName"))
    data = {
        "name": " ".join(part for part in (given, family) if part) or None,
        "sortable_name": ", ".join(part for part in (family, given) if part) or None,
        "short_name": text(body.get("preferredGivenName") or body.get("preferredFirstName")),
        "login_id": text(body.get("username")),
        "sis_id": text(body.get("identifier")),
        "email": text(body.get("email")),
        "pronouns": text(body.get("pronouns")),
    }
    return Record(kind=Kind.PEOPLE, id=ident(item), data=data)


def enrollment(item: Item, doubts: Doubts, zone: ZoneInfo) -> Record:
    """Map an enrolment, in whatever state."""
    body = item.body
    role = text(body.get("role"))
    if role is None:
        raise ValueError("role is empty")
    data = {
        "person_id": _needed(ref(body, "user"), "user"),
        "role": _ROLES.get(role.lower(), "other"),
        "role_name": role,
        "state": text(body.get("status")) or _UNMARKED,
        "start_at": _soft(item, doubts, "beginDate", lambda value: begins(value, zone)),
        "end_at": _soft(item, doubts, "endDate", lambda value: ends(value, zone)),
        "updated_at": moment(body.get("dateLastModified")),
    }
    return Record(kind=Kind.ENROLLMENTS, id=ident(item), data=data)


def category(item: Item, doubts: Doubts) -> Record:
    """Map a category of line items."""
    data = {"name": words(item.body.get("title")), "weight": _soft(item, doubts, "weight", number)}
    return Record(kind=Kind.ASSIGNMENT_GROUPS, id=ident(item), data=data)


def assignment(item: Item, doubts: Doubts, zone: ZoneInfo) -> Record:
    """Map a line item. Its description is plain text."""
    body = item.body
    described = words(body.get("description"))
    data = {
        "group_id": ref(body, "category"),
        "title": words(body.get("title")),
        "description_html": None if described is None else html.escape(described, quote=False),
        "points_possible": _soft(item, doubts, "resultValueMax", number),
        "unlock_at": _soft(item, doubts, "assignDate", lambda value: begins(value, zone)),
        "due_at": _soft(item, doubts, "dueDate", lambda value: ends(value, zone)),
        "extra": _said(
            status=text(body.get("status")),
            result_value_min=_soft(item, doubts, "resultValueMin", number),
            academic_session_id=ref(body, "academicSession") or ref(body, "gradingPeriod"),
            score_scale_id=ref(body, "scoreScale"),
        ),
    }
    return Record(kind=Kind.ASSIGNMENTS, id=ident(item), data=data)


def submission(item: Item, doubts: Doubts) -> Record:
    """Map a result: what is known of one person's work on one line item."""
    body = item.body
    comment = words(body.get("comment"))
    status = text(body.get("scoreStatus"))
    data = {
        "assignment_id": _needed(ref(body, "lineItem"), "lineItem"),
        "person_id": ref(body, "student"),
        "state": status,
        "score": _soft(item, doubts, "score", number),
        "grade": text(body.get("textScore")),
        "graded_at": moment(body.get("scoreDate")),
        "late": _soft(item, doubts, "late", flag),
        "missing": _soft(item, doubts, "missing", flag),
        "excused": True if (status or "").lower() == "exempt" else None,
        "comments": [] if comment is None else [{"text": comment}],
        "extra": _said(
            status=text(body.get("status")),
            score_date=text(body.get("scoreDate")),
            in_progress=_soft(item, doubts, "inProgress", flag),
            incomplete=_soft(item, doubts, "incomplete", flag),
            score_scale_id=ref(body, "scoreScale"),
        ),
    }
    return Record(kind=Kind.SUBMISSIONS, id=ident(item), data=data)


#: what the settings of a class are called
_SETTINGS: Mapping[Collection, str] = {
    Collection.CLASSES: "class",
    Collection.COURSES: "course",
    Collection.ORGS: "school",
    Collection.SESSIONS: "academicSession-",
    Collection.SCORE_SCALES: "scoreScale-",
}


def setting_id(collection: Collection, id_: str) -> str:
    """Return what a part of the class's description is called."""
    name = _SETTINGS[collection]
    return name + id_ if name.endswith("-") else name


def setting(item: Item, doubts: Doubts, collection: Collection) -> Record:
    """Keep an object whole, as a part of the class's description."""
    return Record(kind=Kind.SETTINGS, id=setting_id(collection, ident(item)), data={"value": dict(item.body)})


def _soft(item: Item, doubts: Doubts, field: str, read: Callable[[object], T]) -> T | None:
    """Read a value; one that makes no sense is null, and noted: it stands as it was written in the raw answers."""
    try:
        return read(item.body.get(field))
    except (TypeError, ValueError, OverflowError):
        doubts.append(field)
        return None


def _needed(value: str | None, field: str) -> str:
    if value is None:
        raise ValueError(f"{field} is empty")
    return value


def _said(**fields: object) -> dict[str, object]:
    """Return the fields that the source filled in."""
    return {name: value for name, value in fields.items() if value is not None}
