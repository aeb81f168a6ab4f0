"""Assignment groups, assignments, overrides, peer reviews and rubrics."""

from __future__ import annotations

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc
from coursekeep_campus.replies import Reply, bad_request
from coursekeep_campus.router import Routes

__all__ = ["routes"]

routes = Routes()

#: from this many overrides on Canvas tells only their number
_MOST_DATES = 25


@routes.get("courses/{course}/assignment_groups")
def groups(call: Call) -> Reply:
    """List the assignment groups, with assignments where asked for; the list is paged."""
    return call.page(call.content.assignment_groups, lambda group: _group(call, group))


@routes.get("courses/{course}/assignment_groups/{group}")
def group(call: Call) -> Reply:
    """Show one assignment group."""
    return call.reply(_group(call, call.find(call.content.assignment_groups, call.number("group"))))


def _group(call: Call, group: Doc) -> Doc:
    if "assignments" not in call.includes:
        return group
    inside = [a for a in call.content.assignments if a["assignment_group_id"] == group["id"]]
    return {**group, "assignments": [_assignment(call, assignment) for assignment in inside]}


@routes.get("courses/{course}/assignments")
def assignments(call: Call) -> Reply:
    """List the assignments, unpublished ones too."""
    found = call.content.assignments
    if wanted := set(call.numbers("assignment_ids")):
        found = [doc for doc in found if doc["id"] in wanted]
    if text := call.value("search_term").lower():
        found = [doc for doc in found if text in doc["name"].lower()]
    return call.page(found, lambda doc: _assignment(call, doc))


@routes.get("courses/{course}/assignments/{assignment}")
def assignment(call: Call) -> Reply:
    """Show one assignment."""
    return call.reply(_assignment(call, call.find(call.content.assignments, call.number("assignment"))))


def _assignment(call: Call, doc: Doc) -> Doc:
    overrides = call.content.overrides.get(doc["id"], [])
    doc = dict(doc)
    if overrides and call.value("override_assignment_dates", "true") != "false":
        # The caller's own dates: an administrator, who has none, is shown the most lenient ones.
        doc["due_at"] = max((o["due_at"] for o in overrides if o["due_at"]), default=doc["due_at"])
    if "overrides" in call.includes:
        doc["overrides"] = overrides
    if "all_dates" in call.includes:
        _add_dates(call, doc, overrides)
    if "assignment_visibility" in call.includes:
        doc["assignment_visibility"] = [
            e["user_id"] for e in call.content.enrollments if e["type"] == "StudentEnrollment"
        ]
    return doc


def _add_dates(call: Call, doc: Doc, overrides: list[Doc]) -> None:
    if len(overrides) >= _MOST_DATES:
        doc["all_dates_count"] = len(overrides) + 1
        return
    base = call.find(call.content.assignments, doc["id"])
    dates = [{"base": True, **{name: base[name] for name in ("due_at", "unlock_at", "lock_at")}}]
    dates += [
        {"title": o["title"], "due_at": o["due_at"], "set_type": "CourseSection", "id": o["id"]} for o in overrides
    ]
    doc["all_dates"] = dates


@routes.get("courses/{course}/assignments/overrides")
def bulk_overrides(call: Call) -> Reply:
    """Show named overrides at once; what does not exist is null."""
    ids = [value for name, value in call.query if name == "assignment_overrides[][id]"]
    owners = [value for name, value in call.query if name == "assignment_overrides[][assignment_id]"]
    if not ids or len(ids) != len(owners):
        raise bad_request({"errors": ["must specify an array with entry format { id, assignment_id }"]})
    overrides = call.content.overrides
    found: list[Doc | None] = []
    for number, owner in zip(ids, owners, strict=True):
        mine = overrides.get(int(owner), []) if owner.isdecimal() else []
        found.append(next((doc for doc in mine if str(doc["id"]) == number), None))
    return call.reply(found)


@routes.get("courses/{course}/assignments/{assignment}/overrides")
def overrides(call: Call) -> Reply:
    """List the overrides of an assignment."""
    number = call.number("assignment")
    call.find(call.content.assignments, number)
    return call.page(call.content.overrides.get(number, []))


@routes.get("courses/{course}/assignments/{assignment}/peer_reviews")
def peer_reviews(call: Call) -> Reply:
    """List the peer reviews of an assignment."""
    number = call.number("assignment")
    call.find(call.content.assignments, number)
    return call.page(call.content.peer_reviews.get(number, []), lambda doc: _peer_review(call, doc))


def _peer_review(call: Call, doc: Doc) -> Doc:
    hidden = {"submission_comments", "user", "assessor"} - call.includes
    if "user" in call.includes:
        hidden.discard("assessor")
    return {name: value for name, value in doc.items() if name not in hidden}


@routes.get("courses/{course}/rubrics")
def rubrics(call: Call) -> Reply:
    """List the rubrics, without associations and assessments."""
    return call.page(call.content.rubrics, _plain_rubric)


@routes.get("courses/{course}/rubrics/{rubric}")
def rubric(call: Call) -> Reply:
    """Show a rubric, with associations and assessments where asked for."""
    doc = call.find(call.content.rubrics, call.number("rubric"))
    return call.reply(
        _plain_rubric(doc) | {name: doc[name] for name in ("associations", "assessments") if name in call.includes}
    )


def _plain_rubric(doc: Doc) -> Doc:
    return {name: value for name, value in doc.items() if name not in ("associations", "assessments")}
