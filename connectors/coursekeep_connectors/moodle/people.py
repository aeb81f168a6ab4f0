"""Who takes part: the enrolled, with those whose enrolment is suspended told apart, and whoever is only met.

Moodle lists suspended and expired enrolments among the others and does not mark them, so that the list is read twice:
whoever is missing among the active ones is suspended. People whom the token may not see are left out of a page without
a word, so that only an empty page is the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from coursekeep import ConnectorError, Gap, GapReason, Kind, MalformedAnswer, NoAccess, Part, Record, Unavailable
from coursekeep_connectors.moodle.reading import Parts, Reading, reason_of
from coursekeep_connectors.moodle.values import Json, ident, moment, objects, text

__all__ = ["enrolled", "others"]

_FUNCTION = "core_enrol_get_enrolled_users"
_PAGE = 200
#: without naming the fields, every user comes with all courses and preferences, in minutes for a large course
_FIELDS = (
    "id,username,fullname,firstname,lastname,email,idnumber,department,institution,customfields,roles,groups,"
    "firstaccess,lastaccess,lastcourseaccess,suspended,description"
)
_ROLES = {
    "student": "student",
    "teacher": "assistant",  # Moodle's non-editing teacher
    "editingteacher": "teacher",
    "coursecreator": "designer",
}
_DESCRIBED = 100


async def enrolled(reading: Reading) -> Parts:
    """Yield everybody enrolled, with one enrolment for each role."""
    active = await _active(reading)
    for kind in (Kind.PEOPLE, Kind.ENROLLMENTS):
        reading.expect(kind, 0)
    if active is None:
        detail = "whose enrolment is suspended cannot be told: the account lacks moodle/course:enrolreview"
        yield Gap(kind=Kind.ENROLLMENTS, reason=GapReason.NO_ACCESS, id="suspended", detail=detail, count=0)
    seen: set[str] = set()
    async for items in _pages(reading, seen):
        yield reading.raw("enrolled_users", items)
        for item in items:
            for part in _participant(reading, item, active):
                yield part
    if not seen:
        detail = "Moodle lists nobody; in separate groups the account needs moodle/site:accessallgroups, and everywhere"
        detail += " moodle/course:viewparticipants"
        yield Gap(kind=Kind.ENROLLMENTS, reason=GapReason.UNEXPLAINED, id="nobody", detail=detail, count=None)


async def _pages(reading: Reading, seen: set[str], *more: tuple[str, str]) -> Any:
    first = 0
    while True:
        options = {"sortby": "id", "limitfrom": first, "limitnumber": _PAGE, "userfields": _FIELDS, **dict(more)}
        listed = [{"name": name, "value": value} for name, value in options.items()]
        _, items = await reading.listing(_FUNCTION, {"courseid": reading.course.id, "options": listed})
        fresh = [item for item in items if text(item.get("id")) not in seen]
        seen.update(text(item.get("id")) or "" for item in fresh)
        if not fresh:  # an end, or a site that does not page
            return
        yield fresh
        first += _PAGE


async def _active(reading: Reading) -> set[str] | None:
    """Return the ids of those whose enrolment is active; None where Moodle does not say."""
    seen: set[str] = set()
    try:
        async for _ in _pages(reading, seen, ("onlyactive", "1")):
            pass
    except (NoAccess, MalformedAnswer):
        return None
    return seen


def _participant(reading: Reading, item: Json, active: set[str] | None) -> Iterator[Part]:
    yield from _met(reading, item)
    person_id = text(item.get("id")) or ""
    reading.enrolled.add(person_id)
    state = "unknown" if active is None else "active" if person_id in active else "suspended"
    roles = objects(item.get("roles")) or [{}]
    if any(role.get("shortname") == "student" for role in roles):
        reading.students.add(person_id)
    for role in roles:
        yield from reading.mapped(Kind.ENROLLMENTS, item, partial(_enrolment, role=role, state=state), of=person_id)


def _met(reading: Reading, item: Json, basis: str = "listed") -> Iterator[Part]:
    """Yield a person's record the first time."""
    if text(item.get("id")) in reading.people:
        return
    for part in reading.mapped(Kind.PEOPLE, item, _person, basis=basis):
        if isinstance(part, Record):
            reading.people.add(part.id)
        yield part


def _person(item: Json) -> Record:
    first, last = text(item.get("firstname")), text(item.get("lastname"))
    data = {
        "name": text(item.get("fullname")) or None,
        "sortable_name": f"{last}, {first}" if first and last else None,
        "login_id": text(item.get("username")) or None,
        "sis_id": text(item.get("idnumber")) or None,
        "email": text(item.get("email")) or None,
    }
    return Record(kind=Kind.PEOPLE, id=ident(item), data=data)


def _enrolment(item: Json, role: Json, state: str) -> Record:
    name = text(role.get("shortname"))
    data = {
        "person_id": ident(item),
        "role": _ROLES.get(name or "", "other"),
        "role_name": name,
        "state": state,
        "last_activity_at": moment(item.get("lastcourseaccess")),
    }
    return Record(kind=Kind.ENROLLMENTS, id=f"{ident(item)}-{text(role.get('roleid')) or '0'}", data=data)


async def others(reading: Reading) -> Parts:
    """Yield the people who have to do with the course without being enrolled now: authors, graders, those who left."""
    missing = sorted(set(reading.referred) - reading.people, key=lambda found: (len(found), found))
    for start in range(0, len(missing), _DESCRIBED):
        wanted = missing[start : start + _DESCRIBED]
        failure: NoAccess | Unavailable | MalformedAnswer | None = None
        try:
            _, items = await reading.listing("core_user_get_users_by_field", {"field": "id", "values": wanted})
            yield reading.raw("users", items)
        except (NoAccess, Unavailable, MalformedAnswer) as error:
            items, failure = [], error
        if failure is not None:
            detail = f"{len(wanted)} people who are met in the course are known by what is said there only: {failure}"
            yield Gap(kind=Kind.PEOPLE, reason=reason_of(failure), id=f"others-{wanted[0]}", detail=detail, count=0)
        described = {text(item.get("id")): item for item in items}
        for person_id in wanted:
            for part in _other(reading, person_id, described.get(person_id), failure):
                yield part


def _other(reading: Reading, person_id: str, item: Json | None, failure: ConnectorError | None) -> Iterator[Part]:
    said = reading.referred[person_id]
    yield from _met(reading, {**said, **(item or {}), "id": person_id}, "referred to")
    if item is None and not said.get("fullname"):
        reason = GapReason.NOT_FOUND if failure is None else reason_of(failure)
        detail = (
            f"met in the course, but Moodle does not describe this person{'' if failure is None else f': {failure}'}"
        )
        yield Gap(kind=Kind.PEOPLE, reason=reason, id=person_id, detail=detail, count=0)
