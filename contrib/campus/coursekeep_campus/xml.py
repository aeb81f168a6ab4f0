"""Reads XML from strangers: no document types, hence no entities; names without their namespaces."""

from __future__ import annotations

from collections.abc import Iterator
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

__all__ = ["child", "children", "descendants", "parse_xml", "text_of"]

#: more than any manifest needs
_LARGEST = 32 << 20


def parse_xml(data: bytes, name: str) -> Element:
    """Parse a document. Raises ValueError, naming it, for one that is too large, has a DOCTYPE or is not XML."""
    if len(data) > _LARGEST:
        raise ValueError(f"{name}: {len(data)} bytes of XML are more than the {_LARGEST} allowed")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise ValueError(f"{name}: document types and entities are not allowed")
    try:
        return ElementTree.fromstring(data)  # noqa: S314  # what makes it dangerous was refused above
    except ElementTree.ParseError as error:
        raise ValueError(f"{name}: not well-formed XML: {error}") from error


def children(element: Element, name: str) -> Iterator[Element]:
    """Yield the children of a name."""
    return (found for found in element if _local(found) == name)


def child(element: Element | None, *path: str) -> Element | None:
    """Return the first child along a path of names; None where there is none."""
    for name in path:
        element = next(children(element, name), None) if element is not None else None
    return element


def descendants(element: Element, name: str) -> Iterator[Element]:
    """Yield all elements of a name below an element, in document order."""
    return (found for found in element.iter() if found is not element and _local(found) == name)


def text_of(element: Element | None) -> str:
    """Return the text of an element; empty where there is none."""
    return "" if element is None else "".join(element.itertext()).strip()


def _local(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]
