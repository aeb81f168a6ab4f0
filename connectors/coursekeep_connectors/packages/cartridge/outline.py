"""The outline of a cartridge: modules, what is in them, and links that lead out of the course."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part
from coursekeep_connectors.packages.cartridge.manifest import Manifest, Resource
from coursekeep_connectors.packages.cartridge.work import is_assignment
from coursekeep_connectors.packages.documents import attribute, child, children, descendants, text_of, tree
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import moment, whole

__all__ = ["link_parts", "outline_parts"]

_MODULES = "course_settings/module_meta.xml"


def link_parts(package: Package, manifest: Manifest, resource: Resource, name: str) -> Iterator[Part]:
    """Yield a link or an external tool as an item of its own where the outline does not hold it."""
    data = _link(package, resource, name)
    if not any(item.get("identifierref") == resource.id for item in _all_items(manifest)):
        node = {"node": "item", **data}
        yield package.sheet.record(Kind.STRUCTURE, resource.key, node, basis="imsmanifest.xml: resources")


def _link(package: Package, resource: Resource, name: str) -> dict[str, Any]:
    root = package.documents.xml(name)
    package.used.add(name)
    url = child(root, "url")
    if resource.type.startswith("imswl"):
        address = None if url is None else url.get("href")
        return {"title": text_of(root, "title"), "item_type": "url", "url": address, "extra": {"link": tree(root)}}
    address = text_of(root, "launch_url") or text_of(root, "secure_launch_url")
    return {"title": text_of(root, "title"), "item_type": "tool", "url": address, "extra": {"tool": tree(root)}}


def outline_parts(package: Package, manifest: Manifest) -> Iterator[Part]:
    """Yield the modules and their items, with what Canvas says about them."""
    metas = _metas(package)
    used: set[str] = set()
    for position, item in enumerate(manifest.items(), start=1):
        yield from _node(package, manifest, item, None, position, 0, metas, used)
    for id_, (meta, parent) in metas.items():
        if id_ not in used:
            data = {"title": text_of(meta, "title"), "parent_id": parent, "url": text_of(meta, "url")}
            node = {"node": "module" if parent is None else "item", **data, **_said(package, meta, id_)}
            yield package.sheet.record(Kind.STRUCTURE, id_, node, basis=f"{_MODULES} alone")


def _node(
    package: Package,
    manifest: Manifest,
    item: Element,
    parent: str | None,
    position: int,
    depth: int,
    metas: dict[str, tuple[Element, str | None]],
    used: set[str],
) -> Iterator[Part]:
    id_ = item.get("identifier") or f"{parent or 'item'}/{position}"
    while id_ in used:
        id_ += "#2"
    used.add(id_)
    inside = list(children(item, "item"))
    data: dict[str, Any] = {
        "node": "module" if not item.get("identifierref") and (inside or depth == 0) else "item",
        "parent_id": parent,
        "position": position,
        "indent": depth,
        "title": text_of(item, "title"),
        **_target(package, manifest, item),
    }
    if id_ in metas:
        data |= _said(package, metas[id_][0], id_)
    yield package.sheet.record(Kind.STRUCTURE, id_, data, basis="imsmanifest.xml: organizations")
    for index, each in enumerate(inside, start=1):
        yield from _node(package, manifest, each, id_, index, depth + 1, metas, used)


def _target(package: Package, manifest: Manifest, item: Element) -> dict[str, Any]:
    ref = item.get("identifierref")
    if not ref:
        return {} if child(item, "item") is not None else {"item_type": "label"}
    resource = manifest.by_id.get(ref)
    if resource is None:
        return {"item_type": None, "extra": {"identifierref": ref, "resource": None}}
    if resource.type.startswith(("imswl", "imsbasiclti")) and package.documents.has(resource.first or ""):
        link = _link(package, resource, resource.first or "")
        return {key: value for key, value in link.items() if key != "title"}
    return _reference(manifest, resource)


def _reference(manifest: Manifest, resource: Resource) -> dict[str, Any]:
    if manifest.is_page(resource):
        kind, type_, id_ = Kind.PAGES, "page", resource.key
    elif is_assignment(resource):
        kind, type_, id_ = Kind.ASSIGNMENTS, "assignment", resource.key
    elif resource.type.startswith("imsdt"):
        kind, type_, id_ = Kind.DISCUSSIONS, "discussion", resource.key
    elif resource.type.endswith(("/assessment", "/question-bank")):
        kind, type_, id_ = Kind.QUIZZES, "quiz", resource.key
    elif resource.first is not None:
        kind, type_, id_ = Kind.FILES, "file", resource.first
    else:
        return {"item_type": None, "extra": {"identifierref": resource.id, "type": resource.type}}
    return {"item_type": type_, "target_kind": str(kind), "target_id": id_}


def _metas(package: Package) -> dict[str, tuple[Element, str | None]]:
    """Return what Canvas says about modules and items, by identifier, with the module that an item is in."""
    found: dict[str, tuple[Element, str | None]] = {}
    if package.documents.has(_MODULES):
        package.used.add(_MODULES)
        for module in children(package.documents.xml(_MODULES), "module"):
            id_ = attribute(module, "identifier") or ""
            found[id_] = (module, None)
            found |= {
                attribute(each, "identifier") or "": (each, id_)
                for each in descendants(module, "item")
                if attribute(each, "identifier")
            }
    return found


def _said(package: Package, meta: Element, id_: str) -> dict[str, Any]:
    state = text_of(meta, "workflow_state")
    data: dict[str, Any] = {
        "published": None if state is None else state == "active",
        "unlock_at": package.sheet.time(moment, text_of(meta, "unlock_at"), f"{id_}/unlock_at"),
    }
    if (indent := whole(text_of(meta, "indent"))) is not None:
        data["indent"] = indent
    needs = descendants(meta, "prerequisite")
    data["prerequisite_ids"] = [ref for each in needs if (ref := text_of(each, "identifierref"))]
    own = {key: value for key, value in (tree(meta) or {}).items() if key != "items"}
    data["extra"] = {"module_meta": own}
    return data


def _all_items(manifest: Manifest) -> Iterator[Element]:
    return descendants(child(manifest.root, "organizations"), "item")
