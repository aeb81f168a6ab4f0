"""What a cartridge says about the course as a whole; in Canvas's exports the folder course_settings."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part
from coursekeep_connectors.packages.cartridge.manifest import Manifest
from coursekeep_connectors.packages.cartridge.pages import body_of
from coursekeep_connectors.packages.cartridge.work import group_parts, rubric_parts
from coursekeep_connectors.packages.documents import attribute, child, children, local, text_of, tree
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import flag, moment, number

__all__ = ["course_parts"]

_FOLDER = "course_settings/"
#: what the outline reads
_MODULES = "course_settings/module_meta.xml"

_Reader = Callable[[Package, Element, str], Iterator[Part]]


def course_parts(package: Package, manifest: Manifest) -> Iterator[Part]:
    """Yield the metadata of the manifest, and every document about the course."""
    metadata = child(manifest.root, "metadata")
    if metadata is not None:
        value = {"value": tree(metadata)}
        yield package.sheet.record(Kind.SETTINGS, "metadata", value, basis="imsmanifest.xml")
    for name in package.documents.container.entries:
        if name.startswith(_FOLDER) and name != _MODULES and name.endswith((".xml", ".html")):
            reader = _READERS.get(name.removeprefix(_FOLDER))
            kind = reader[0] if reader else Kind.SETTINGS
            yield from package.guarded(kind, name, _document(package, name, reader[1] if reader else _settings))


def _document(package: Package, name: str, reader: _Reader) -> Iterator[Part]:
    if name.endswith(".html"):
        body = body_of(package.documents.text(name))
        package.used.add(name)
        id_ = name.removeprefix(_FOLDER).removesuffix(".html")
        yield package.sheet.record(Kind.SETTINGS, id_, {"value": {"body_html": body}}, basis=_FOLDER)
        return
    root = package.documents.xml(name)
    package.used.add(name)
    yield from reader(package, root, name)


def _settings(package: Package, root: Element, name: str) -> Iterator[Part]:
    id_ = name.removeprefix(_FOLDER).removesuffix(".xml")
    yield package.sheet.record(Kind.SETTINGS, id_, {"value": tree(root)}, basis=_FOLDER)


def _outcomes(package: Package, root: Element, name: str) -> Iterator[Part]:
    yield from _outcomes_in(package, root, None, name)


def _outcomes_in(package: Package, element: Element, parent: str | None, name: str) -> Iterator[Part]:
    for index, each in enumerate(element, start=1):
        sort = local(each)
        if sort in ("learningOutcomes", "learningOutcomeGroups"):
            yield from _outcomes_in(package, each, parent, name)
        if sort not in ("learningOutcome", "learningOutcomeGroup"):
            continue
        id_ = attribute(each, "identifier") or f"{parent or ''}#{index}"
        group = sort == "learningOutcomeGroup"
        ratings = [tree(rating) for rating in children(child(each, "ratings"), "rating")]
        data: dict[str, Any] = {
            "node": "group" if group else "outcome",
            "parent_id": parent,
            "title": text_of(each, "title"),
            "description_html": text_of(each, "description"),
            "points_possible": number(text_of(each, "points_possible")),
            "mastery_points": number(text_of(each, "mastery_points")),
            "ratings": [rating for rating in ratings if isinstance(rating, dict)],
        }
        yield package.sheet.record(Kind.OUTCOMES, id_, data, basis=name)
        yield from _outcomes_in(package, each, id_, name) if group else ()


def _events(package: Package, root: Element, name: str) -> Iterator[Part]:
    for index, event in enumerate(children(root, "event"), start=1):
        id_ = attribute(event, "identifier") or f"#{index}"
        data: dict[str, Any] = {
            "title": text_of(event, "title"),
            "description_html": text_of(event, "description"),
            "start_at": package.sheet.time(moment, text_of(event, "start_at"), f"{id_}/start_at"),
            "end_at": package.sheet.time(moment, text_of(event, "end_at"), f"{id_}/end_at"),
            "all_day": flag(text_of(event, "all_day")),
            "location": text_of(event, "location_name"),
            "extra": {"event": tree(event)},
        }
        yield package.sheet.record(Kind.CALENDAR_EVENTS, id_, data, basis=name)


_READERS: Mapping[str, tuple[Kind, _Reader]] = {
    "assignment_groups.xml": (Kind.ASSIGNMENT_GROUPS, group_parts),
    "rubrics.xml": (Kind.RUBRICS, rubric_parts),
    "learning_outcomes.xml": (Kind.OUTCOMES, _outcomes),
    "events.xml": (Kind.CALENDAR_EVENTS, _events),
}
