"""Discussions, their replies, and announcements, of courses and of groups."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc, Topic
from coursekeep_campus.replies import ApiError, Reply, bad_request, not_found
from coursekeep_campus.router import Routes
from coursekeep_campus.routes_groups import group_space
from coursekeep_campus.times import parse

__all__ = ["routes"]

routes = Routes("discussions")


def _topics(call: Call) -> list[Topic]:
    return group_space(call).topics if "group" in call.names else call.content.topics


def _topic(call: Call) -> Topic:
    """Find a topic whose replies are asked for: those of anonymous ones are not served."""
    topic = _any_topic(call)
    if topic.anonymous:
        raise not_found()
    return topic


def _any_topic(call: Call) -> Topic:
    number = call.number("topic")
    for topic in _topics(call):
        if topic.doc["id"] == number:
            return topic
    raise not_found()


@routes.get("courses/{course}/discussion_topics")
@routes.get("groups/{group}/discussion_topics")
def topics(call: Call) -> Reply:
    """List the topics, or with `only_announcements` the announcements, drafts and delayed ones too."""
    announcements = call.flag("only_announcements")
    found = [topic for topic in _topics(call) if topic.announcement is announcements]
    return call.page(found, lambda topic: _shown(call, topic))


@routes.get("courses/{course}/discussion_topics/{topic}")
@routes.get("groups/{group}/discussion_topics/{topic}")
def topic(call: Call) -> Reply:
    """Show a topic."""
    return call.reply(_shown(call, _any_topic(call)))


def _shown(call: Call, topic: Topic) -> Doc:
    extra: Doc = {}
    if "all_dates" in call.includes and topic.doc["assignment_id"]:
        extra["all_dates"] = []
    if "sections" in call.includes and topic.doc["is_section_specific"]:
        extra["sections"] = []
    return {**topic.doc, **extra}


@routes.get("courses/{course}/discussion_topics/{topic}/view", keep=False)
@routes.get("groups/{group}/discussion_topics/{topic}/view", keep=False)
def view(call: Call) -> Reply:
    """Show all replies as a tree; 503 with an empty body until it is built. New entries stay outside the tree."""
    topic = _topic(call)
    _refuse_unposted(call, topic)
    asked = call.state.views
    asked[topic.doc["id"]] += 1
    if asked[topic.doc["id"]] <= topic.unready:
        return Reply(b"", 503)
    body: Doc = {
        "unread_entries": [],
        "forced_entries": [],
        "entry_ratings": {},
        "participants": topic.participants,
        "view": topic.entries,
    }
    if call.flag("include_new_entries"):
        body["new_entries"] = topic.new_entries
    return call.reply(body, cost=0.05)


def _refuse_unposted(call: Call, topic: Topic) -> None:
    if topic.require_initial_post and not call.caller.admin:
        raise ApiError(403, "require_initial_post")


@routes.get("courses/{course}/discussion_topics/{topic}/entries")
@routes.get("groups/{group}/discussion_topics/{topic}/entries")
def entries(call: Call) -> Reply:
    """List the replies at the top, the newest first, with the latest below each."""
    topic = _topic(call)
    _refuse_unposted(call, topic)
    tops = [entry for entry in (*topic.entries, *topic.new_entries) if entry["parent_id"] is None]
    tops.sort(key=_age, reverse=True)
    return call.page(tops, lambda entry: _flat(topic, entry))


@routes.get("courses/{course}/discussion_topics/{topic}/entries/{entry}/replies")
@routes.get("groups/{group}/discussion_topics/{topic}/entries/{entry}/replies")
def replies(call: Call) -> Reply:
    """List everything below one reply at the top, the newest first."""
    topic = _topic(call)
    entry = call.find(topic.entries, call.number("entry"))
    return call.page(_below(topic, entry), lambda doc: _plain(doc))


@routes.get("courses/{course}/discussion_topics/{topic}/entry_list")
@routes.get("groups/{group}/discussion_topics/{topic}/entry_list")
def entry_list(call: Call) -> Reply:
    """List named replies."""
    topic = _topic(call)
    wanted = set(call.numbers("ids"))
    found = [doc for doc in (*_walk(topic.entries), *topic.new_entries) if doc["id"] in wanted]
    return call.page(found, _plain)


_RECENT = 10


def _flat(topic: Topic, entry: Doc) -> Doc:
    below = _below(topic, entry)
    doc = _plain(entry)
    if below:
        doc["recent_replies"] = [_plain(reply) for reply in below[:_RECENT]]
        doc["has_more_replies"] = len(below) > _RECENT
    return doc


def _below(topic: Topic, entry: Doc) -> list[Doc]:
    inside = {doc["id"] for doc in _walk(entry.get("replies", []))} | {entry["id"]}
    newer = [doc for doc in topic.new_entries if doc["parent_id"] in inside]
    return sorted([*_walk(entry.get("replies", [])), *newer], key=_age, reverse=True)


def _age(entry: Doc) -> tuple[str, int]:
    return (entry["created_at"], entry["id"])


def _plain(entry: Doc) -> Doc:
    return {name: value for name, value in entry.items() if name != "replies"}


def _walk(entries: Sequence[Doc]) -> Iterator[Doc]:
    for entry in entries:
        yield entry
        yield from _walk(entry.get("replies", []))


@routes.get("announcements")
def announcements(call: Call) -> Reply:
    """List announcements of courses, by default of a window around today. Course codes are required."""
    codes = call.values("context_codes")
    if not codes:
        raise bad_request({"message": "Missing context_codes"})
    start = _moment(call, "start_date", call.campus.now - timedelta(days=14))
    end = _moment(call, "end_date", start + timedelta(days=28))
    found = [doc for doc in _announced(call, codes) if doc["posted_at"] and start <= parse(doc["posted_at"]) <= end]
    found.sort(key=lambda doc: (doc["posted_at"], doc["id"]), reverse=True)
    return call.page(found)


def _moment(call: Call, name: str, default: datetime) -> datetime:
    try:
        return parse(call.value(name)) if call.value(name) else default
    except ValueError:
        raise bad_request({"message": f"Invalid {name}"}) from None


def _announced(call: Call, codes: Iterable[str]) -> Iterator[Doc]:
    for code in codes:
        call.enter(code.removeprefix("course_"))
        for topic in call.content.topics:
            if topic.announcement:
                yield {**topic.doc, "context_code": code}
