"""Lessons of a class and their resources, with the files that a channel has on the server."""

from __future__ import annotations

from functools import partial
from typing import Any

import httpx

from coursekeep import FileAuth, Gap, GapReason, Kind, Record, RemoteFile
from coursekeep_kolibri.ledger import Item, Parts
from coursekeep_kolibri.reading import Reading, chunks

__all__ = ["read_lessons", "read_resources"]

#: what a resource's record keeps besides title and description
_ABOUT = ("content_id", "channel_id", "author", "license_name", "license_owner", "duration", "modality", "options")


async def read_lessons(reading: Reading) -> Parts:
    """Yield lessons as modules, and the resources in them as items."""
    ledger = reading.ledger
    yield reading.raw("lessons", reading.lessons)
    contents = reading.contents()
    yield reading.raw("resources", contents)
    kinds = {str(one.get("node_id")): one for one in contents}
    ledger.expect(Kind.STRUCTURE, 0, "lessons")
    for place, lesson in enumerate(
        sorted(reading.lessons, key=lambda one: (str(one.get("date_created")), str(one["id"])))
    ):
        reading.met(lesson.get("created_by"), *lesson.get("learner_ids", ()))
        for part in ledger.mapped(Kind.STRUCTURE, lesson, partial(_module, place=place), basis="lessons"):
            yield part
        for number, resource in enumerate(lesson.get("resources") or ()):
            node = str(resource["contentnode_id"])
            reading.nodes.setdefault(node)
            reading.node_of.setdefault(str(resource["content_id"]), node)
            mapper = partial(_item, lesson=lesson, number=number, content=kinds.get(node, {}))
            for part in ledger.mapped(Kind.STRUCTURE, resource, mapper, basis="lessons"):
                yield part


def _module(lesson: Item, place: int) -> Record:
    extra = {key: lesson.get(key) for key in ("description", "created_by", "date_created")}
    extra["assignments"] = sorted(lesson.get("assignments") or ())
    extra["learner_ids"] = sorted(lesson.get("learner_ids") or ())
    data = {
        "node": "module",
        "position": place + 1,
        "title": lesson["title"],
        "item_type": "lesson",
        "published": lesson.get("active"),
        "extra": extra,
    }
    return Record(kind=Kind.STRUCTURE, id=str(lesson["id"]), data=data)


def _item(resource: Item, *, lesson: Item, number: int, content: Item) -> Record:
    data = {
        "node": "item",
        "parent_id": str(lesson["id"]),
        "position": number + 1,
        "title": content.get("title"),
        "item_type": content.get("kind"),
        "target_kind": str(Kind.ACTIVITIES),
        "target_id": resource["contentnode_id"],
        "extra": {key: resource.get(key) for key in ("content_id", "channel_id")},
    }
    return Record(kind=Kind.STRUCTURE, id=f"{lesson['id']}-{number + 1}", data=data)


async def read_resources(reading: Reading) -> Parts:
    """Yield the resources that lessons and quizzes use, with their files; one that is not on the server is a gap."""
    ledger = reading.ledger
    ledger.expect(Kind.ACTIVITIES, len(reading.nodes), "referred to")
    ledger.expect(Kind.FILES, 0, "files of resources")
    for ids in chunks(reading.nodes):
        found = await reading.all("/api/content/contentnode/", {"ids": ",".join(ids)})
        yield reading.raw("contentnodes", found)
        for node in found:
            reading.node_of.setdefault(str(node.get("content_id")), str(node["id"]))
            for part in ledger.mapped(Kind.ACTIVITIES, node, _activity):
                yield part
            for file in _files(reading, node):
                ledger.expect(Kind.FILES, 1, "files of resources")
                yield file
    known = set(ledger.captured(Kind.ACTIVITIES))
    for id_ in reading.nodes:
        if id_ not in known:
            detail = "a lesson or quiz uses this resource, whose channel is not, or no longer, on the server"
            yield Gap(kind=Kind.ACTIVITIES, reason=GapReason.NOT_FOUND, id=id_, detail=detail)


def _activity(node: Item) -> Record:
    assessment = node.get("assessmentmetadata")
    extra = {key: node.get(key) for key in _ABOUT}
    extra["lang"] = _language(node)
    extra["mastery_model"] = assessment["mastery_model"] if assessment else None
    data = {
        "type": node["kind"],
        "title": node["title"],
        "description_html": node.get("description"),
        "parts": [{"item": item} for item in assessment["assessment_item_ids"]] if assessment else [],
        "file_ids": [str(file["id"]) for file in _listed(node)],
        "extra": extra,
    }
    return Record(kind=Kind.ACTIVITIES, id=str(node["id"]), data=data)


def _language(node: Item) -> str | None:
    lang = node.get("lang")
    return str(lang["id"]) if isinstance(lang, dict) and lang.get("id") else None


def _listed(node: Item) -> list[dict[str, Any]]:
    return sorted(node.get("files") or (), key=lambda file: str(file["id"]))


def _files(reading: Reading, node: Item) -> list[RemoteFile]:
    return [_file(reading.settings.base_url, node, file) for file in _listed(node)]


def _file(base_url: str, node: Item, file: Item) -> RemoteFile:
    here = bool(file.get("available") and file.get("storage_url"))
    return RemoteFile(
        group="activities",
        id=str(file["id"]),
        name=f"{node['title']}.{file['extension']}",
        url=str(httpx.URL(base_url).join(file["storage_url"])) if here else "",
        # Kolibri hands out files of channels to anybody.
        auth=FileAuth.NONE,
        size=file.get("file_size"),
        digest=f"md5:{file['checksum']}" if file.get("checksum") else None,
        extra={key: file.get(key) for key in ("preset", "supplementary", "thumbnail")},
        withheld=None if here else GapReason.NOT_FOUND,
    )
