"""All activities that are no assignment, quiz, page or forum: each is described, and what people did in it is read.

What a type's functions tell differs from type to type. A type that has none, such as most plugins, is described by the
outline, and what people did in it is a gap that says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import aclosing
from dataclasses import dataclass

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep_connectors.moodle.listed import Instances
from coursekeep_connectors.moodle.outline import Module, Outline
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, moment, number, pick, text, whole

__all__ = ["Sort", "activities", "activity", "missing"]

#: reads what people did in one activity
Deeds = Callable[[Reading, Module, Json], Parts]

_OPENS = ("timeopen", "timeavailablefrom", "available", "submissionstart", "timeavailable")
_CLOSES = ("timeclose", "timeavailableto", "deadline", "submissionend", "timedue")
_COMMON = frozenset(
    {
        "id",
        "coursemodule",
        "cmid",
        "course",
        "name",
        "intro",
        "introfiles",
        "visible",
        "section",
        "lang",
        *_OPENS,
        *_CLOSES,
    }
)
_FILE_LISTS = ("introfiles", "contentfiles", "mediafiles", "instructauthorsfiles", "instructreviewersfiles",
               "conclusionfiles", "package", "pageaftersubmitfiles")  # fmt: skip


@dataclass(frozen=True, kw_only=True, slots=True)
class Sort:
    """One type of activity: the function that lists its instances, and what reads people's deeds."""

    function: str | None = None
    key: str | None = None
    deeds: Deeds | None = None
    #: why deeds cannot be read, where they cannot
    untold: str = ""


def activity(reading: Reading, item: Json, module: Module, *, parts: list[Json] | None = None) -> Iterator[Part]:
    """Yield the record of one activity, and the files of its settings."""
    for name in _FILE_LISTS:
        if isinstance(item.get(name), list):
            yield from reading.attached(item.get(name), group="activities")
    yield from reading.mapped(
        Kind.ACTIVITIES, item, lambda found: _record(reading, found, module, parts or []), of=module.id
    )


def _record(reading: Reading, item: Json, module: Module, parts: list[Json]) -> Record:
    others = [key for key in item if key not in _COMMON and key not in _FILE_LISTS]
    links = [text(one.get("fileurl")) for one in module.contents if one.get("type") == "url"]
    listed = [
        file_id for name in _FILE_LISTS if isinstance(item.get(name), list) for file_id in reading.ids_of(item[name])
    ]
    laid_out = reading.ids_of([one for one in module.contents if one.get("type") == "file"])
    data = {
        "type": module.modname,
        "title": text(item.get("name")) or module.name,
        "description_html": text(item.get("intro")) or module.description,
        "open_at": next((found for key in _OPENS if (found := moment(item.get(key)))), None),
        "close_at": next((found for key in _CLOSES if (found := moment(item.get(key)))), None),
        "points_possible": _points(item),
        "published": module.visible,
        "parts": parts,
        "file_ids": list(dict.fromkeys([*listed, *laid_out])),
        "extra": {**pick(item, *others), **({"urls": links} if links else {})},
    }
    return Record(kind=Kind.ACTIVITIES, id=module.id, data=data)


def _points(item: Json) -> float | None:
    """Return the most that can be reached; below 0 stands for a scale, 0 for none."""
    found = number(item.get("grade")) if not isinstance(item.get("grade"), dict) else None
    return found if found is not None and found > 0 else None


async def activities(reading: Reading, outline: Outline, sorts: dict[str, Sort], apart: frozenset[str]) -> Parts:
    """Yield the activities of all types but those that are read `apart`."""
    for kind in (Kind.ACTIVITIES, Kind.RESPONSES):
        reading.expect(kind, 0)
    names = sorted({module.modname for module in outline.modules} - apart)
    for modname in names:
        sort = sorts.get(modname)
        modules = outline.of(modname)
        listed = Instances(sort.function, sort.key, Kind.ACTIVITIES) if sort and sort.function else None
        if listed is not None:
            async with aclosing(listed.load(reading, modules)) as parts:
                async for part in parts:
                    yield part
        for module in modules:
            item = listed.items.get(module.instance, {}) if listed is not None else {}
            async with aclosing(_one(reading, module, item, sort)) as parts:
                async for part in parts:
                    yield part


def missing(reading: Reading, kind: Kind, of: str, counted: object, got: int) -> Iterator[Part]:
    """Yield a gap for what Moodle counts, but does not hand out."""
    total = whole(counted)
    if total is not None and total > got:
        reading.expect(kind, total - got, "counted by Moodle")
        detail = f"Moodle counts {total}, but hands out {got}"
        yield Gap(kind=kind, reason=GapReason.UNEXPLAINED, id=of, detail=detail, count=total - got)


async def _one(reading: Reading, module: Module, item: Json, sort: Sort | None) -> Parts:
    if sort is None:
        for part in activity(reading, item, module):
            yield part
        detail = f"no function of Moodle's core reads activities of the type {module.modname}; a backup may hold them"
        yield Gap(kind=Kind.RESPONSES, reason=GapReason.NOT_OFFERED, id=module.id, detail=detail, count=None)
        return
    if sort.deeds is None:
        for part in activity(reading, item, module):
            yield part
    else:
        async with aclosing(sort.deeds(reading, module, item)) as parts:
            async for part in parts:
                yield part
    if sort.untold:
        yield Gap(kind=Kind.RESPONSES, reason=GapReason.NOT_OFFERED, id=module.id, detail=sort.untold, count=None)
