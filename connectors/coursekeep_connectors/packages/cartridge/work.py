"""Assignments, their groups and rubrics in a cartridge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, MalformedAnswer, Part, Record
from coursekeep_connectors.packages.cartridge.manifest import Manifest, Resource
from coursekeep_connectors.packages.documents import attribute, child, children, text_of, tree
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import flag, moment, number, whole

__all__ = ["assignment_parts", "graded", "group_parts", "is_assignment", "rubric_parts"]

_SETTINGS = "assignment_settings.xml"


def is_assignment(resource: Resource) -> bool:
    """Tell whether a resource is an assignment, of the extension of Common Cartridge or of Canvas."""
    if resource.type.startswith("assignment_xml"):
        return True
    return resource.type.startswith("associatedcontent") and any(name.endswith(_SETTINGS) for name in resource.files)


def assignment_parts(package: Package, manifest: Manifest, resource: Resource) -> Iterator[Part]:
    """Yield an assignment."""
    from_canvas = manifest.companion(resource, _SETTINGS)
    name = from_canvas or resource.first
    if name is None:
        raise MalformedAnswer("the manifest names no file for it", where=resource.id)
    root = package.documents.xml(name)
    package.used.add(name)
    canvas = root if from_canvas else child(root, "extensions", "assignment")
    record = graded(package, root if canvas is None else canvas, resource.key)
    data = dict(record.data)
    if canvas is not root:
        data |= _extension(root)
    if data.get("description_html") is None:
        data["description_html"] = _description(package, resource)
    yield Record(kind=record.kind, id=record.id, data=data)


def graded(package: Package, element: Element, id_: str, **links: str | None) -> Record:
    """Make the record of what Canvas says about an assignment, a graded quiz or a graded discussion."""
    sheet = package.sheet
    types = (text_of(element, "submission_types") or "").split(",")
    data: dict[str, Any] = {
        "title": text_of(element, "title"),
        "group_id": text_of(element, "assignment_group_identifierref"),
        "position": whole(text_of(element, "position")),
        "points_possible": number(text_of(element, "points_possible")),
        "grading_type": text_of(element, "grading_type"),
        "submission_types": [type_.strip() for type_ in types if type_.strip()],
        "allowed_attempts": whole(text_of(element, "allowed_attempts")),
        "omit_from_final_grade": flag(text_of(element, "omit_from_final_grade")),
        "anonymous_grading": flag(text_of(element, "anonymous_grading")),
        "rubric_id": text_of(element, "rubric_identifierref"),
        "quiz_id": text_of(element, "quiz_identifierref"),
        "tool_url": text_of(element, "external_tool_url"),
        "extra": {"settings": tree(element)},
        **links,
    }
    for key in ("unlock_at", "due_at", "lock_at"):
        data[key] = sheet.time(moment, text_of(element, key), f"{id_}/{key}")
    if (state := text_of(element, "workflow_state")) is not None:
        data["published"] = state in ("published", "active")
    overrides = [tree(each) for each in children(child(element, "assignment_overrides"), "assignment_override")]
    data["overrides"] = [each for each in overrides if isinstance(each, dict)]
    return sheet.record(Kind.ASSIGNMENTS, id_, data, basis="imsmanifest.xml")


def _extension(root: Element) -> dict[str, Any]:
    """Return what stands in the assignment document of Common Cartridge itself."""
    found: dict[str, Any] = {"extra": {"assignment": tree(root)}}
    if (title := text_of(root, "title")) is not None:
        found["title"] = title
    if (text := text_of(root, "text")) is not None:
        found["description_html"] = text
    gradable = child(root, "gradable")
    points = None if gradable is None else number(gradable.get("points_possible"))
    if points is not None:
        found["points_possible"] = points
    formats = [each.get("type", "") for each in children(child(root, "submission_formats"), "format")]
    if formats:
        found["submission_types"] = formats
    return found


def _description(package: Package, resource: Resource) -> str | None:
    """Return the text beside an assignment's settings."""
    from coursekeep_connectors.packages.cartridge.pages import body_of

    names = (name for name in resource.files if name.endswith((".html", ".htm")) and package.documents.has(name))
    name = next(names, None)
    if name is None:
        return None
    package.used.add(name)
    return body_of(package.documents.text(name)) or None


def group_parts(package: Package, root: Element, name: str) -> Iterator[Part]:
    """Yield the groups of assignments."""
    for index, element in enumerate(children(root, "assignmentGroup"), start=1):
        rules = [tree(rule) for rule in children(child(element, "rules"), "rule")]
        data = {
            "name": text_of(element, "title"),
            "position": whole(text_of(element, "position")),
            "weight": number(text_of(element, "group_weight")),
            "rules": {"rules": rules} if rules else {},
        }
        yield package.sheet.record(Kind.ASSIGNMENT_GROUPS, _id(element, index), data, basis=name)


def rubric_parts(package: Package, root: Element, name: str) -> Iterator[Part]:
    """Yield the rubrics."""
    for index, element in enumerate(children(root, "rubric"), start=1):
        criteria = [tree(each) for each in children(child(element, "criteria"), "criterion")]
        data = {
            "title": text_of(element, "title"),
            "points_possible": number(text_of(element, "points_possible")),
            "free_form_comments": flag(text_of(element, "free_form_criterion_comments")),
            "criteria": [each for each in criteria if isinstance(each, dict)],
        }
        yield package.sheet.record(Kind.RUBRICS, _id(element, index), data, basis=name)


def _id(element: Element, index: int) -> str:
    return attribute(element, "identifier") or f"#{index}"
