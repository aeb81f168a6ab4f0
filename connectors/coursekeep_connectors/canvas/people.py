"""Sections, users and enrolments in every state, with the grades that enrolments carry.

Canvas hides much by default: an administrator's list of enrolments leaves out completed, deleted and rejected ones,
and the list of users knows only active and invited people and drops the test student after paging. A course that has
ended consists of just these. Whoever an enrolment names, but the list of users does not, comes from the enrolment.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from coursekeep import Gap, GapReason, Kind, NoAccess, NotFound, Part, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.canvas.reading import Params, Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, objects, pick, text

__all__ = ["enrollments", "others", "sections", "users"]

_ENROLLMENT_STATES = ("active", "invited", "creation_pending", "completed", "inactive", "rejected", "deleted")
_USER_STATES = ("active", "invited", "completed", "inactive", "rejected")
_ROLES = {
    "StudentEnrollment": "student",
    "TeacherEnrollment": "teacher",
    "TaEnrollment": "assistant",
    "DesignerEnrollment": "designer",
    "ObserverEnrollment": "observer",
    "StudentViewEnrollment": "test_student",
}


async def sections(reading: Reading) -> Parts:
    """Yield the sections, cross-listed ones with the course they come from."""
    params = [("include[]", "total_students"), ("include[]", "passback_status")]
    url = f"{reading.base}/sections"
    async with aclosing(reading.listed(Kind.SECTIONS, url, _section, endpoint="sections", params=params)) as parts:
        async for part in parts:
            yield part


def _section(item: Json) -> Record:
    data = {
        "name": text(item.get("name")),
        "sis_id": text(item.get("sis_section_id")),
        "start_at": item.get("start_at"),
        "end_at": item.get("end_at"),
        "dates_restrict_access": item.get("restrict_enrollments_to_section_dates"),
        "original_course_id": text(item.get("nonxlist_course_id")),
    }
    return Record(kind=Kind.SECTIONS, id=ident(item), data=data)


async def users(reading: Reading) -> Parts:
    """Yield the people that Canvas lists, the test student among them."""
    params: Params = [("include[]", name) for name in ("enrollments", "email", "test_student")]
    params = [*params, *(("enrollment_state[]", state) for state in _USER_STATES)]
    reading.expect(Kind.PEOPLE, 0)
    async for raw, items in reading.pages(f"{reading.base}/users", params, endpoint="users"):
        yield raw
        for item in items:
            for part in _met(reading, item):
                yield part


def _met(reading: Reading, item: Json, basis: str = "listed") -> Iterator[Part]:
    """Yield a person's record the first time."""
    person_id = text(item.get("id"))
    if person_id is not None and person_id in reading.people:
        return
    for part in reading.mapped(Kind.PEOPLE, item, _person, basis=basis):
        if isinstance(part, Record):
            reading.people.add(part.id)
        yield part


def _person(item: Json) -> Record:
    kinds = {enrollment.get("type") for enrollment in objects(item.get("enrollments"))}
    data = {
        "name": text(item.get("name")) or text(item.get("display_name")),
        "sortable_name": text(item.get("sortable_name")),
        "short_name": text(item.get("short_name")) or text(item.get("display_name")),
        "login_id": text(item.get("login_id")),
        "sis_id": text(item.get("sis_user_id")),
        "email": text(item.get("email")),
        "pronouns": text(item.get("pronouns")),
        "test_student": True if "StudentViewEnrollment" in kinds else None,
    }
    return Record(kind=Kind.PEOPLE, id=ident(item), data=data)


async def enrollments(reading: Reading) -> Parts:
    """Yield enrolments in all states, their grades, and the people that only they know."""
    params = [("state[]", state) for state in _ENROLLMENT_STATES]
    reading.expect(Kind.ENROLLMENTS, 0)
    reading.expect(Kind.GRADES, 0)
    async for raw, items in reading.pages(f"{reading.base}/enrollments", params, endpoint="enrollments"):
        yield raw
        for item in items:
            for part in _enrolled(reading, item):
                yield part


def _enrolled(reading: Reading, item: Json) -> Iterator[Part]:
    user = item.get("user")
    if isinstance(user, dict):
        yield from _met(reading, {**user, "enrollments": [{"type": item.get("type")}]}, "enrollments.user")
    reading.refer(item.get("user_id"))
    reading.refer(item.get("associated_user_id"))
    if item.get("type") == "StudentEnrollment" and item.get("user_id") is not None:
        reading.students.add(str(item["user_id"]))
    yield from reading.mapped(Kind.ENROLLMENTS, item, _enrollment)
    if isinstance(item.get("grades"), dict):
        yield from reading.mapped(Kind.GRADES, item, _grade)


def _enrollment(item: Json) -> Record:
    data = {
        "person_id": ident(item, "user_id"),
        "section_id": text(item.get("course_section_id")),
        "role": _ROLES.get(str(item.get("type")), "other"),
        "role_name": text(item.get("role")),
        "state": ident(item, "enrollment_state"),
        "observed_person_id": text(item.get("associated_user_id")),
        "start_at": item.get("start_at"),
        "end_at": item.get("end_at"),
        "created_at": item.get("created_at"),
        "updated_at": item.get("updated_at"),
        "last_activity_at": item.get("last_activity_at"),
        "total_activity_seconds": item.get("total_activity_time"),
    }
    return Record(kind=Kind.ENROLLMENTS, id=ident(item), data=data)


def _grade(item: Json) -> Record:
    grades: dict[str, Any] = item["grades"]
    named = ("current_score", "current_grade", "final_score", "final_grade", "override_score", "override_grade")
    extra = pick(grades, *(key for key in grades if key not in named and key != "html_url"))
    data = {
        "enrollment_id": ident(item),
        "person_id": ident(item, "user_id"),
        **{key: grades.get(key) for key in named},
        "extra": extra,
    }
    return Record(kind=Kind.GRADES, id=ident(item), data=data)


async def others(reading: Reading) -> Parts:
    """Yield the people who have to do with the course without being enrolled now: authors, graders, observed ones."""
    missing = sorted(set(reading.referred) - reading.people)
    async with aclosing(in_order((_other(reading, person_id) for person_id in missing), width=reading.width)) as parts:
        async for part in parts:
            yield part


async def _other(reading: Reading, person_id: str) -> Parts:
    said = reading.referred[person_id]
    failure: NoAccess | NotFound | None = None
    for url in (f"{reading.base}/users/{person_id}", f"/api/v1/users/{person_id}"):
        try:
            item = await reading.get(url)
        except (NoAccess, NotFound) as error:
            failure = error
            continue
        if text(item.get("id")) == person_id:
            yield reading.raw("users", item)
            said = {**said, **item}
            failure = None
            break
    for part in _met(reading, {**said, "id": person_id}, "referred to"):
        yield part
    named = any(said.get(key) for key in ("name", "display_name"))
    if isinstance(failure, NoAccess) or (failure is not None and not named):
        reason = GapReason.NO_ACCESS if isinstance(failure, NoAccess) else GapReason.NOT_FOUND
        told = "does not let this person be read: only the name is known" if named else "does not describe this person"
        detail = f"met in the course, but Canvas {told}"
        yield Gap(kind=Kind.PEOPLE, reason=reason, id=person_id, detail=detail, count=0)
