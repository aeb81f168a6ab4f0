"""Turns a Common Cartridge into the content of a course."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import unquote
from xml.etree.ElementTree import Element

from coursekeep_campus.builder import Builder
from coursekeep_campus.cartridge_work import add_assignment, add_assignment_groups, add_quiz, add_rubrics
from coursekeep_campus.content import ORIGIN, Doc
from coursekeep_campus.shapes_course import course_settings, course_tabs
from coursekeep_campus.xml import child, children, descendants, parse_xml, text_of

__all__ = ["Cartridge", "Resource", "read_into"]

_BODY = re.compile(r"<body[^>]*>(.*)</body>", re.DOTALL | re.IGNORECASE)
_TITLE = re.compile(r"<title[^>]*>(.*?)</title>", re.DOTALL | re.IGNORECASE)
_FILE_LINK = re.compile(r"(?:\$|%24)IMS[-_]CC[-_]FILEBASE(?:\$|%24)/([^\"'?#<>]*)(\?[^\"'#<>]*)?")
_WIKI_LINK = re.compile(r"(?:\$|%24)WIKI_REFERENCE(?:\$|%24)/(?:wiki|pages)/")
_COURSE_LINK = re.compile(r"(?:\$|%24)CANVAS_(?:COURSE|OBJECT)_REFERENCE(?:\$|%24)/")


@dataclass(frozen=True, kw_only=True, slots=True)
class Resource:
    """A resource of the manifest. `kind` is its type without version."""

    id: str
    kind: str
    href: str
    files: tuple[str, ...]
    needs: tuple[str, ...]
    use: str


@dataclass(kw_only=True)
class Cartridge:
    """The members of a package by name, and what its manifest says."""

    name: str
    members: dict[str, bytes]

    @cached_property
    def manifest(self) -> Element:
        """Return the manifest. Raises ValueError."""
        return self.xml("imsmanifest.xml")

    @cached_property
    def resources(self) -> dict[str, Resource]:
        """Return the resources by identifier."""
        found: dict[str, Resource] = {}
        for element in descendants(self.manifest, "resource"):
            resource = Resource(
                id=element.get("identifier", ""),
                kind=element.get("type", ""),
                href=unquote(element.get("href", "")),
                files=tuple(unquote(file.get("href", "")) for file in children(element, "file")),
                needs=tuple(need.get("identifierref", "") for need in children(element, "dependency")),
                use=element.get("intendeduse", ""),
            )
            found[resource.id] = resource
        return found

    @cached_property
    def title(self) -> str:
        """Return the title; empty where there is none."""
        settings = "course_settings/course_settings.xml"
        title = text_of(child(self.xml(settings), "title")) if settings in self.members else ""
        return title or text_of(child(self.manifest, "metadata", "lom", "general", "title"))

    @property
    def from_canvas(self) -> bool:
        """Tell whether Canvas wrote the package."""
        return "course_settings/canvas_export.txt" in self.members

    def xml(self, name: str) -> Element:
        """Parse a member. Raises ValueError where it is missing or no XML."""
        if name not in self.members:
            raise ValueError(f"{self.name}: the member {name} is missing")
        return parse_xml(self.members[name], f"{self.name}: {name}")

    def companion(self, resource: Resource, ending: str) -> Element | None:
        """Return the XML that belongs to a resource, by itself or by a dependency, and ends so; None without."""
        names = [*resource.files, *(name for need in self._needed(resource) for name in need.files)]
        return next((self.xml(name) for name in names if name.endswith(ending) and name in self.members), None)

    def _needed(self, resource: Resource) -> Iterator[Resource]:
        return (self.resources[need] for need in resource.needs if need in self.resources)


class _Reader:
    """Goes through a cartridge; remembers what every resource became, for the modules."""

    def __init__(self, builder: Builder, cartridge: Cartridge) -> None:
        self._builder = builder
        self._cartridge = cartridge
        #: resource to (type of module item, its fields)
        self.items: dict[str, tuple[str, Doc]] = {}
        self._files: dict[str, int] = {}
        self._folders: dict[str, Doc] = {}

    def read(self) -> None:
        """Read everything; files first, because the rest links to them."""
        resources = self._cartridge.resources.values()
        for resource in resources:
            if resource.kind.startswith("webcontent") and not self._is_page(resource):
                self._add_files(resource)
        for resource in resources:
            self._add(resource)

    def _add(self, resource: Resource) -> None:
        if self._is_page(resource):
            self._add_page(resource)
        elif resource.kind.startswith("imsdt"):
            self._add_topic(resource)
        elif resource.kind.startswith("imswl"):
            link = self._cartridge.xml(resource.files[0])
            address = child(link, "url")
            self._remember(resource, "ExternalUrl", external_url="" if address is None else address.get("href", ""))
        elif resource.kind.startswith("imsbasiclti"):
            link = self._cartridge.xml(resource.files[0])
            launch = text_of(child(link, "launch_url")) or text_of(child(link, "secure_launch_url"))
            self._remember(resource, "ExternalTool", external_url=launch)
        elif resource.kind.endswith("/assessment"):
            quiz = add_quiz(self._builder, self._cartridge, resource, self.linked)
            self._remember(resource, "Quiz", content_id=quiz["id"])
        elif _is_assignment(resource):
            assignment = add_assignment(self._builder, self._cartridge, resource, self.linked)
            self._remember(resource, "Assignment", content_id=assignment["id"])
        elif resource.use == "syllabus":
            self._builder.content.syllabus = self.linked(_body(self._text(resource.href)))

    def _remember(self, resource: Resource, kind: str, **fields: object) -> None:
        self.items[resource.id] = (kind, dict(fields))

    def _is_page(self, resource: Resource) -> bool:
        """Tell whether HTML is a page: in Canvas's exports by its folder, in others always."""
        if not resource.kind.startswith("webcontent") or not resource.files:
            return False
        name = resource.files[0]
        return name.startswith("wiki_content/") or (
            not self._cartridge.from_canvas and name.endswith((".html", ".htm"))
        )

    def _add_page(self, resource: Resource) -> None:
        name = resource.files[0]
        text = self._text(name)
        title = _TITLE.search(text)
        slug = posixpath.splitext(posixpath.basename(name))[0]
        shown = html.unescape(title[1]).strip() if title else ""
        page = self._builder.page(shown or slug, self.linked(_body(text)), url=slug)
        if 'content="unpublished"' in text:
            page.doc["published"] = False
        if 'name="front_page" content="true"' in text:
            page.front = page.doc["front_page"] = True
        self._remember(resource, "Page", page_url=slug)

    def _add_files(self, resource: Resource) -> None:
        for name in resource.files:
            if name not in self._cartridge.members or name in self._files:
                continue
            if self._cartridge.from_canvas and not name.startswith("web_resources/"):
                continue  # the text of an assignment, which is served as that
            path = name.removeprefix("web_resources/")
            folder = self._folder(posixpath.dirname(path))
            data = self._cartridge.members[name]
            file = self._builder.file(posixpath.basename(path), data, folder=folder)
            self._files[path] = self._files[name] = file.id
            self._remember(resource, "File", content_id=file.id)

    def _folder(self, path: str) -> Doc:
        if not path:
            return self._builder.content.folders[0]
        if path not in self._folders:
            parent, _, name = path.rpartition("/")
            self._folders[path] = self._builder.folder(name, self._folder(parent))
        return self._folders[path]

    def _add_topic(self, resource: Resource) -> None:
        topic = self._cartridge.xml(resource.files[0])
        metas = (self._cartridge.companion(need, ".xml") for need in self._needed(resource))
        meta = next((found for found in metas if found is not None and child(found, "topic_id") is not None), None)
        announcement = text_of(child(meta, "type")) == "announcement"
        title = text_of(child(topic, "title"))
        made = self._builder.topic(title, announcement=announcement, message=self.linked(text_of(child(topic, "text"))))
        made.doc["pinned"] = text_of(child(meta, "pinned")) == "true"
        made.doc["discussion_type"] = text_of(child(meta, "discussion_type")) or "side_comment"
        for attachment in descendants(topic, "attachment"):
            self._attach(made.doc, attachment.get("href", ""))
        if not announcement:
            self._remember(resource, "Discussion", content_id=made.doc["id"])

    def _needed(self, resource: Resource) -> Iterator[Resource]:
        known = self._cartridge.resources
        return (known[need] for need in resource.needs if need in known)

    def _attach(self, topic: Doc, address: str) -> None:
        path = unquote(address.partition("FILEBASE$/")[2] or address)
        number = self._files.get(path)
        found = next((file for file in self._builder.content.files if file.id == number), None)
        if found is not None:
            topic["attachments"] = [*topic["attachments"], found.doc]

    def _text(self, name: str) -> str:
        return self._cartridge.members.get(name, b"").decode("utf-8", "replace")

    def linked(self, text: str) -> str:
        """Replace the placeholders of exports by addresses of this campus."""
        course = f"{ORIGIN}/courses/{self._builder.course.id}"

        def file(match: re.Match[str]) -> str:
            number = self._files.get(unquote(match[1]))
            return match[0] if number is None else f"{course}/files/{number}/download"

        text = _FILE_LINK.sub(file, text)
        return _COURSE_LINK.sub(f"{course}/", _WIKI_LINK.sub(f"{course}/pages/", text))


def read_into(builder: Builder, cartridge: Cartridge) -> None:
    """Read a whole cartridge into a course. Raises ValueError for what cannot be read."""
    course, content = builder.course, builder.content
    builder.section(course.name)
    builder.enroll(course.teachers[0], "TeacherEnrollment")
    builder.folder("course files")
    content.settings = course_settings()
    content.tabs = course_tabs(course.id)
    root: Doc = {"id": builder.new_id(), "title": course.name, "context_type": "Course", "context_id": course.id}
    content.outcome_groups.append({**root, "description": None, "parent_outcome_group": None})
    add_assignment_groups(builder, cartridge)
    reader = _Reader(builder, cartridge)
    reader.read()
    add_rubrics(builder, cartridge)
    _add_modules(builder, cartridge, reader.items)


def _add_modules(builder: Builder, cartridge: Cartridge, items: dict[str, tuple[str, Doc]]) -> None:
    for root in descendants(cartridge.manifest, "organization"):
        top = child(root, "item")
        for element in children(top, "item") if top is not None else ():
            title = text_of(child(element, "title"))
            builder.module(title, list(_module_items(element, items, 0)))


def _module_items(element: Element, items: dict[str, tuple[str, Doc]], depth: int) -> Iterator[tuple[str, str, Doc]]:
    for item in children(element, "item"):
        kind, fields = items.get(item.get("identifierref", ""), ("SubHeader", {}))
        yield kind, text_of(child(item, "title")), {**fields, "indent": depth}
        yield from _module_items(item, items, depth + 1)


def _is_assignment(resource: Resource) -> bool:
    if resource.kind.startswith("assignment_xml"):
        return True
    return resource.kind.startswith("associatedcontent") and any(
        name.endswith("assignment_settings.xml") for name in resource.files
    )


def _body(text: str) -> str:
    found = _BODY.search(text)
    return (found[1] if found else text).strip()
