"""Discussions and announcements with whole reply trees, of the course and of its groups.

Canvas hands out a prepared ("materialised") view of a topic and answers 503 with nothing in it until that is prepared;
replies newer than the view stand beside it in `new_entries`. The replies of group discussions are in child topics
under the groups. Replies to anonymous topics are not handed out at all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.canvas.files import attached
from coursekeep_connectors.canvas.reading import Parts, Reading, Space
from coursekeep_connectors.canvas.replies import entries_of, post_of, view_of
from coursekeep_connectors.canvas.values import Json, ident, objects, person, pick, text

__all__ = ["KINDS", "announcements", "discussions"]

#: what is missing where topics cannot be read
KINDS = (Kind.DISCUSSIONS, Kind.POSTS, Kind.FILES)

_EXTRA = (
    "position", "require_initial_post", "group_category_id", "assignment", "sections", "all_dates", "overrides",
    "podcast_enabled", "podcast_has_student_posts", "only_graders_can_rate", "allow_rating", "sort_by_rating",
    "discussion_subentry_count", "anonymous_state", "is_section_specific", "group_topic_children", "todo_date",
    "user_name", "expand", "sort_order",
)  # fmt: skip


async def discussions(reading: Reading, space: Space) -> Parts:
    """Yield the discussions of a course or group, with their replies."""
    params = [("include[]", name) for name in ("all_dates", "sections", "overrides")]
    async with aclosing(_topics(reading, space, params, announcement=False)) as parts:
        async for part in parts:
            yield part


async def announcements(reading: Reading, space: Space) -> Parts:
    """Yield all announcements: the list of topics has those of all times, unlike the list of announcements."""
    params = [("only_announcements", "true"), ("include[]", "sections")]
    async with aclosing(_topics(reading, space, params, announcement=True)) as parts:
        async for part in parts:
            yield part


async def _topics(reading: Reading, space: Space, params: list[tuple[str, str]], *, announcement: bool) -> Parts:
    endpoint = space.endpoint("announcements" if announcement else "discussion_topics")
    for kind in (Kind.DISCUSSIONS, Kind.POSTS):
        reading.expect(kind, 0)
    async for raw, items in reading.pages(f"{space.base}/discussion_topics", params, endpoint=endpoint):
        yield raw
        fresh = [item for item in items if text(item.get("id")) not in reading.topics]
        streams = (_topic(reading, space, item, announcement=announcement) for item in fresh)
        async with aclosing(in_order(streams, width=reading.width)) as parts:
            async for part in parts:
                yield part


async def _topic(
    reading: Reading, space: Space, item: Json, *, announcement: bool, parent_id: str | None = None
) -> Parts:
    """Yield a topic, its attachments, its replies, and its children in the groups."""
    topic_id = str(item.get("id"))
    if topic_id in reading.topics:
        return
    reading.topics.add(topic_id)
    for part in _described(reading, space, item, announcement=announcement, parent_id=parent_id):
        yield part
    if item.get("anonymous_state"):
        detail = "the topic is anonymous, and Canvas hands out no replies to such topics"
        count = item.get("discussion_subentry_count")
        yield Gap(
            kind=Kind.POSTS,
            reason=GapReason.NOT_OFFERED,
            id=f"topic-{topic_id}",
            detail=detail,
            count=_noted(reading, count),
        )
        return
    async with aclosing(_guarded_replies(reading, space, item, topic_id)) as parts:
        async for part in parts:
            yield part
    for child in objects(item.get("group_topic_children")):
        async with aclosing(_child(reading, topic_id, child)) as parts:
            async for part in parts:
                yield part


def _noted(reading: Reading, count: object) -> int | None:
    """Count replies that Canvas counts but withholds; None where it does not count them."""
    if not isinstance(count, int):
        return None
    reading.expect(Kind.POSTS, count, "discussion_subentry_count")
    return count


def _described(
    reading: Reading, space: Space, item: Json, *, announcement: bool, parent_id: str | None
) -> Iterator[Part]:
    author = item.get("author")
    if isinstance(author, dict):
        reading.refer(author.get("id"), display_name=author.get("display_name"))
    yield from reading.mapped(
        Kind.DISCUSSIONS, item, lambda found: _record(found, space, announcement=announcement, parent_id=parent_id)
    )
    yield from attached(reading, item, group="discussions")


def _record(item: Json, space: Space, *, announcement: bool, parent_id: str | None) -> Record:
    author = item.get("author")
    assignment_id = text(item.get("assignment_id"))
    data = {
        "announcement": announcement or item.get("is_announcement") is True,
        "title": text(item.get("title")),
        "message_html": text(item.get("message")),
        "author_id": text(author.get("id")) if isinstance(author, dict) else None,
        "posted_at": item.get("posted_at"),
        "delayed_post_at": item.get("delayed_post_at"),
        "lock_at": item.get("lock_at"),
        "last_reply_at": item.get("last_reply_at"),
        "published": item.get("published"),
        "locked": item.get("locked"),
        "pinned": item.get("pinned"),
        "kind": text(item.get("discussion_type")),
        "assignment_id": assignment_id,
        "group_id": space.group_id,
        "parent_id": parent_id or text(item.get("root_topic_id")),
        "file_ids": [ident(found) for found in objects(item.get("attachments"))],
        "extra": pick(item, *_EXTRA),
    }
    return Record(kind=Kind.DISCUSSIONS, id=ident(item), data=data)


async def _child(reading: Reading, parent_id: str, child: Json) -> Parts:
    """Yield the child of a course topic in one group, with the replies that the shell does not have."""
    child_id, group_id = ident(child), ident(child, "group_id")
    space = Space(base=f"/api/v1/groups/{group_id}", group_id=group_id)
    found: list[Json] = []
    async with aclosing(
        reading.guarded(_fetched(reading, space, child_id, found), Kind.DISCUSSIONS, of=child_id, count=1)
    ) as parts:
        async for part in parts:
            yield part
    if not found:
        reading.expect(Kind.DISCUSSIONS, 1, "group_topic_children")
        return
    async with aclosing(_topic(reading, space, found[0], announcement=False, parent_id=parent_id)) as parts:
        async for part in parts:
            yield part


async def _fetched(reading: Reading, space: Space, topic_id: str, found: list[Json]) -> Parts:
    item = await reading.get(f"{space.base}/discussion_topics/{topic_id}")
    yield reading.raw(space.endpoint("discussion_topics"), item)
    found.append(item)


async def _guarded_replies(reading: Reading, space: Space, item: Json, topic_id: str) -> Parts:
    """Yield the replies; where they may not be read, say how many Canvas counts."""
    async with aclosing(
        reading.guarded(_replies(reading, space, item, topic_id), Kind.POSTS, Kind.FILES, of=f"topic-{topic_id}")
    ) as parts:
        async for part in parts:
            if isinstance(part, Gap) and part.kind is Kind.POSTS and part.count is None:
                yield replace(part, count=_noted(reading, item.get("discussion_subentry_count")))
            else:
                yield part


async def _replies(reading: Reading, space: Space, item: Json, topic_id: str) -> Parts:
    url = f"{space.base}/discussion_topics/{topic_id}"
    view = await view_of(reading, url)
    if view is not None:
        yield reading.raw(space.endpoint("discussion_views"), view, of=topic_id)
        for participant in objects(view.get("participants")):
            reading.refer(participant.get("id"), display_name=participant.get("display_name"))
        entries = entries_of(view)
    else:
        entries = []
        async with aclosing(_one_by_one(reading, space, url, topic_id, entries)) as parts:
            async for part in parts:
                yield part
    for part in _posts(reading, item, topic_id, entries):
        yield part


async def _one_by_one(reading: Reading, space: Space, url: str, topic_id: str, entries: list[Json]) -> Parts:
    """Read the entries and their replies without the view, where Canvas never gets around to preparing it."""
    endpoint = space.endpoint("entries")
    async for raw, found in reading.pages(f"{url}/entries", endpoint=endpoint, of=topic_id):
        yield raw
        entries.extend(found)
    for entry in list(entries):
        if entry.get("has_more_replies") or entry.get("recent_replies"):
            replies = f"{url}/entries/{ident(entry)}/replies"
            async for raw, found in reading.pages(replies, endpoint=endpoint, of=ident(entry)):
                yield raw
                entries.extend(found)


def _posts(reading: Reading, item: Json, topic_id: str, entries: list[Json]) -> Iterator[Part]:
    for entry in entries:
        author = person(entry.get("user_id"))
        reading.refer(author)
        reading.refer(person(entry.get("editor_id")))
        yield from reading.mapped(Kind.POSTS, entry, lambda found: post_of(found, topic_id))
        yield from attached(reading, entry, group="discussions", owner=author)
    counted = item.get("discussion_subentry_count")
    # The shell of a group discussion may count the replies of its children, which are compared there.
    if not isinstance(counted, int) or item.get("group_topic_children"):
        return
    alive = sum(1 for entry in entries if entry.get("deleted") is not True)
    if alive < counted:
        reading.expect(Kind.POSTS, counted - alive, "discussion_subentry_count")
        detail = f"Canvas counts {counted} replies, but hands out {alive}"
        yield Gap(
            kind=Kind.POSTS, reason=GapReason.UNEXPLAINED, id=f"topic-{topic_id}", detail=detail, count=counted - alive
        )
