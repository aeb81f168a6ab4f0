"""Forums with their discussions, every post, and what is attached."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing

from coursekeep import Gap, GapReason, Kind, MalformedAnswer, Part, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.moodle.activities import activity
from coursekeep_connectors.moodle.listed import Instances
from coursekeep_connectors.moodle.outline import Module, Outline
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, person, pick, text, truth, whole

__all__ = ["forums"]

_DISCUSSIONS = "mod_forum_get_forum_discussions"
_POSTS = "mod_forum_get_discussion_posts"


async def forums(reading: Reading, outline: Outline) -> Parts:
    """Yield the forums, and the discussions in each."""
    for kind in (Kind.DISCUSSIONS, Kind.POSTS):
        reading.expect(kind, 0)
    modules = outline.of("forum")
    if not modules:
        return
    listed = Instances("mod_forum_get_forums_by_courses", None, Kind.ACTIVITIES)
    async with aclosing(listed.load(reading, modules)) as parts:
        async for part in parts:
            yield part
    for module in modules:
        item = listed.items.get(module.instance, {})
        for part in activity(reading, item, module):
            yield part
        found = _forum(reading, module, item)
        async with aclosing(reading.guarded(found, Kind.DISCUSSIONS, Kind.POSTS, of=module.id)) as parts:
            async for part in parts:
                yield part


async def _forum(reading: Reading, module: Module, forum: Json) -> Parts:
    # Neither page nor number per page: all of them at once.
    arguments = {"forumid": module.instance, "sortorder": 3, "page": -1, "perpage": 0}
    body, items = await reading.listing(_DISCUSSIONS, arguments, key="discussions")
    yield reading.raw("forum_discussions", items)
    for part in reading.warned(body, Kind.DISCUSSIONS):
        yield part
    streams = (_discussion(reading, module, forum, item) for item in items)
    async with aclosing(in_order(streams, width=reading.width)) as parts:
        async for part in parts:
            yield part
    counted = whole(forum.get("numdiscussions"))
    if counted is not None and counted > len(items):
        reading.expect(Kind.DISCUSSIONS, counted - len(items), "numdiscussions")
        detail = f"Moodle counts {counted} discussions, but hands out {len(items)}: groups or times may hide the others"
        yield Gap(
            kind=Kind.DISCUSSIONS,
            reason=GapReason.UNEXPLAINED,
            id=module.id,
            detail=detail,
            count=counted - len(items),
        )


async def _discussion(reading: Reading, module: Module, forum: Json, item: Json) -> Parts:
    reading.refer(item.get("userid"), item.get("userfullname"))
    for part in reading.attached(item.get("attachments"), group="discussions", owner=person(item.get("userid"))):
        yield part
    for part in reading.attached(item.get("messageinlinefiles"), group="discussions"):
        yield part
    # `id` is that of the first post.
    key = text(item.get("discussion"))
    for part in reading.mapped(Kind.DISCUSSIONS, item, lambda found: _topic(reading, found, module, forum), of=key):
        yield part
    if key is not None:
        async with aclosing(reading.guarded(_posts(reading, item, key), Kind.POSTS, of=f"discussion-{key}")) as parts:
            async for part in parts:
                yield part


def _topic(reading: Reading, item: Json, module: Module, forum: Json) -> Record:
    data = {
        "announcement": forum.get("type") == "news",
        "title": text(item.get("subject")) or text(item.get("name")),
        "message_html": text(item.get("message")),
        "author_id": person(item.get("userid")),
        "posted_at": moment(item.get("created")),
        "delayed_post_at": moment(item.get("timestart")),
        "lock_at": moment(item.get("timeend")),
        "last_reply_at": moment(item.get("timemodified")),
        "locked": truth(item.get("locked")),
        "pinned": truth(item.get("pinned")),
        "kind": text(forum.get("type")),
        "group_id": person(item.get("groupid")),
        "file_ids": reading.ids_of(item.get("attachments")),
        "extra": {"forum_id": module.id, "first_post_id": ident(item), **pick(item, "numreplies", "usermodified")},
    }
    return Record(kind=Kind.DISCUSSIONS, id=ident(item, "discussion"), data=data)


async def _posts(reading: Reading, item: Json, discussion: str) -> Parts:
    arguments = {"discussionid": discussion, "sortby": "created", "sortdirection": "ASC"}
    try:
        body, posts = await reading.listing(_POSTS, {**arguments, "includeinlineattachments": True}, key="posts")
    except MalformedAnswer:  # sites before 3.11 do not know the argument; what is wrong otherwise is wrong again
        body, posts = await reading.listing(_POSTS, arguments, key="posts")
    yield reading.raw("forum_posts", body, of=discussion)
    for part in reading.warned(body, Kind.POSTS):
        yield part
    posts.sort(key=lambda post: (whole(post.get("timecreated")) or 0, whole(post.get("id")) or 0))
    for post in posts:
        for part in _post(reading, post, discussion):
            yield part
    replies = whole(item.get("numreplies"))
    missing = 0 if replies is None else replies + 1 - len(posts)
    if missing > 0:
        reading.expect(Kind.POSTS, missing, "numreplies")
        detail = f"Moodle counts {replies} replies, but hands out {len(posts) - 1}"
        of = f"discussion-{discussion}"
        yield Gap(kind=Kind.POSTS, reason=GapReason.UNEXPLAINED, id=of, detail=detail, count=missing)


def _post(reading: Reading, post: Json, discussion: str) -> Iterator[Part]:
    author = post.get("author") if isinstance(post.get("author"), dict) else {}
    assert isinstance(author, dict)
    owner = reading.refer(author.get("id"), author.get("fullname"))
    for name in ("attachments", "messageinlinefiles"):
        yield from reading.attached(post.get(name), group="discussions", owner=owner)
    yield from reading.mapped(Kind.POSTS, post, lambda found: _reply(reading, found, discussion, owner))


def _reply(reading: Reading, post: Json, discussion: str, owner: str | None) -> Record:
    deleted = truth(post.get("isdeleted")) is True
    data = {
        "discussion_id": discussion,
        "parent_id": person(post.get("parentid")),
        "author_id": owner,
        # What stands in a deleted post's place is Moodle's translated notice.
        "message_html": None if deleted else text(post.get("message")),
        "created_at": moment(post.get("timecreated")),
        "updated_at": moment(post.get("timemodified")),
        "deleted": deleted,
        "file_ids": reading.ids_of(post.get("attachments")),
        "extra": pick(post, "subject", "isprivatereply", "messageformat", "tags", "wordcount", "charcount"),
    }
    return Record(kind=Kind.POSTS, id=ident(post), data=data)
