"""Group sets, groups, their members, and how group spaces are reached."""

from __future__ import annotations

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc, GroupSpace
from coursekeep_campus.replies import Reply
from coursekeep_campus.router import Routes
from coursekeep_campus.shapes import user_doc

__all__ = ["group_space", "routes"]

routes = Routes()


def group_space(call: Call) -> GroupSpace:
    """Find the group of the path and what it keeps, and refuse who has no right to its course."""
    course, _, space = call.state.directory.group(call.number("group"))
    call.enter(course.id)
    return space


@routes.get("courses/{course}/group_categories")
def categories(call: Call) -> Reply:
    """List the group sets."""
    return call.page(call.content.group_categories)


@routes.get("group_categories/{category}")
def category(call: Call) -> Reply:
    """Show a group set."""
    course, doc = call.state.directory.category(call.number("category"))
    call.enter(course.id)
    return call.reply(doc)


@routes.get("group_categories/{category}/groups")
def category_groups(call: Call) -> Reply:
    """List the groups of a set."""
    course, doc = call.state.directory.category(call.number("category"))
    call.enter(course.id)
    return call.page([group for group in call.content.groups if group["group_category_id"] == doc["id"]])


@routes.get("courses/{course}/groups")
def groups(call: Call) -> Reply:
    """List the groups, with users where asked for."""
    return call.page(call.content.groups, lambda group: _group(call, group))


def _group(call: Call, group: Doc) -> Doc:
    if "users" not in call.includes:
        return group
    space = call.content.group_spaces[group["id"]]
    accepted = [m["user_id"] for m in space.memberships if m["workflow_state"] == "accepted"]
    return {**group, "users": [user_doc(call.content.people[number]) for number in accepted]}


@routes.get("groups/{group}")
def group(call: Call) -> Reply:
    """Show a group."""
    space = group_space(call)
    assert space
    return call.reply(call.state.directory.group(call.number("group"))[1])


@routes.get("groups/{group}/memberships")
def memberships(call: Call) -> Reply:
    """List the memberships of a group, of all states or those asked for."""
    states = set(call.values("filter_states"))
    found = [m for m in group_space(call).memberships if not states or m["workflow_state"] in states]
    return call.page(found)


@routes.get("groups/{group}/users")
def group_users(call: Call) -> Reply:
    """List the users of a group who have accepted."""
    accepted = [m["user_id"] for m in group_space(call).memberships if m["workflow_state"] == "accepted"]
    return call.page([call.content.people[number] for number in accepted], user_doc)
