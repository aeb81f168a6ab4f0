"""Reading Moodle's XML: its sign for null, its times, its properties."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep_connectors.packages.documents import Documents, local, text_of, tree
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.values import stamp

__all__ = ["elements", "facts", "identified", "plain", "said", "time_of", "trees"]

_NULL = "$@NULL@$"


def said(element: Element | None, *path: str) -> str | None:
    """Return the text of an element along a path; None where Moodle has none."""
    text = text_of(element, *path)
    return None if text is None or text == _NULL else text


def identified(element: Element | None, *path: str) -> str | None:
    """Return the id of another object; None where Moodle has none, which it may write as 0."""
    text = said(element, *path)
    return None if text in ("0", "") else text


def time_of(package: Package, element: Element | None, name: str, where: str) -> str | None:
    """Return a time for a record."""
    return package.sheet.time(stamp, said(element, name), f"{where}/{name}")


def plain(element: Element) -> Any:
    """Return an element as JSON, Moodle's sign for null as null."""
    return _without_null(tree(element))


def facts(element: Element | None, *without: str) -> dict[str, Any]:
    """Return the properties of an element: its children that have no children."""
    found = (each for each in element if len(each) == 0 and local(each) not in without) if element is not None else ()
    return {local(each): plain(each) for each in found}


def trees(documents: Documents, name: str, list_name: str) -> list[Any]:
    """Return a list of a document as JSON."""
    documents.fits(name)
    found = (each for _, element in documents.stream(name, list_name) for each in element)
    return [plain(each) for each in found]


def _without_null(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_null(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_null(each) for each in value]
    return None if value == _NULL else value


def elements(documents: Documents, name: str, tag: str) -> Iterator[Element]:
    """Yield the elements of a document by name."""
    return (element for _, element in documents.stream(name, tag))
