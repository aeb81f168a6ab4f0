"""XML and text out of packages: no document types, hence no entities; bounded in bytes, depth and memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from io import BytesIO
from typing import Any
from xml.etree.ElementTree import Element, ParseError

from defusedxml import DefusedXmlException
from defusedxml.ElementTree import iterparse

from coursekeep import MalformedAnswer
from coursekeep_connectors.packages.container import Container, Reader

__all__ = ["Documents", "attribute", "child", "children", "descendants", "local", "text_of", "tree"]

_BLOCK = 256 * 1024
#: characters, and elements beside each other, that are kept of what was passed over
_SMALL = 4096
_PROPERTIES = 64


class Documents:
    """Reads the documents of one package. Raises `MalformedAnswer` for what cannot be read."""

    def __init__(self, container: Container, *, largest: int, deepest: int) -> None:
        self.container = container
        self._largest = largest
        self._deepest = deepest

    def has(self, name: str) -> bool:
        """Tell whether there is such an entry."""
        return name in self.container.entries

    def bytes(self, name: str) -> bytes:
        """Return an entry whole."""
        entry = self.container.entries.get(name)
        if entry is not None and entry.size > self._largest:
            detail = f"{entry.size:,} bytes are more than the {self._largest:,} that max_document allows"
            raise MalformedAnswer(detail, where=name)
        with closing(self.container.open(name)) as reader:
            data = reader.read(self._largest + 1)
            while len(data) <= self._largest and (more := reader.read(_BLOCK)):
                data += more
        if len(data) > self._largest:
            raise MalformedAnswer(f"it is larger than the {self._largest:,} bytes of max_document", where=name)
        return data

    def text(self, name: str) -> str:
        """Return an entry that is UTF-8 text."""
        try:
            return self.bytes(name).decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise MalformedAnswer(f"it is not UTF-8 text: byte {error.start:,} makes no sense", where=name) from error

    def xml(self, name: str) -> Element:
        """Return the root of a small document."""
        root: Element | None = None
        for event, element, _ in self._events(_Metered(BytesIO(self.bytes(name)), self._largest, name), name):
            if root is None and event == "start":
                root = element
        if root is None:
            raise MalformedAnswer("the document is empty", where=name)
        return root

    def stream(self, name: str, *tags: str) -> Iterator[tuple[tuple[Element, ...], Element]]:
        """Yield the outermost elements of these names, whole, each with the elements around it, outermost first.

        Elements that were yielded are emptied afterwards, and those passed over at once: memory holds one of them.
        Of the elements around it, the attributes and the small children that came before are there.
        """
        path: list[Element] = []
        inside: Element | None = None
        with closing(self.container.open(name)) as reader:
            metered = _Metered(reader, self._largest, name)
            for event, element, _ in self._events(metered, name):
                if event == "start":
                    path.append(element)
                    if inside is None and local(element) in tags:
                        inside = element
                    continue
                path.pop()
                if element is inside:
                    yield tuple(path), element
                    inside = None
                    element.clear()
                    if path:
                        path[-1].remove(element)
                    metered.begin()
                elif inside is None and path and not _is_small(element, path[-1]):
                    path[-1].remove(element)
                    metered.begin()

    def _events(self, source: Any, name: str) -> Iterator[tuple[str, Element, int]]:
        depth = 0
        try:
            for event, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
                depth += 1 if event == "start" else -1
                if depth > self._deepest:
                    raise MalformedAnswer(f"elements lie deeper than the {self._deepest} of max_depth", where=name)
                yield event, element, depth
        except ParseError as error:
            raise MalformedAnswer(f"it is not well-formed XML: {error}", where=name) from error
        except DefusedXmlException as error:
            raise MalformedAnswer("document types and entities are not allowed", where=name) from error
        except (LookupError, ValueError, UnicodeError) as error:
            raise MalformedAnswer(f"its encoding cannot be read: {error}", where=name) from error


def _is_small(element: Element, parent: Element) -> bool:
    """Tell whether an element that was passed over may stay, as a property of the element around it."""
    return len(element) == 0 and len(element.text or "") <= _SMALL and len(parent) <= _PROPERTIES


class _Metered:
    """Gives the parser its bytes, and ends a document of which too much is held in memory at one time."""

    def __init__(self, source: Reader | BytesIO, most: int, name: str) -> None:
        self._source = source
        self._most = most
        self._name = name
        self._since = 0

    def begin(self) -> None:
        self._since = 0

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(min(size, _BLOCK) if size > 0 else _BLOCK)
        self._since += len(data)
        if self._since > self._most + _BLOCK:
            detail = f"one element of it is larger than the {self._most:,} bytes that max_document allows"
            raise MalformedAnswer(detail, where=self._name)
        return data


def local(element: Element) -> str:
    """Return an element's name without its namespace."""
    return str(element.tag).rpartition("}")[2]


def children(element: Element | None, name: str) -> Iterator[Element]:
    """Yield the children of a name."""
    return (found for found in element if local(found) == name) if element is not None else iter(())


def child(element: Element | None, *path: str) -> Element | None:
    """Return the first child along a path of names; None where there is none."""
    for name in path:
        element = next(children(element, name), None)
    return element


def descendants(element: Element | None, name: str) -> Iterator[Element]:
    """Yield all elements of a name below an element, in document order."""
    if element is not None:
        yield from (found for found in element.iter() if found is not element and local(found) == name)


def text_of(element: Element | None, *path: str) -> str | None:
    """Return the text of an element along a path, as it stands; None where there is no element, or nothing in it."""
    found = child(element, *path)
    if found is None:
        return None
    return "".join(found.itertext()) or None


def attribute(element: Element, name: str) -> str | None:
    """Return an attribute by its name without namespace; None where it is missing or empty."""
    for key, value in element.attrib.items():
        if key.rpartition("}")[2] == name:
            return value or None
    return None


def tree(element: Element) -> Any:
    """Return an element as JSON: text as it is, else an object of attributes (`@name`) and children, lists where many.

    Nothing of the element is lost but comments, the order of differently named children, and space between them.
    """
    if not element.attrib and not len(element):
        return element.text or None
    found: dict[str, Any] = {f"@{key.rpartition('}')[2]}": value for key, value in sorted(element.attrib.items())}
    many: set[str] = set()
    for part in element:
        name, value = local(part), tree(part)
        if name in many:
            found[name].append(value)
        elif name in found:
            found[name] = [found[name], value]
            many.add(name)
        else:
            found[name] = value
    words = "".join([element.text or "", *(part.tail or "" for part in element)])
    if words.strip():
        found["#text"] = words
    return found
