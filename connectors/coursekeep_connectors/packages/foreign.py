"""Packages of Blackboard and Brightspace: recognised, described as far as they can be, and kept whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part
from coursekeep_connectors.packages.documents import attribute, child, children, descendants, text_of, tree
from coursekeep_connectors.packages.package import Package

__all__ = ["read_foreign"]

_MANIFEST = "imsmanifest.xml"
_INFO = ".bb-package-info"
#: kinds of records that types of resource would become; all others are settings
_KINDS: tuple[tuple[str, Kind], ...] = (
    ("x-bb-user", Kind.PEOPLE),
    ("coursemembership", Kind.ENROLLMENTS),
    ("x-bb-group", Kind.GROUPS),
    ("gradebook", Kind.GRADES),
    ("x-bb-qti-attempt", Kind.QUIZ_ATTEMPTS),
    ("x-bb-qti", Kind.QUIZZES),
    ("quiz", Kind.QUIZZES),
    ("question", Kind.QUIZ_QUESTIONS),
    ("discussion", Kind.DISCUSSIONS),
    ("forum", Kind.DISCUSSIONS),
    ("conference", Kind.DISCUSSIONS),
    ("announcement", Kind.DISCUSSIONS),
    ("dropbox", Kind.ASSIGNMENTS),
    ("rubric", Kind.RUBRICS),
    ("calendar", Kind.CALENDAR_EVENTS),
    ("x-bb-document", Kind.PAGES),
    ("content", Kind.PAGES),
    ("webcontent", Kind.FILES),
)


def read_foreign(package: Package) -> Iterator[Part]:
    """Yield the metadata, the outline, and a gap for every type of resource that is kept in the package file only."""
    if package.documents.has(_INFO):
        text = package.documents.bytes(_INFO).decode("latin-1")
        yield package.sheet.record(Kind.SETTINGS, "package_info", {"value": _properties(text)}, basis=_INFO)
    if not package.documents.has(_MANIFEST):
        detail = "the package has no manifest; all of it is kept in the package file only"
        yield package.sheet.native_only(Kind.STRUCTURE, None, detail, count=None)
        return
    root = package.documents.xml(_MANIFEST)
    metadata = child(root, "metadata")
    if metadata is not None:
        yield package.sheet.record(Kind.SETTINGS, "metadata", {"value": tree(metadata)}, basis=_MANIFEST)
    for organization in descendants(child(root, "organizations"), "organization"):
        yield from _outline(package, organization, None, set())
    yield from _gaps(package, root)


def _properties(text: str) -> dict[str, str]:
    """Read a file of Java properties as far as it is lines of `key=value`."""
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line and not line.startswith(("#", "!")))
    return {key.strip(): value.strip() for key, _, value in pairs}


def _outline(package: Package, element: Element, parent: str | None, used: set[str]) -> Iterator[Part]:
    for position, item in enumerate(children(element, "item"), start=1):
        id_ = item.get("identifier") or f"{parent or 'item'}/{position}"
        while id_ in used:
            id_ += "#2"
        used.add(id_)
        data: dict[str, Any] = {
            "node": "module" if child(item, "item") is not None else "item",
            "parent_id": parent,
            "position": position,
            "title": text_of(item, "title"),
            "extra": {key.rpartition("}")[2]: value for key, value in sorted(item.attrib.items())},
        }
        yield package.sheet.record(Kind.STRUCTURE, id_, data, basis="imsmanifest.xml: organizations")
        yield from _outline(package, item, id_, used)


def _gaps(package: Package, root: Element) -> Iterator[Part]:
    found = descendants(child(root, "resources"), "resource")
    types = Counter(attribute(each, "material_type") or attribute(each, "type") or "unknown" for each in found)
    for type_, count in sorted(types.items()):
        kind = next((kind for word, kind in _KINDS if word in type_), Kind.SETTINGS)
        detail = f"{count:,} resources of the type {type_} are kept in the package file only"
        yield package.sheet.native_only(kind, type_, detail, count=None)
