"""Pages and discussion topics of a cartridge."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from coursekeep import Kind, MalformedAnswer, Part
from coursekeep_connectors.packages.cartridge.manifest import Manifest, Resource
from coursekeep_connectors.packages.cartridge.work import graded
from coursekeep_connectors.packages.documents import attribute, child, descendants, local, text_of, tree
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import flag, moment

__all__ = ["body_of", "page_parts", "topic_parts"]

_BODY = re.compile(r"<body[^>]*>(.*)</body>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_META = re.compile(r'<meta\s+name="(\w+)"\s+content="([^"]*)"\s*/?>', re.IGNORECASE)
_HEAD = 64 * 1024
_FILEBASE = re.compile(r"^(?:\$|%24)IMS[-_]CC[-_]FILEBASE(?:\$|%24)/?", re.IGNORECASE)


def body_of(text: str) -> str:
    """Return what Canvas wrapped into an HTML document."""
    found = _BODY.search(text)
    return (found[1] if found else text).strip("\r\n")


def page_parts(package: Package, manifest: Manifest, resource: Resource) -> Iterator[Part]:
    """Yield a page. Of a package that is not Canvas's the file is kept too: the page may link to its neighbours."""
    name = resource.first or ""
    text = package.documents.text(name)
    head = text[:_HEAD]
    title = _TITLE.search(head)
    meta = {key.lower(): html.unescape(value) for key, value in _META.findall(head)} if manifest.from_canvas else {}
    data: dict[str, Any] = {
        "slug": posixpath.splitext(posixpath.basename(name))[0],
        "title": html.unescape(title[1]).strip() if title else None,
        "body_html": body_of(text) if manifest.from_canvas else text,
        "extra": {key: value for key, value in meta.items() if key not in ("identifier", "editing_roles")},
    }
    if "workflow_state" in meta:
        data["published"] = meta["workflow_state"] == "active"
    if "front_page" in meta:
        data["front_page"] = flag(meta["front_page"])
    data["editing_roles"] = meta.get("editing_roles")
    if manifest.from_canvas:
        package.used.add(name)
    else:
        data["extra"] = {"file_id": name}
    yield package.sheet.record(Kind.PAGES, resource.key, data, basis="imsmanifest.xml")


def topic_parts(package: Package, manifest: Manifest, resource: Resource) -> Iterator[Part]:
    """Yield a discussion topic or announcement, and what is graded of it."""
    name = resource.first
    if name is None:
        raise MalformedAnswer("the manifest names no file for it", where=resource.id)
    topic = package.documents.xml(name)
    package.used.add(name)
    meta = _meta(package, manifest, resource)
    text = child(topic, "text")
    extra: dict[str, Any] = {} if text is None else {"texttype": text.get("texttype")}
    if meta is not None:
        extra["topic_meta"] = tree(meta)
    data: dict[str, Any] = {
        "title": text_of(topic, "title"),
        "message_html": text_of(topic, "text"),
        "announcement": text_of(meta, "type") == "announcement",
        "kind": text_of(meta, "discussion_type"),
        "pinned": flag(text_of(meta, "pinned")),
        "locked": flag(text_of(meta, "locked")),
        "file_ids": [_attached(package, found) for found in descendants(topic, "attachment")],
        "extra": extra,
    }
    for key, element in (("posted_at", "posted_at"), ("delayed_post_at", "delayed_post_at"), ("lock_at", "lock_at")):
        data[key] = package.sheet.time(moment, text_of(meta, element), f"{resource.key}/{element}")
    if (state := text_of(meta, "workflow_state")) is not None:
        data["published"] = state == "active"
    assignment = child(meta, "assignment")
    if assignment is not None:
        yield graded(
            package,
            assignment,
            attribute(assignment, "identifier") or f"{resource.key}-assignment",
            discussion_id=resource.key,
        )
        data["assignment_id"] = attribute(assignment, "identifier") or f"{resource.key}-assignment"
    yield package.sheet.record(Kind.DISCUSSIONS, resource.key, data, basis="imsmanifest.xml")


def _meta(package: Package, manifest: Manifest, resource: Resource) -> Element | None:
    """Return what Canvas says about a topic, in a document of its own."""
    for needed in manifest.needed(resource):
        for name in needed.files:
            if name.endswith(".xml") and package.documents.has(name):
                root = package.documents.xml(name)
                if local(root) == "topicMeta":
                    package.used.add(name)
                    return root
    return None


def _attached(package: Package, attachment: Element) -> str:
    """Return the entry that an attachment means, which is the id of its file."""
    path = unquote(_FILEBASE.sub("", attachment.get("href", "")))
    tries = (path, f"web_resources/{path}")
    return next((name for name in tries if package.documents.has(name)), path)
