"""Sections and modules: the outline of the course, and the files that modules lay out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, objects, pick, text, truth, whole

__all__ = ["Module", "Outline", "kind_of"]

#: kinds of the records that modules point to; all others are activities
_KINDS = {
    "assign": Kind.ASSIGNMENTS,
    "page": Kind.PAGES,
    "label": Kind.PAGES,
    "quiz": Kind.QUIZZES,
}
_EXTRA = ("availability", "completion", "customdata", "groupmode", "downloadcontent", "dates", "noviewlink", "onclick")
#: contents that are no files
_OTHER_TYPES = frozenset({"url", "content"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Module:
    """An activity or resource as the outline tells of it."""

    cmid: str
    modname: str
    instance: str
    name: str | None
    visible: bool | None
    description: str | None
    contents: list[Json] = field(default_factory=list)
    #: Moodle listed no contents at all, as opposed to an empty list
    silent: bool = True

    @property
    def id(self) -> str:
        """Return the id of the module's own record: the type tells apart what Moodle counts separately."""
        return f"{self.modname}-{self.instance}"


def kind_of(modname: str) -> Kind:
    """Return the kind of the record that a module of this type has."""
    return _KINDS.get(modname, Kind.ACTIVITIES)


class Outline:
    """The modules of a course, remembered for the areas that read them."""

    def __init__(self) -> None:
        self.modules: list[Module] = []

    def of(self, modname: str) -> list[Module]:
        """Return the modules of one type."""
        return [module for module in self.modules if module.modname == modname]

    async def parts(self, reading: Reading) -> Parts:
        """Yield every section and module, and the files of modules."""
        reading.expect(Kind.STRUCTURE, 0)
        reading.expect(Kind.FILES, 0)
        reading.expect(Kind.PAGES, 0)
        options = [{"name": "includestealthmodules", "value": "1"}]
        arguments = {"courseid": reading.course.id, "options": options}
        _, sections = await reading.listing("core_course_get_contents", arguments)
        yield reading.raw("course_contents", sections)
        for section in sections:
            for part in reading.mapped(Kind.STRUCTURE, section, _section, of=f"section-{section.get('id')}"):
                yield part
            for place, item in enumerate(objects(section.get("modules"))):
                for part in self._module(reading, item, text(section.get("id")), place):
                    yield part

    def _module(self, reading: Reading, item: Json, section: str | None, place: int) -> Iterator[Part]:
        cmid = f"cm-{item.get('id')}"
        yield from reading.mapped(Kind.STRUCTURE, item, lambda found: _item(found, section, place), of=cmid)
        try:
            module = _module(item)
        except (TypeError, ValueError):
            return  # the gap of its place in the outline says so
        self.modules.append(module)
        withheld = truth(item.get("uservisible")) is False and module.silent
        if withheld and module.modname in ("resource", "folder", "page", "book", "imscp"):
            detail = "Moodle lists the module, but withholds its files: the account needs"
            detail += " moodle/course:ignoreavailabilityrestrictions"
            yield Gap(kind=Kind.FILES, reason=GapReason.LOCKED, id=cmid, detail=detail, count=None)
        for content in module.contents:
            if content.get("type") not in _OTHER_TYPES:
                yield from reading.file(content, group="course")


def _section(item: Json) -> Record:
    data = {
        "node": "module",
        "position": whole(item.get("section")),
        "title": text(item.get("name")),
        "published": truth(item.get("visible")),
        "extra": pick(item, "summary", "availability", "component", "itemid", "hiddenbynumsections"),
    }
    return Record(kind=Kind.STRUCTURE, id=f"section-{ident(item)}", data=data)


def _module(item: Json) -> Module:
    contents = item.get("contents")
    return Module(
        cmid=ident(item),
        modname=text(item.get("modname")) or "unknown",
        instance=ident(item, "instance"),
        name=text(item.get("name")),
        visible=truth(item.get("visible")),
        description=text(item.get("description")) or None,
        contents=objects(contents),
        silent=contents is None,
    )


def _item(item: Json, section: str | None, place: int) -> Record:
    module = _module(item)
    link = next((text(one.get("fileurl")) for one in module.contents if one.get("type") == "url"), None)
    data = {
        "node": "item",
        "parent_id": None if section is None else f"section-{section}",
        "position": place,
        "indent": whole(item.get("indent")),
        "title": module.name,
        "item_type": module.modname,
        "target_kind": str(kind_of(module.modname)),
        "target_id": module.id,
        "url": link if module.modname == "url" else None,
        "published": module.visible,
        "unlock_at": _opens(item),
        "extra": pick(item, *_EXTRA),
    }
    return Record(kind=Kind.STRUCTURE, id=f"cm-{module.cmid}", data=data)


def _opens(item: Json) -> object:
    """Return when a module opens; its label is translated, so only Moodle's own key is trusted."""
    dates = {one.get("dataid"): one.get("timestamp") for one in objects(item.get("dates"))}
    return moment(dates.get("timeopen") or dates.get("allowsubmissionsfromdate"))
