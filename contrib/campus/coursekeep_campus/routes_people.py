"""Sections, enrolments and users of a course."""

from __future__ import annotations

from collections.abc import Sequence

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc
from coursekeep_campus.replies import Reply, bad_request, not_found
from coursekeep_campus.router import Routes
from coursekeep_campus.shapes import user_doc

__all__ = ["routes"]

routes = Routes()

#: what an administrator sees who asks for no state: nobody whose enrolment is over
_DEFAULT_STATES = ("active", "invited", "creation_pending", "inactive")

_STATE_GROUPS = {
    "current_and_invited": ("active", "invited", "creation_pending"),
    "current_and_future": ("active", "invited", "creation_pending"),
    "current_and_concluded": ("active", "completed"),
}


@routes.get("courses/{course}/sections")
def sections(call: Call) -> Reply:
    """List the sections; `students` is null in an empty one."""
    return call.page(call.content.sections, lambda doc: _section(call, doc))


@routes.get("courses/{course}/sections/{section}")
def section(call: Call) -> Reply:
    """Show a section."""
    return call.reply(_section(call, call.find(call.content.sections, call.number("section"))))


def _section(call: Call, doc: Doc) -> Doc:
    doc = dict(doc)
    enrolled = [e for e in call.content.enrollments if e["course_section_id"] == doc["id"]] if call.includes else []
    gone = ("deleted", "rejected")
    students = [e for e in enrolled if e["type"] == "StudentEnrollment" and e["enrollment_state"] not in gone]
    if "total_students" in call.includes:
        doc["total_students"] = len(students)
    if "students" in call.includes:
        doc["students"] = [user_doc(call.content.people[e["user_id"]]) for e in students] or None
    if "passback_status" in call.includes:
        doc["passback_status"] = None
    return doc


@routes.get("courses/{course}/enrollments")
def enrollments(call: Call) -> Reply:
    """List the enrolments by bookmark; ended and deleted ones only where they are asked for."""
    assert call.course
    if call.value("grading_period_id") and not _known_period(call):
        raise bad_request({"error": "invalid grading_period_id"})
    return call.bookmarked(_chosen(call, call.content.enrollments), lambda doc: _enrollment(call, doc))


@routes.get("sections/{section}/enrollments")
def section_enrollments(call: Call) -> Reply:
    """List the enrolments of one section."""
    number = call.number("section")
    for course in call.campus.courses.values():
        if course.eager and any(doc["id"] == number for doc in course.content.sections):
            call.enter(course.id)
            chosen = [e for e in call.content.enrollments if e["course_section_id"] == number]
            return call.bookmarked(_chosen(call, chosen), lambda doc: _enrollment(call, doc))
    raise not_found()


def _known_period(call: Call) -> bool:
    return any(str(doc["id"]) == call.value("grading_period_id") for doc in call.content.grading_periods)


def _chosen(call: Call, docs: Sequence[Doc]) -> list[Doc]:
    asked = call.values("state") or list(_DEFAULT_STATES)
    states = {state for word in asked for state in _STATE_GROUPS.get(word, (word,))}
    types, roles, users = set(call.values("type")), set(call.values("role")), set(call.values("user_id"))
    return [
        doc
        for doc in docs
        if doc["enrollment_state"] in states
        and (not types or doc["type"] in types)
        and (not roles or doc["role"] in roles)
        and (not users or str(doc["user_id"]) in users)
    ]


def _enrollment(call: Call, doc: Doc) -> Doc:
    if not call.includes:
        return doc
    doc = dict(doc)
    if "avatar_url" in call.includes:
        doc["user"] = {**doc["user"], "avatar_url": None}
    if "uuid" in call.includes:
        doc["user"] = {**doc["user"], "uuid": f"campus-user-{doc['user_id']:010d}"}
    if "group_ids" in call.includes:
        doc["user"] = {**doc["user"], "group_ids": _groups_of(call, doc["user_id"])}
    if "locked" in call.includes:
        doc["locked"] = False
    return doc


def _groups_of(call: Call, user_id: int) -> list[int]:
    spaces = call.content.group_spaces.items()
    return [group for group, space in spaces if any(m["user_id"] == user_id for m in space.memberships)]


@routes.get("courses/{course}/users")
def users(call: Call) -> Reply:
    """List the users. The test student is taken out after paging, so that pages come short."""
    content = call.content
    by_user = _enrollments_by_user(call)
    people = sorted((content.people[number] for number in by_user), key=lambda p: (p.sortable_name, p.id))
    with_test = "test_student" in call.includes
    return call.page(
        people,
        lambda person: _user(call, person.id, by_user[person.id]),
        keep=lambda person: with_test or not person.test_student,
        total=False,
    )


@routes.get("courses/{course}/users/{user}")
def user(call: Call) -> Reply:
    """Show one user of the course, whatever the state of the enrolment."""
    number = call.number("user")
    enrolled = [doc for doc in call.content.enrollments if doc["user_id"] == number]
    call.find([{"id": doc["user_id"]} for doc in enrolled], number)
    return call.reply(_user(call, number, enrolled))


def _enrollments_by_user(call: Call) -> dict[int, list[Doc]]:
    states = set(call.values("enrollment_state")) or {"active", "invited"}
    types = {f"{word.title().replace('_', '')}Enrollment" for word in call.values("enrollment_type")}
    found: dict[int, list[Doc]] = {}
    for doc in call.content.enrollments:
        if doc["enrollment_state"] in states and (not types or doc["type"] in types):
            found.setdefault(doc["user_id"], []).append(doc)
    return found


def _user(call: Call, number: int, enrolled: list[Doc]) -> Doc:
    person = call.content.people[number]
    doc = user_doc(person)
    if "email" in call.includes:
        doc["email"] = person.email
    if "uuid" in call.includes:
        doc["uuid"] = f"campus-user-{number:010d}"
    if "avatar_url" in call.includes:
        doc["avatar_url"] = None
    if "test_student" in call.includes and person.test_student:
        doc["is_test_student"] = True
    if "enrollments" in call.includes:
        doc["enrollments"] = [{k: v for k, v in e.items() if k != "user"} for e in enrolled]
    return doc
