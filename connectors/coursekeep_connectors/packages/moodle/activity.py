"""One activity of a backup: its own document without its lists, its place in the course, its grade items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep_connectors.packages.documents import child
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import elements, facts, said

__all__ = ["Activity", "load"]


@dataclass(kw_only=True)
class Activity:
    """An activity, loaded from `activities/<name>_<module>/`."""

    directory: str
    #: kind of activity: assign, quiz, forum ...
    name: str
    #: id of the course module
    module_id: str
    #: id of the activity among those of its kind
    id: str
    #: id of the context that its files belong to
    context: str
    section_id: str | None
    #: the activity's element, without its lists
    shell: Element
    #: how many elements each of its lists has
    lists: dict[str, int]
    #: properties of the course module
    module: dict[str, Any]
    grade_items: list[Element]

    @property
    def main(self) -> str:
        """Return the activity's own document."""
        return f"{self.directory}/{self.name}.xml"

    @property
    def visible(self) -> bool | None:
        """Tell whether students see it."""
        return {"1": True, "0": False}.get(str(self.module.get("visible")))


def load(backup: Backup, directory: str) -> Activity:
    """Load an activity. Raises `MalformedAnswer` where it cannot be read."""
    documents = backup.documents
    module, _ = documents.shell(f"{directory}/module.xml", depth=1)
    name = said(module, "modulename") or directory.rpartition("/")[2].rpartition("_")[0]
    root, lists = documents.shell(f"{directory}/{name}.xml")
    grades = f"{directory}/grades.xml"
    documents.fits(grades)
    items = [_copied(item) for item in elements(documents, grades, "grade_item")] if documents.has(grades) else []
    shell = child(root, name)
    backup.package.used.update({f"{directory}/module.xml", f"{directory}/{name}.xml", grades})
    return Activity(
        directory=directory,
        name=name,
        module_id=root.get("moduleid") or module.get("id") or "",
        id=root.get("id") or "",
        context=root.get("contextid") or "",
        section_id=said(module, "sectionid"),
        shell=root if shell is None else shell,
        lists=lists,
        module=facts(module),
        grade_items=items,
    )


def _copied(element: Element) -> Element:
    """Return an element that outlives its document."""
    copy = Element(element.tag, element.attrib)
    copy.text = element.text
    copy.extend(list(element))
    return copy
