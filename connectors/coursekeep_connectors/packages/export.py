"""Reads one package with the reader of its format."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping

from coursekeep import Kind, Part
from coursekeep_connectors.packages.cartridge import read_cartridge
from coursekeep_connectors.packages.container import Container
from coursekeep_connectors.packages.documents import Documents
from coursekeep_connectors.packages.package import Package
from coursekeep_connectors.packages.recognise import Format, Sight
from coursekeep_connectors.packages.settings import PackagesSettings

__all__ = ["read_package"]

_READERS: Mapping[Format, Callable[[Package], Iterator[Part]]] = {
    Format.CARTRIDGE: read_cartridge,
}


def read_package(
    course_id: str, sight: Sight, container: Container, limits: PackagesSettings
) -> Generator[Part, None, None]:
    """Yield everything but the package file itself."""
    documents = Documents(container, largest=limits.max_document, deepest=limits.max_depth)
    package = Package(course_id=course_id, documents=documents)
    about = {
        "format": str(sight.format),
        "entries": len(container.entries),
        "unpacked_bytes": sum(entry.size for entry in container.entries.values()),
    }
    yield package.sheet.record(Kind.SETTINGS, "package", {"value": about}, basis="the package itself")
    yield from _READERS.get(sight.format, _kept_whole)(package)
    yield from package.sheet.end()


def _kept_whole(package: Package) -> Iterator[Part]:
    detail = "the content of this format is not read; the package itself is kept untouched"
    yield package.sheet.native_only(Kind.STRUCTURE, None, detail, count=None)
