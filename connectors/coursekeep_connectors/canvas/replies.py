"""The reply tree of one topic: waiting until Canvas has prepared it, merging, flattening, mapping."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from coursekeep import Kind, Record, RetryLater
from coursekeep_connectors.canvas.values import Json, ident, objects, pick, text

if TYPE_CHECKING:
    from coursekeep_connectors.canvas.reading import Reading

__all__ = ["entries_of", "post_of", "view_of"]


async def view_of(reading: Reading, url: str) -> Json | None:
    """Return a topic's prepared view, waiting for it as long as the settings say; None if it never comes.

    Only 503 means that Canvas is still preparing; any other trouble is raised.
    """
    params = [("include_new_entries", "1")]
    deadline = time.monotonic() + reading.settings.view_timeout
    wait = reading.retry.wait
    while True:
        try:
            return await reading.get(f"{url}/view", params)
        except RetryLater as error:
            if error.status != 503:
                raise
            if time.monotonic() + wait >= deadline:
                return None
        await asyncio.sleep(wait)
        wait = min(max(wait * 2, 0.01), 10.0)


def entries_of(view: Json) -> list[Json]:
    """Return all entries of a view, parents before replies, with the new entries merged in.

    A new entry that the view knows too is the newer state of it, and takes its place.
    """
    merged: dict[str, Json] = {}
    for entry in _flattened(objects(view.get("view"))):
        merged[ident(entry)] = entry
    for entry in _flattened(objects(view.get("new_entries"))):
        merged[ident(entry)] = {**merged.get(ident(entry), {}), **entry}
    return list(merged.values())


def _flattened(entries: list[Json]) -> Iterator[Json]:
    """Walk a tree without recursion: a hostile or very long thread must not exhaust the stack."""
    waiting = list(reversed(entries))
    while waiting:
        entry = waiting.pop()
        yield {key: value for key, value in entry.items() if key != "replies"}
        parent = {"parent_id": entry.get("id")}
        replies = reversed(objects(entry.get("replies")))
        waiting.extend(reply if reply.get("parent_id") is not None else {**reply, **parent} for reply in replies)


def post_of(entry: Json, topic_id: str) -> Record:
    """Map an entry; a deleted one keeps its place as a tombstone."""
    single = entry.get("attachment")
    files = [*objects(entry.get("attachments")), *([single] if isinstance(single, dict) else [])]
    data = {
        "discussion_id": topic_id,
        "parent_id": text(entry.get("parent_id")),
        "author_id": text(entry.get("user_id")),
        "editor_id": text(entry.get("editor_id")),
        "message_html": text(entry.get("message")),
        "created_at": entry.get("created_at"),
        "updated_at": entry.get("updated_at"),
        "deleted": entry.get("deleted") is True,
        "rating": entry.get("rating_sum"),
        "file_ids": list(dict.fromkeys(ident(found) for found in files)),
        "extra": pick(entry, "rating_count", "report_type_counts"),
    }
    return Record(kind=Kind.POSTS, id=ident(entry), data=data)
