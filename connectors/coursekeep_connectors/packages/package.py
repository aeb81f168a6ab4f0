"""One package while it is read: its documents, what was counted, and which entries were understood."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote, unquote

from coursekeep import GapReason, Kind, MalformedAnswer, Part, RemoteFile
from coursekeep_connectors.packages.documents import Documents
from coursekeep_connectors.packages.place import Stamp
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
            url=address_of(self.course_id, self.documents.container.file.stamp, entry) if found else "",
            withheld=None if found else GapReason.NOT_FOUND,
            size=found.size if found else None,
            folder=folder or None,
            extra={} if listed else {"listed": False},
        )

    def rest(self, within: Callable[[str], bool] = bool) -> Iterator[Part]:
        """Yield the entries that nothing else has named as files, so that no bytes are left out."""
        for name in self.documents.container.entries:
            if name not in self.used and within(name) and not any(part in name for part in _LITTER):
                yield self.file(name, listed=False)

    def guarded(self, kind: Kind, name: str, parts: Iterator[Part], *, count: int | None = None) -> Iterator[Part]:
        """Yield the parts of one document; where it cannot be read, a gap that names it, and the rest goes on."""
        try:
            yield from parts
        except MalformedAnswer as error:
            if count:
                self.sheet.expect(kind, count, "listed")
            yield self.sheet.unreadable(kind, name, error, count=count)


def address_of(course_id: str, stamp: Stamp, entry: str | None = None) -> str:
    """Return the address of a package in one state, or of an entry in it."""
    inside = "" if entry is None else "#" + quote(entry, safe="/")
    return f"{_SCHEME}{quote(course_id, safe='/')}?{stamp[0]}-{quote(stamp[1], safe='')}{inside}"


def parse_address(address: str) -> tuple[str, Stamp, str | None]:
    """Return the course's id, the state, and the entry, which is None for the package itself. Raises ValueError."""
    package, mark, entry = address.removeprefix(_SCHEME).partition("#")
    course_id, asked, stamp = package.partition("?")
    size, dash, rest = stamp.partition("-")
    if not (address.startswith(_SCHEME) and asked and dash and size.isdigit()):
        raise ValueError(f"{address!r} is no address in a package")
    return unquote(course_id), (int(size), unquote(rest)), unquote(entry) if mark else None
