"""What is there to be read: pages, labels, chapters of books."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import aclosing
from functools import partial

from coursekeep import ConnectorError, CredentialsNeeded, Gap, Kind, MalformedAnswer, Record, RetryLater
from coursekeep_connectors.moodle.files import file_of, id_of_address
from coursekeep_connectors.moodle.listed import Instances
from coursekeep_connectors.moodle.outline import Module, Outline
from coursekeep_connectors.moodle.reading import Parts, Reading, reason_of
from coursekeep_connectors.moodle.values import Json, moment, objects, pick, text

__all__ = ["books", "labels", "pages"]

#: bytes of one page's HTML that are read into its record
_LONGEST = 8 * 2**20


async def pages(reading: Reading, outline: Outline) -> Parts:
    """Yield the pages with their bodies."""
    modules = outline.of("page")
    listed = Instances("mod_page_get_pages_by_courses", "pages", Kind.PAGES)
    async with aclosing(listed.load(reading, modules)) as parts:
        async for part in parts:
            yield part
    for module in modules:
        item = listed.items.get(module.instance, {})
        for part in reading.attached(item.get("contentfiles"), group="pages"):
            yield part
        body = text(item.get("content"))
        if body is None:
            body, gap = await _body(reading, module.contents, "/", module.id)
            if gap is not None:
                yield gap
        for part in reading.mapped(Kind.PAGES, item, partial(_page, module=module, body=body), of=module.id):
            yield part


def _page(item: Json, module: Module, body: str | None) -> Record:
    data = {
        "title": text(item.get("name")) or module.name,
        "body_html": body,
        "published": module.visible,
        "updated_at": moment(item.get("timemodified")),
        "extra": {"type": "page", **pick(item, "intro", "contentformat", "display", "revision")},
    }
    return Record(kind=Kind.PAGES, id=module.id, data=data)


async def labels(reading: Reading, outline: Outline) -> Parts:
    """Yield the labels: texts that stand in the course page itself."""
    modules = outline.of("label")
    listed = Instances("mod_label_get_labels_by_courses", "labels", Kind.PAGES)
    async with aclosing(listed.load(reading, modules)) as parts:
        async for part in parts:
            yield part
    for module in modules:
        item = listed.items.get(module.instance, {})
        for part in reading.attached(item.get("introfiles"), group="pages"):
            yield part
        for part in reading.mapped(Kind.PAGES, item, partial(_label, module=module), of=module.id):
            yield part


def _label(item: Json, module: Module) -> Record:
    data = {
        "title": module.name or text(item.get("name")),
        "body_html": text(item.get("intro")) or module.description,
        "published": module.visible,
        "updated_at": moment(item.get("timemodified")),
        "extra": {"type": "label"},
    }
    return Record(kind=Kind.PAGES, id=module.id, data=data)


async def books(reading: Reading, outline: Outline) -> Parts:
    """Yield the chapters of books as pages, in the order of the book's own table of contents."""
    for module in outline.of("book"):
        async with aclosing(reading.guarded(_book(reading, module), Kind.PAGES, of=module.id)) as parts:
            async for part in parts:
                yield part


async def _book(reading: Reading, module: Module) -> Parts:
    chapters = list(_chapters(module))
    for position, chapter in enumerate(chapters):
        chapter_id = text(chapter["href"]).partition("/")[0]  # type: ignore[union-attr]  # checked by `_chapters`
        files = [item for item in module.contents if item.get("type") == "file"]
        body, gap = await _body(reading, files, f"/{chapter_id}/", f"{module.id}-{chapter_id}")
        if gap is not None:
            yield gap
        for part in reading.mapped(
            Kind.PAGES,
            chapter,
            partial(_chapter, module=module, chapter_id=chapter_id, position=position, body=body),
            of=f"{module.id}-{chapter_id}",
        ):
            yield part


def _chapters(module: Module) -> Iterator[Json]:
    """Yield the chapters of a book's table of contents, which is JSON within JSON."""
    tree = next((text(item.get("content")) for item in module.contents if item.get("type") == "content"), None)
    if tree is None:
        raise MalformedAnswer("the book has no table of contents", where="core_course_get_contents")
    try:
        yield from _walk(objects(json.loads(tree)))
    except (TypeError, ValueError, RecursionError) as error:
        raise MalformedAnswer(
            "the book's table of contents makes no sense", where="core_course_get_contents"
        ) from error


def _walk(items: list[Json]) -> Iterator[Json]:
    for item in items:
        if not isinstance(item.get("href"), str):
            raise TypeError("a chapter without address")
        yield item
        yield from _walk(objects(item.get("subitems")))


def _chapter(item: Json, module: Module, chapter_id: str, position: int, body: str | None) -> Record:
    hidden = item.get("hidden")
    data = {
        "title": text(item.get("title")),
        "body_html": body,
        "published": None if hidden is None else str(hidden) != "1",
        "extra": {"type": "chapter", "book_id": module.id, "position": position, **pick(item, "level")},
    }
    return Record(kind=Kind.PAGES, id=f"{module.id}-{chapter_id}", data=data)


async def _body(reading: Reading, files: list[Json], folder: str, of: str) -> tuple[str | None, Gap | None]:
    """Read the HTML that Moodle generates for a page; it is kept among the files as well."""
    item = next((one for one in files if one.get("filename") == "index.html" and one.get("filepath") == folder), None)
    if item is None or id_of_address(text(item.get("fileurl")) or "") is None:
        detail = "Moodle lists no text for it"
        return None, Gap(kind=Kind.PAGES, reason=reason_of(MalformedAnswer(detail)), id=of, detail=detail, count=0)
    try:
        return await _text(reading, file_of(item, reading.calls, group="pages").url), None
    except (CredentialsNeeded, RetryLater):
        raise
    except ConnectorError as error:
        return None, Gap(kind=Kind.PAGES, reason=reason_of(error), id=of, detail=str(error), count=0)


async def _text(reading: Reading, url: str) -> str:
    found = await reading.calls.client.read(url, limit=_LONGEST)
    try:
        return found.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise MalformedAnswer("the page's text is not UTF-8") from error
