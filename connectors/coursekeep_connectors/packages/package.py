"""One package while it is read: its documents, what was counted, and which entries were understood."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from coursekeep import GapReason, Kind, MalformedAnswer, Part, RemoteFile
from coursekeep_connectors.packages.documents import Documents
from coursekeep_connectors.packages.sheet import Sheet

__all__ = ["Package", "address_of", "parse_address"]

_SCHEME = "package:"
#: what macOS leaves in zip files, and no LMS wrote
_LITTER = ("__MACOSX/", ".DS_Store", "Thumbs.db")


@dataclass(kw_only=True)
class Package:
    """What the readers of all formats work with."""

    course_id: str
    documents: Documents
    sheet: Sheet = field(default_factory=Sheet)
    #: entries that became records, or whose files were named
    used: set[str] = field(default_factory=set)

    def file(self, entry: str, *, group: str = "course", listed: bool = True) -> RemoteFile:
        """Describe an entry as a file of the course; one that is listed but missing is withheld."""
        self.used.add(entry)
        found = self.documents.container.entries.get(entry)
        folder, _, name = entry.rpartition("/")
        return RemoteFile(
            group=group,
            id=entry,
            name=name,
            url=address_of(self.course_id, entry) if found else "",
            withheld=None if found else GapReason.NOT_FOUND,
            size=found.size if found else None,
            folder=folder or None,
            extra={} if listed else {"listed": False},
        )

    def rest(self) -> Iterator[Part]:
        """Yield the entries that nothing else has named as files, so that no bytes are left out."""
        for name in self.documents.container.entries:
            if name not in self.used and not any(part in name for part in _LITTER):
                yield self.file(name, listed=False)

    def guarded(self, kind: Kind, name: str, parts: Iterator[Part], *, count: int | None = None) -> Iterator[Part]:
        """Yield the parts of one document; where it cannot be read, a gap that names it, and the rest goes on."""
        try:
            yield from parts
        except MalformedAnswer as error:
            if count:
                self.sheet.expect(kind, count, "listed")
            yield self.sheet.unreadable(kind, name, error, count=count)


def address_of(course_id: str, entry: str | None = None) -> str:
    """Return the address of a package, or of an entry in it."""
    inside = "" if entry is None else "#" + quote(entry, safe="/")
    return _SCHEME + quote(course_id, safe="/") + inside


def parse_address(address: str) -> tuple[str, str | None]:
    """Return the course's id and the entry, which is None for the package itself. Raises ValueError."""
    if not address.startswith(_SCHEME):
        raise ValueError(f"{address!r} is no address in a package")
    course_id, mark, entry = address.removeprefix(_SCHEME).partition("#")
    return unquote(course_id), unquote(entry) if mark else None
