"""Pages, books, glossaries, wikis and lessons of a Moodle backup: texts that become pages."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part
from coursekeep_connectors.packages.documents import child, children
from coursekeep_connectors.packages.moodle.activity import Activity
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import facts, identified, said, time_of
from coursekeep_connectors.packages.values import whole

__all__ = ["CONTENT", "Texts"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Texts:
    """How one kind of activity is read: the lists that are read out of it, and by what."""

    lists: frozenset[str]
    parts: Callable[[Backup, Activity], Iterator[Part]]


def _page(backup: Backup, activity: Activity) -> Iterator[Part]:
    shell, id_ = activity.shell, f"page-{activity.id}"
    data: dict[str, Any] = {
        "title": said(shell, "name"),
        "body_html": said(shell, "content"),
        "published": activity.visible,
        "updated_at": time_of(backup.package, shell, "timemodified", id_),
        "extra": {"module_id": activity.module_id, "page": facts(shell, "name", "content")},
    }
    yield backup.sheet.record(Kind.PAGES, id_, data, basis="page.xml")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Listed:
    """Elements of one name in an activity, each of which is a page."""

    tag: str
    within: str
    prefix: str
    title: str
    body: str
    author: str = "userid"
    hidden: str = ""

    def __call__(self, backup: Backup, activity: Activity) -> Iterator[Part]:
        for path, element in backup.documents.stream(activity.main, self.tag):
            if path and path[-1].tag == self.within:
                id_ = f"{self.prefix}-{element.get('id')}"
                yield backup.sheet.record(
                    Kind.PAGES, id_, self._data(backup, activity, element, id_), basis=self._basis
                )
                yield from _revisions(backup, element, id_)

    @property
    def _basis(self) -> str:
        return f"{self.prefix}: {self.tag}"

    def _data(self, backup: Backup, activity: Activity, element: Element, id_: str) -> dict[str, Any]:
        hidden = said(element, self.hidden) if self.hidden else None
        return {
            "title": said(element, self.title),
            "body_html": said(element, self.body),
            "published": {"0": True, "1": False}.get(hidden or "", activity.visible),
            "created_at": time_of(backup.package, element, "timecreated", id_),
            "updated_at": time_of(backup.package, element, "timemodified", id_),
            "editor_id": identified(element, self.author),
            "extra": {
                "module_id": activity.module_id,
                "activity": said(activity.shell, "name"),
                self.tag: facts(element, self.title, self.body),
                **_answers(element),
            },
        }


def _answers(element: Element) -> dict[str, Any]:
    """Return what a page of a lesson asks."""
    found = [facts(each) for each in children(child(element, "answers"), "answer")]
    return {"answers": found} if found else {}


def _revisions(backup: Backup, page: Element, page_id: str) -> Iterator[Part]:
    """Yield the versions of a page of a wiki."""
    for version in children(child(page, "versions"), "version"):
        data: dict[str, Any] = {
            "page_id": page_id,
            "revision": whole(said(version, "version")),
            "title": said(page, "title"),
            "body_html": said(version, "content"),
            "updated_at": time_of(backup.package, version, "timecreated", f"{page_id}-{version.get('id')}"),
            "editor_id": identified(version, "userid"),
        }
        yield backup.sheet.record(Kind.PAGE_REVISIONS, f"{page_id}-{version.get('id')}", data, basis="wiki.xml")


def _nothing(backup: Backup, activity: Activity) -> Iterator[Part]:
    return iter(())


CONTENT: Mapping[str, Texts] = {
    "page": Texts(lists=frozenset(), parts=_page),
    "label": Texts(lists=frozenset(), parts=_nothing),
    "url": Texts(lists=frozenset(), parts=_nothing),
    "resource": Texts(lists=frozenset(), parts=_nothing),
    "folder": Texts(lists=frozenset(), parts=_nothing),
    "book": Texts(
        lists=frozenset({"chapters"}),
        parts=_Listed(
            tag="chapter", within="chapters", prefix="chapter", title="title", body="content", hidden="hidden"
        ),
    ),
    "glossary": Texts(
        lists=frozenset({"entries"}),
        parts=_Listed(tag="entry", within="entries", prefix="glossary-entry", title="concept", body="definition"),
    ),
    "wiki": Texts(
        lists=frozenset({"subwikis"}),
        parts=_Listed(tag="page", within="pages", prefix="wiki-page", title="title", body="cachedcontent"),
    ),
    "lesson": Texts(
        lists=frozenset({"pages"}),
        parts=_Listed(tag="page", within="pages", prefix="lesson-page", title="title", body="contents"),
    ),
}
