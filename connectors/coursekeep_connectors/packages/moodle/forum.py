"""Forums of a Moodle backup: every discussion a topic, its first post the topic's message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part, Record
from coursekeep_connectors.packages.documents import child, children
from coursekeep_connectors.packages.moodle.activity import Activity
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import elements, facts, identified, plain, said, time_of

__all__ = ["forum_parts"]


def forum_parts(backup: Backup, activity: Activity) -> Iterator[Part]:
    """Yield the discussions of a forum and the replies in them."""
    forum = {"forum_id": activity.id, "module_id": activity.module_id, "type": said(activity.shell, "type")}
    for element in elements(backup.documents, activity.main, "discussion"):
        id_ = f"discussion-{element.get('id')}"
        posts = list(children(child(element, "posts"), "post"))
        opening = said(element, "firstpost")
        first = next((post for post in posts if post.get("id") == opening), None)
        group = identified(element, "groupid")
        data: dict[str, Any] = {
            "announcement": forum["type"] == "news",
            "title": said(element, "name"),
            "message_html": said(first, "message"),
            "author_id": identified(first, "userid") or identified(element, "userid"),
            "posted_at": time_of(backup.package, first, "created", id_),
            "last_reply_at": time_of(backup.package, element, "timemodified", id_),
            "delayed_post_at": time_of(backup.package, element, "timestart", id_),
            "pinned": {"1": True, "0": False}.get(said(element, "pinned") or ""),
            "group_id": None if group == "-1" else group,
            "published": activity.visible,
            "file_ids": [] if first is None else _files(backup, first, activity.context),
            "extra": {**forum, "discussion": facts(element, "name"), **_first(first)},
        }
        yield backup.sheet.record(Kind.DISCUSSIONS, id_, data, basis="forum.xml")
        for post in posts:
            if post is not first:
                yield _post(backup, post, id_, opening, activity.context)


def _first(post: Element | None) -> dict[str, Any]:
    if post is None:
        return {}
    ratings = [plain(each) for each in children(child(post, "ratings"), "rating")]
    return {"first_post": {"@id": post.get("id"), **facts(post, "message")}, "ratings": ratings}


def _post(backup: Backup, post: Element, discussion: str, opening: str | None, context: str) -> Record:
    id_ = post.get("id", "")
    parent = identified(post, "parent")
    ratings = [plain(each) for each in children(child(post, "ratings"), "rating")]
    deleted = said(post, "deleted") == "1"
    data: dict[str, Any] = {
        "discussion_id": discussion,
        "parent_id": None if parent == opening else parent,
        "author_id": identified(post, "userid"),
        "message_html": said(post, "message"),
        "created_at": time_of(backup.package, post, "created", f"post-{id_}"),
        "updated_at": time_of(backup.package, post, "modified", f"post-{id_}"),
        "deleted": deleted,
        "file_ids": _files(backup, post, context),
        "extra": {"post": facts(post, "message"), **({"ratings": ratings} if ratings else {})},
    }
    return backup.sheet.record(Kind.POSTS, id_, data, basis="forum.xml")


def _files(backup: Backup, post: Element, context: str) -> list[str]:
    id_ = post.get("id", "")
    areas = ("attachment", "post")
    return [file for area in areas for file in backup.attached.get(("mod_forum", area, context, id_), [])]
