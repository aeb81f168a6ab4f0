"""Calendar events, which by default are those of today only, and learning outcomes."""

from __future__ import annotations

from datetime import timedelta

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc
from coursekeep_campus.replies import Reply, bad_request
from coursekeep_campus.router import Routes
from coursekeep_campus.times import parse

__all__ = ["routes"]

routes = Routes()

_MOST_CODES = 10


@routes.get("calendar_events")
def events(call: Call) -> Reply:
    """List events of at most ten courses: of today, of a window, undated ones, or all."""
    codes = call.values("context_codes")
    if not codes:
        return call.page([])
    if len(codes) > _MOST_CODES:
        raise bad_request({"errors": {"context_codes": f"no more than {_MOST_CODES} allowed"}})
    found: list[Doc] = []
    for code in codes:
        call.enter(code.removeprefix("course_"))
        found += _assignment_events(call) if call.value("type") == "assignment" else call.content.calendar
    return call.page([doc for doc in found if _within(call, doc)])


def _within(call: Call, doc: Doc) -> bool:
    if call.flag("undated"):
        return doc["start_at"] is None
    if call.flag("all_events"):
        return True
    if doc["start_at"] is None:
        return False
    today = call.campus.now.replace(hour=0, minute=0, second=0)
    try:
        start = parse(call.value("start_date")) if call.value("start_date") else today
        end = parse(call.value("end_date")) if call.value("end_date") else start
    except ValueError:
        raise bad_request({"errors": {"start_date": "Invalid date or invalid datetime"}}) from None
    return start <= parse(doc["start_at"]) < end + timedelta(days=1)


def _assignment_events(call: Call) -> list[Doc]:
    return [
        {
            "id": f"assignment_{doc['id']}",
            "title": doc["name"],
            "type": "assignment",
            "start_at": doc["due_at"],
            "end_at": doc["due_at"],
            "all_day": False,
            "context_code": f"course_{call.course.id}",
            "workflow_state": "published" if doc["published"] else "unpublished",
            "assignment": doc,
        }
        for doc in call.content.assignments
    ]


@routes.get("courses/{course}/root_outcome_group")
def root_outcome_group(call: Call) -> Reply:
    """Show the group that holds all outcomes."""
    return call.reply(call.content.outcome_groups[0])


@routes.get("courses/{course}/outcome_groups")
def outcome_groups(call: Call) -> Reply:
    """List the outcome groups."""
    return call.page(call.content.outcome_groups)


@routes.get("courses/{course}/outcome_groups/{group}/outcomes")
def group_outcomes(call: Call) -> Reply:
    """List the outcomes linked in one group."""
    number = call.number("group")
    return call.page([doc for doc in _links(call) if doc["outcome_group"]["id"] == number])


@routes.get("courses/{course}/outcome_group_links")
def outcome_links(call: Call) -> Reply:
    """List which outcome is in which group, with whole outcomes where `outcome_style=full` asks for them."""
    return call.page(_links(call))


def _links(call: Call) -> list[Doc]:
    outcomes = call.content.outcomes
    if call.value("outcome_style") != "full":
        return call.content.outcome_links
    return [{**link, "outcome": outcomes[link["outcome"]["id"]]} for link in call.content.outcome_links]


@routes.get("outcomes/{outcome}")
def outcome(call: Call) -> Reply:
    """Show an outcome."""
    course, doc = call.state.directory.outcome(call.number("outcome"))
    call.enter(course.id)
    return call.reply(doc)


@routes.get("courses/{course}/outcome_results")
def outcome_results(call: Call) -> Reply:
    """List how students did on outcomes; what they refer to comes along in `linked`."""
    reply = call.page(call.content.outcome_results, wrap="outcome_results")
    linked: Doc = {}
    if "outcomes" in call.includes:
        linked["outcomes"] = [{**doc, "id": str(doc["id"])} for doc in call.content.outcomes.values()]
    if "alignments" in call.includes:
        linked["alignments"] = []
    if not linked:
        return reply
    tail = b',"linked":' + call.reply(linked).body + b"}"
    return Reply(reply.body[:-1] + tail, 200, reply.headers)


@routes.get("courses/{course}/outcome_rollups")
def outcome_rollups(call: Call) -> Reply:
    """List the summary per student."""
    users = sorted({doc["links"]["user"] for doc in call.content.outcome_results})
    found = [{"scores": [], "links": {"user": user, "section": None, "status": "active"}} for user in users]
    return call.page(found, wrap="rollups")


@routes.get("courses/{course}/outcome_alignments")
def outcome_alignments(call: Call) -> Reply:
    """List what outcomes are aligned with; needs a student."""
    assert call.course
    if not call.value("student_id"):
        raise bad_request({"message": "student_id is required"})
    return call.reply([])
