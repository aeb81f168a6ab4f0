"""What people write together: glossaries, databases and wikis."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from functools import partial

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep_connectors.moodle.activities import activity, missing
from coursekeep_connectors.moodle.listed import as_objects, pages_of
from coursekeep_connectors.moodle.outline import Module
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, objects, person, pick, text, truth, whole

__all__ = ["database", "glossary", "wiki"]

_AT_ONCE = 100
_CONTENTS = ("content", "content1", "content2", "content3", "content4")


async def glossary(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a glossary and its entries, those not approved too."""
    for part in activity(reading, item, module):
        yield part
    async with aclosing(reading.guarded(_terms(reading, module), Kind.RESPONSES, of=module.id)) as parts:
        async for part in parts:
            yield part


async def _terms(reading: Reading, module: Module) -> Parts:
    function = "mod_glossary_get_entries_by_letter"
    seen: set[str] = set()
    while True:
        arguments = {"id": module.instance, "letter": "ALL", "from": len(seen), "limit": _AT_ONCE}
        body = await reading.call(function, {**arguments, "options": {"includenotapproved": True}})
        fresh = [item for item in as_objects(body.get("entries"), function) if str(item.get("id")) not in seen]
        for part in reading.warned(body, Kind.RESPONSES):
            yield part
        if not fresh:
            break
        seen.update(str(item.get("id")) for item in fresh)
        yield reading.raw("glossary_entries", fresh)
        for item in fresh:
            owner = reading.refer(item.get("userid"), item.get("userfullname"))
            for name in ("attachments", "definitioninlinefiles"):
                for part in reading.attached(item.get(name), group="activities", owner=owner):
                    yield part
            for part in reading.mapped(Kind.RESPONSES, item, lambda found: _term(reading, found, module)):
                yield part
    for part in missing(reading, Kind.RESPONSES, module.id, body.get("count"), len(seen)):
        yield part


def _term(reading: Reading, item: Json, module: Module) -> Record:
    approved = truth(item.get("approved"))
    data = {
        "activity_id": module.id,
        "person_id": person(item.get("userid")),
        "type": "entry",
        "title": text(item.get("concept")),
        "body_html": text(item.get("definition")),
        "state": None if approved is None else "approved" if approved else "not_approved",
        "created_at": moment(item.get("timecreated")),
        "updated_at": moment(item.get("timemodified")),
        "file_ids": reading.ids_of(item.get("attachments")),
        "extra": pick(item, "teacherentry", "sourceglossaryid", "usedynalink", "casesensitive", "fullmatch", "tags"),
    }
    return Record(kind=Kind.RESPONSES, id=f"glossary-{ident(item)}", data=data)


async def database(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a database with its fields, and its entries."""
    fields: list[Json] = []
    described, entered = _fields(reading, module, fields), _records(reading, module)
    for stream in (
        reading.guarded(described, Kind.ACTIVITIES, of=module.id, count=0),
        reading.guarded(entered, Kind.RESPONSES, of=module.id),
    ):
        async with aclosing(stream) as parts:
            async for part in parts:
                yield part
    for part in activity(reading, item, module, parts=fields):
        yield part


async def _fields(reading: Reading, module: Module, into: list[Json]) -> Parts:
    body, items = await reading.listing("mod_data_get_fields", {"databaseid": module.instance}, key="fields")
    yield reading.raw("data_fields", items)
    for part in reading.warned(body, Kind.ACTIVITIES):
        yield part
    params = [f"param{number}" for number in range(1, 11)]
    into += [{"id": ident(item), **pick(item, "type", "name", "description", "required", *params)} for item in items]


async def _records(reading: Reading, module: Module) -> Parts:
    got, total = 0, None
    arguments = {"databaseid": module.instance, "returncontents": True}
    async with aclosing(pages_of(reading, "mod_data_get_entries", arguments, "entries")) as pages:
        async for body in pages:
            total = body.get("totalcount")
            yield reading.raw("data_entries", body["entries"])
            for part in reading.warned(body, Kind.RESPONSES):
                yield part
            for item in objects(body["entries"]):
                got += 1
                for part in _entry(reading, module, item):
                    yield part
    for part in missing(reading, Kind.RESPONSES, module.id, total, got):
        yield part


def _entry(reading: Reading, module: Module, item: Json) -> Iterator[Part]:
    owner = reading.refer(item.get("userid"), item.get("fullname"))
    for content in objects(item.get("contents")):
        yield from reading.attached(content.get("files"), group="activities", owner=owner)
    yield from reading.mapped(Kind.RESPONSES, item, lambda found: _record(reading, found, module))


def _record(reading: Reading, item: Json, module: Module) -> Record:
    approved = truth(item.get("approved"))
    answers = [
        {
            "field_id": text(one.get("fieldid")),
            **pick(one, *_CONTENTS),
            **({"file_ids": reading.ids_of(one["files"])} if one.get("files") else {}),
        }
        for one in objects(item.get("contents"))
    ]
    data = {
        "activity_id": module.id,
        "person_id": person(item.get("userid")),
        "group_id": person(item.get("groupid")),
        "type": "entry",
        "state": None if approved is None else "approved" if approved else "not_approved",
        "created_at": moment(item.get("timecreated")),
        "updated_at": moment(item.get("timemodified")),
        "answers": answers,
        "extra": pick(item, "tags"),
    }
    return Record(kind=Kind.RESPONSES, id=f"data-{ident(item)}", data=data)


async def wiki(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a wiki and the pages of each of its sub-wikis, of groups or of people."""
    for part in activity(reading, item, module):
        yield part
    async with aclosing(reading.guarded(_subwikis(reading, module), Kind.PAGES, of=module.id)) as parts:
        async for part in parts:
            yield part
    detail = "Moodle hands out the current state of wiki pages only; earlier ones may be in a backup"
    yield Gap(kind=Kind.PAGE_REVISIONS, reason=GapReason.NOT_OFFERED, id=module.id, detail=detail, count=None)


async def _subwikis(reading: Reading, module: Module) -> Parts:
    body, items = await reading.listing("mod_wiki_get_subwikis", {"wikiid": module.instance}, key="subwikis")
    yield reading.raw("subwikis", items)
    for part in reading.warned(body, Kind.PAGES):
        yield part
    for item in items:
        of = f"subwiki-{text(item.get('id'))}"
        whose = {"groupid": whole(item.get("groupid")) or 0, "userid": whole(item.get("userid")) or 0}
        for stream in (
            reading.guarded(_wiki_pages(reading, module, whose), Kind.PAGES, of=of),
            reading.guarded(_wiki_files(reading, module, whose), Kind.FILES, of=of),
        ):
            async with aclosing(stream) as parts:
                async for part in parts:
                    yield part


async def _wiki_pages(reading: Reading, module: Module, whose: dict[str, int]) -> Parts:
    arguments = {"wikiid": module.instance, **whose, "options": {"includecontent": True}}
    body, items = await reading.listing("mod_wiki_get_subwiki_pages", arguments, key="pages")
    yield reading.raw("wiki_pages", items)
    for part in reading.warned(body, Kind.PAGES):
        yield part
    for item in items:
        reading.refer(item.get("userid"))
        for part in reading.mapped(Kind.PAGES, item, partial(_wiki_page, module=module, whose=whose)):
            yield part


def _wiki_page(item: Json, module: Module, whose: dict[str, int]) -> Record:
    owners = {
        key: str(value) for key, value in (("group_id", whose["groupid"]), ("person_id", whose["userid"])) if value
    }
    data = {
        "title": text(item.get("title")),
        "body_html": text(item.get("cachedcontent")),
        "front_page": truth(item.get("firstpage")),
        "created_at": moment(item.get("timecreated")),
        "updated_at": moment(item.get("timemodified")),
        "editor_id": person(item.get("userid")),
        "extra": {"type": "wiki", "wiki_id": module.id, **owners, **pick(item, "pageviews", "tags", "contentformat")},
    }
    return Record(kind=Kind.PAGES, id=f"wiki-{ident(item)}", data=data)


async def _wiki_files(reading: Reading, module: Module, whose: dict[str, int]) -> Parts:
    arguments = {"wikiid": module.instance, **whose}
    body, items = await reading.listing("mod_wiki_get_subwiki_files", arguments, key="files")
    for part in reading.warned(body, Kind.FILES):
        yield part
    for item in items:
        for part in reading.file(item, group="pages"):
            yield part
