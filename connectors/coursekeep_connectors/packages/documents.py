"""XML and text out of packages: no document types, hence no entities; bounded in bytes, depth and memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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
#: bytes that are read ahead at one time
_AHEAD = 8 * 2**20
#: how many times the largest document may be held, where it is read element by element
_HELD = 4
#: bytes of a document for each element that may be held
_LEAST = 64
#: attributes of one element, and what looks like one in its text
_ATTRIBUTES = 200_000
#: characters, and elements beside each other, that are kept of what was passed over
_SMALL = 4096
_PROPERTIES = 64


class Documents:
    """Reads the documents of one package. Raises `MalformedAnswer` for what cannot be read."""

    def __init__(self, container: Container, *, largest: int, deepest: int) -> None:
        self.container = container
        self._largest = largest
        self._deepest = deepest
        self._ahead: dict[str, bytes] = {}

    def read_ahead(self, names: Iterable[str]) -> None:
        """Read small entries in the order in which they lie, to be asked for in any order; forget those before."""
        self._ahead = {}
        room = _AHEAD
        for entry in sorted((self.container.entries[name] for name in names), key=lambda each: each.place):
            if entry.size <= room:
                room -= entry.size
                with closing(self.container.open(entry.name)) as reader:
                    self._ahead[entry.name] = _all_of(reader, entry.size)

    def _open(self, name: str) -> Reader:
        return BytesIO(self._ahead[name]) if name in self._ahead else self.container.open(name)

    def has(self, name: str) -> bool:
        """Tell whether there is such an entry."""
        return name in self.container.entries

    def fits(self, name: str) -> None:
        """Raise `MalformedAnswer` for a document of which more has to be held than memory should be given."""
        entry = self.container.entries.get(name)
        if entry is not None and entry.size > _HELD * self._largest:
            detail = f"{entry.size:,} bytes are more than {_HELD} times what max_document allows"
            raise MalformedAnswer(detail, where=name)

    def bytes(self, name: str) -> bytes:
        """Return an entry whole."""
        entry = self.container.entries.get(name)
        if entry is not None and entry.size > self._largest:
            detail = f"{entry.size:,} bytes are more than the {self._largest:,} that max_document allows"
            raise MalformedAnswer(detail, where=name)
        with closing(self._open(name)) as reader:
            data = _all_of(reader, self._largest + 1)
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
        with closing(self._open(name)) as reader:
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
                    metered.released()
                elif inside is None and path and not _is_small(element, path[-1]):
                    path[-1].remove(element)
                    metered.released()

    def shell(self, name: str, depth: int = 2) -> tuple[Element, dict[str, int]]:
        """Return a document without the lists in the element at a depth, and how many elements each list holds.

        The lists may be longer than the memory; `stream` reads them.
        """
        root: Element | None = None
        lists: dict[str, int] = {}
        path: list[Element] = []
        with closing(self._open(name)) as reader:
            metered = _Metered(reader, self._largest, name)
            outside = metered.held()
            for event, element, _ in self._events(metered, name):
                if event == "start":
                    root = element if root is None else root
                    path.append(element)
                    outside = metered.held() if len(path) <= depth + 1 else outside
                    continue
                path.pop()
                if len(path) == depth + 1:
                    key = local(path[-1])
                    lists[key] = lists.get(key, 0) + 1
                if len(path) > depth or (len(path) == depth and local(element) in lists):
                    path[-1].remove(element)
                    metered.released(outside)
        if root is None:
            raise MalformedAnswer("the document is empty", where=name)
        return root, lists

    def says_something(self, name: str) -> bool:
        """Tell whether any element of a document holds text: Moodle writes many that hold nothing."""
        with closing(self._open(name)) as reader:
            for event, element, _ in self._events(_Metered(reader, self._largest, name), name):
                if event == "end":
                    if (element.text or "").strip():
                        return True
                    element.clear()
        return False

    def _events(self, source: _Metered, name: str) -> Iterator[tuple[str, Element, int]]:
        depth = 0
        try:
            for event, element in iterparse(source, events=("start", "end"), forbid_dtd=True):
                if event == "start":
                    source.element()
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


def _all_of(reader: Reader, most: int) -> bytes:
    """Read up to `most` bytes."""
    pieces: list[bytes] = []
    while most > 0 and (data := reader.read(min(most, 2**20))):
        pieces.append(data)
        most -= len(data)
    return b"".join(pieces)


def _is_small(element: Element, parent: Element) -> bool:
    """Tell whether an element that was passed over may stay, as a property of the element around it."""
    return len(element) == 0 and len(element.text or "") <= _SMALL and len(parent) <= _PROPERTIES


class _Metered:
    """Gives the parser its bytes, and ends a document of which too much is held in memory at one time."""

    def __init__(self, source: Reader | BytesIO, most: int, name: str) -> None:
        self._source = source
        self._most = most
        self._name = name
        self._bytes = 0
        self._elements = 0
        self._attributes = 0

    def held(self) -> tuple[int, int]:
        """Return how much is held now."""
        return self._bytes, self._elements

    def released(self, to: tuple[int, int] = (0, 0)) -> None:
        """Take note that only so much is held any longer."""
        self._bytes, self._elements = to

    def element(self) -> None:
        """Count an element: empty ones take far more memory than bytes."""
        self._elements += 1
        if self._elements > self._most // _LEAST:
            raise self._too_much(f"{self._most // _LEAST:,} elements")

    def read(self, size: int = -1) -> bytes:
        data = self._source.read(min(size, _BLOCK) if size > 0 else _BLOCK)
        self._bytes += len(data)
        if self._bytes > self._most + _BLOCK:
            raise self._too_much(f"{self._most:,} bytes")
        self._count_attributes(data)
        return data

    def _count_attributes(self, data: bytes) -> None:
        """Count attributes since the last `<`: a parser takes one tag whole, and an attribute value holds no `<`."""
        head, mark, rest = data.replace(b"\0", b"").partition(b"<")
        counted = rest.rpartition(b"<")[2] if mark else head
        self._attributes = counted.count(b'="') + counted.count(b"='") + (0 if mark else self._attributes)
        if self._attributes > _ATTRIBUTES:
            raise self._too_much(f"{_ATTRIBUTES:,} attributes")

    def _too_much(self, what: str) -> MalformedAnswer:
        detail = f"one element of it holds more than the {what} that max_document allows"
        return MalformedAnswer(detail, where=self._name)


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
