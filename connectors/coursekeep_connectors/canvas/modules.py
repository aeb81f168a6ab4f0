"""Modules and their items, also beyond the page maximum, and students' progress through them.

Canvas leaves `items` out of a module that has more of them than fit on a page; then they are read from its own list.
Ids of modules and items are counted separately in Canvas, so a package has them as `module-7` and `item-7`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.canvas.reading import Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, objects, pick, text, texts, whole

__all__ = ["Modules", "progress"]

#: type in Canvas: word in packages, kind of what it points to
_TYPES: dict[str, tuple[str, Kind | None]] = {
    "File": ("file", Kind.FILES),
    "Page": ("page", Kind.PAGES),
    "Discussion": ("discussion", Kind.DISCUSSIONS),
    "Assignment": ("assignment", Kind.ASSIGNMENTS),
    "Quiz": ("quiz", Kind.QUIZZES),
    "SubHeader": ("label", None),
    "ExternalUrl": ("url", None),
    "ExternalTool": ("tool", None),
}


class Modules:
    """The modules of a course; remembers whether students had to meet requirements."""

    def __init__(self) -> None:
        self.demanding = False

    async def parts(self, reading: Reading) -> Parts:
        """Yield modules and items."""
        reading.expect(Kind.STRUCTURE, 0)
        params = [("include[]", "items"), ("include[]", "content_details")]
        async for raw, items in reading.pages(f"{reading.base}/modules", params, endpoint="modules"):
            yield raw
            streams = (self._module(reading, item) for item in items)
            async with aclosing(in_order(streams, width=reading.width)) as parts:
                async for part in parts:
                    yield part

    async def _module(self, reading: Reading, item: Json) -> Parts:
        self.demanding = self.demanding or bool(item.get("prerequisite_module_ids"))
        for part in reading.mapped(Kind.STRUCTURE, item, _module):
            yield part
        listed = self._items(reading, item)
        module_id = f"module-{item.get('id')}"
        async with aclosing(reading.guarded(listed, Kind.STRUCTURE, of=module_id)) as parts:
            async for part in parts:
                yield part

    async def _items(self, reading: Reading, module: Json) -> Parts:
        seen = 0
        inline = module.get("items")
        if isinstance(inline, list):
            for item in objects(inline):
                seen += 1
                for part in self._item(reading, module, item):
                    yield part
        else:
            url = f"{reading.base}/modules/{ident(module)}/items"
            params = [("include[]", "content_details")]
            async for raw, items in reading.pages(url, params, endpoint="module_items"):
                yield raw
                for item in items:
                    seen += 1
                    for part in self._item(reading, module, item):
                        yield part
        counted = whole(module.get("items_count")) or 0
        if seen < counted:
            reading.expect(Kind.STRUCTURE, counted - seen, "modules.items_count")
            detail = f"the module counts {counted} items, but lists {seen}"
            module_id = f"module-{ident(module)}"
            yield Gap(
                kind=Kind.STRUCTURE, reason=GapReason.UNEXPLAINED, id=module_id, detail=detail, count=counted - seen
            )

    def _item(self, reading: Reading, module: Json, item: Json) -> Iterator[Part]:
        self.demanding = self.demanding or bool(item.get("completion_requirement"))
        yield from reading.mapped(Kind.STRUCTURE, item, lambda found: _item(found, ident(module), reading.page_ids))


def _module(item: Json) -> Record:
    data = {
        "node": "module",
        "position": whole(item.get("position")),
        "title": text(item.get("name")),
        "published": item.get("published"),
        "unlock_at": item.get("unlock_at"),
        "prerequisite_ids": [f"module-{found}" for found in texts(item.get("prerequisite_module_ids"))],
        "extra": pick(item, "require_sequential_progress", "publish_final_grade", "requirement_count", "items_count"),
    }
    return Record(kind=Kind.STRUCTURE, id=f"module-{ident(item)}", data=data)


def _item(item: Json, module_id: str, page_ids: dict[str, str]) -> Record:
    word, kind = _TYPES.get(str(item.get("type")), (str(item.get("type")).lower(), None))
    slug = text(item.get("page_url"))
    target = page_ids.get(slug) if slug is not None else text(item.get("content_id"))
    data = {
        "node": "item",
        "parent_id": f"module-{text(item.get('module_id')) or module_id}",
        "position": whole(item.get("position")),
        "indent": whole(item.get("indent")),
        "title": text(item.get("title")),
        "item_type": word,
        "target_kind": kind.value if kind is not None else None,
        "target_id": target if kind is not None and target != "0" else None,
        "url": text(item.get("external_url")),
        "published": item.get("published"),
        "requirement": item.get("completion_requirement"),
        "extra": pick(item, "page_url", "content_details", "mastery_paths", "new_tab"),
    }
    return Record(kind=Kind.STRUCTURE, id=f"item-{ident(item)}", data=data)


def kinds(reading: Reading) -> tuple[Kind, ...]:
    """Return what is missing where students or modules cannot be read."""
    return (Kind.COMPLETIONS,) if reading.settings.module_progress else ()


async def progress(reading: Reading, demanding: bool) -> Parts:
    """Yield how far each student came in modules that demand something."""
    if demanding and not reading.settings.module_progress:
        detail = "progress through modules was not asked for: module_progress is off in the settings"
        yield Gap(kind=Kind.COMPLETIONS, reason=GapReason.NOT_OFFERED, detail=detail, count=None)
        return
    reading.expect(Kind.COMPLETIONS, 0)
    students = sorted(reading.students) if demanding else []
    async with aclosing(in_order((_guarded(reading, student) for student in students), width=reading.width)) as parts:
        async for part in parts:
            yield part


async def _guarded(reading: Reading, student: str) -> Parts:
    async with aclosing(
        reading.guarded(_progress(reading, student), Kind.COMPLETIONS, of=f"student-{student}")
    ) as parts:
        async for part in parts:
            yield part


async def _progress(reading: Reading, student: str) -> Parts:
    params = [("student_id", student), ("include[]", "items")]
    url = f"{reading.base}/modules"
    async for raw, items in reading.pages(url, params, endpoint="module_progress", of=student):
        yield raw
        for module in items:
            if module.get("state") is not None:
                target = {**module, "target": f"module-{ident(module)}"}
                for part in reading.mapped(Kind.COMPLETIONS, target, lambda found: _completion(found, student)):
                    yield part
            for item in objects(module.get("items")):
                requirement = item.get("completion_requirement")
                if isinstance(requirement, dict):
                    done = "completed" if requirement.get("completed") is True else "incomplete"
                    target = {**item, "target": f"item-{ident(item)}", "state": done}
                    for part in reading.mapped(Kind.COMPLETIONS, target, lambda found: _completion(found, student)):
                        yield part


def _completion(item: Json, student: str) -> Record:
    data = {
        "person_id": student,
        "target_kind": Kind.STRUCTURE.value,
        "target_id": item["target"],
        "state": text(item.get("state")),
        "at": item.get("completed_at"),
        "extra": pick(item, "completion_requirement"),
    }
    return Record(kind=Kind.COMPLETIONS, id=f"{student}-{item['target']}", data=data)
