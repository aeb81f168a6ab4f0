"""Pages with bodies and every revision. Slugs change when a page is renamed, so the page id is the key."""

from __future__ import annotations

from contextlib import aclosing

from coursekeep import Kind, NotFound, Record, segment
from coursekeep.ordered import in_order
from coursekeep_connectors.canvas.reading import Parts, Reading, Space
from coursekeep_connectors.canvas.values import Json, ident, person, pick, text

__all__ = ["pages"]

_EXTRA = ("todo_date", "publish_at", "editor", "block_editor_attributes", "hide_from_students", "html_url")


async def pages(reading: Reading, space: Space) -> Parts:
    """Yield the pages of a course or group."""
    reading.expect(Kind.PAGES, 0)
    if reading.settings.page_revisions:
        reading.expect(Kind.PAGE_REVISIONS, 0)
    listing = reading.pages(f"{space.base}/pages", [("sort", "title")], endpoint=space.endpoint("page_list"))
    async for _, items in listing:
        # The list itself is no answer worth keeping: each page says the same and more.
        streams = (_page(reading, space, item) for item in items)
        async with aclosing(in_order(streams, width=reading.width)) as parts:
            async for part in parts:
                yield part


async def _page(reading: Reading, space: Space, item: Json) -> Parts:
    page_id, slug = str(item.get("page_id")), str(item.get("url"))
    if space.group_id is None:
        reading.page_ids[slug] = page_id
    full: list[Json] = []
    async with aclosing(
        reading.guarded(_full(reading, space, page_id, slug, full), Kind.PAGES, of=page_id, count=0)
    ) as parts:
        async for part in parts:
            yield part
    if not full:
        yield reading.raw(space.endpoint("page_list"), item)
    for part in reading.mapped(Kind.PAGES, full[0] if full else item, lambda found: _record(found, space)):
        yield part
    if reading.settings.page_revisions:
        revisions = _revisions(reading, space, page_id, slug)
        async with aclosing(reading.guarded(revisions, Kind.PAGE_REVISIONS, of=f"page-{page_id}")) as parts:
            async for part in parts:
                yield part


async def _full(reading: Reading, space: Space, page_id: str, slug: str, full: list[Json]) -> Parts:
    """Read a page with its body; one that was renamed meanwhile is asked for by its id."""
    try:
        found = await reading.get(f"{space.base}/pages/{segment(slug)}")
    except NotFound:
        found = await reading.get(f"{space.base}/pages/page_id:{page_id}")
    yield reading.raw(space.endpoint("pages"), found)
    full.append(found)


def _record(item: Json, space: Space) -> Record:
    editor = item.get("last_edited_by")
    data = {
        "slug": text(item.get("url")),
        "title": text(item.get("title")),
        "body_html": text(item.get("body")),
        "published": item.get("published"),
        "front_page": item.get("front_page"),
        "created_at": item.get("created_at"),
        "updated_at": item.get("updated_at"),
        "editor_id": person(editor.get("id")) if isinstance(editor, dict) else None,
        "editing_roles": text(item.get("editing_roles")),
        "extra": pick(item, *_EXTRA) | ({} if space.group_id is None else {"group_id": space.group_id}),
    }
    return Record(kind=Kind.PAGES, id=ident(item, "page_id"), data=data)


async def _revisions(reading: Reading, space: Space, page_id: str, slug: str) -> Parts:
    url = f"{space.base}/pages/{segment(slug)}/revisions"
    async for _, items in reading.pages(url, endpoint=space.endpoint("page_revision_list"), of=page_id):
        for item in items:
            revision = f"{page_id}-{text(item.get('revision_id'))}"
            full: list[Json] = []
            fetched = _revision(reading, space, f"{url}/{text(item.get('revision_id'))}", revision, full)
            async with aclosing(reading.guarded(fetched, Kind.PAGE_REVISIONS, of=revision, count=0)) as parts:
                async for part in parts:
                    yield part
            found = {**item, **(full[0] if full else {}), "id": revision}
            for part in reading.mapped(Kind.PAGE_REVISIONS, found, lambda seen: _revised(seen, page_id)):
                yield part


async def _revision(reading: Reading, space: Space, url: str, revision: str, full: list[Json]) -> Parts:
    found = await reading.get(url)
    editor = found.get("edited_by")
    if isinstance(editor, dict):
        reading.refer(person(editor.get("id")), display_name=editor.get("display_name"))
    yield reading.raw(space.endpoint("page_revisions"), found, of=revision)
    full.append(found)


def _revised(item: Json, page_id: str) -> Record:
    editor = item.get("edited_by")
    data = {
        "page_id": page_id,
        "revision": item.get("revision_id"),
        "latest": item.get("latest"),
        "title": text(item.get("title")),
        "slug": text(item.get("url")),
        "body_html": text(item.get("body")),
        "updated_at": item.get("updated_at"),
        "editor_id": person(editor.get("id")) if isinstance(editor, dict) else None,
    }
    return Record(kind=Kind.PAGE_REVISIONS, id=ident(item), data=data)
