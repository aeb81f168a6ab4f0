"""What a connector's export gave, collected for tests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from coursekeep.connector import Connector
from coursekeep.kinds import Kind
from coursekeep.records import Course, Expected, Gap, NativeExport, Part, RawPage, Record, RemoteFile

__all__ = ["HOSTILE_NAMES", "Export", "Known", "collect"]

#: names that an LMS may hold, and that a connector must hand on as they are
HOSTILE_NAMES: tuple[str, ...] = (
    "../../../etc/passwd",
    "..\\..\\boot.ini",
    "/etc/shadow",
    "CON.txt",
    "report\x00.pdf",
    "bell\x07 and escape\x1b[2J.txt",
    "line\nbreak.txt",
    "right-to-left \u202egnp.exe",
    "cafe\u0301 and caf\u00e9.txt",
    "<script>alert(1)</script>.html",
    "100% & more? #1 + 'quotes' \"here\".txt",
    "n" * 296 + ".txt",
    " spaces around ",
    "..",
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Known:
    """What the LMS behind the fixture `connector` is known to hold."""

    #: id of a course that has ended, and that the token may read
    ended: str
    #: id that no course has
    missing: str
    #: id of a course that the token may not read; None where the LMS cannot tell that from a missing one
    forbidden: str | None = None
    #: how many of some kinds the course `ended` holds, counted in the LMS itself; best of kinds with several pages
    counts: Mapping[Kind, int] = field(default_factory=dict)
    #: id of a course with hostile names
    hostile: str | None = None
    #: names that stand in the course `hostile`, as titles of records or names of files
    hostile_names: tuple[str, ...] = HOSTILE_NAMES


@dataclass(kw_only=True, slots=True)
class Export:
    """Everything that a connector's `export` gave, sorted by sort."""

    course: Course
    records: dict[Kind, list[Record]] = field(default_factory=dict)
    files: list[RemoteFile] = field(default_factory=list)
    native: list[NativeExport] = field(default_factory=list)
    pages: list[RawPage] = field(default_factory=list)
    expected: list[Expected] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)

    def of(self, kind: Kind) -> dict[str, Mapping[str, Any]]:
        """Return the data of all records of a kind by id."""
        return {record.id: record.data for record in self.records.get(kind, ())}

    def gaps_of(self, kind: Kind) -> list[Gap]:
        """Return the gaps of a kind."""
        return [gap for gap in self.gaps if gap.kind is kind]

    def ids(self, kind: Kind) -> set[str]:
        """Return the ids of what was captured of a kind; of files, those that no gap names."""
        missing = {gap.id for gap in self.gaps_of(kind)}
        if kind is Kind.FILES:
            return {file.id for file in self.files} - missing
        if kind is Kind.NATIVE_EXPORTS:
            return {export.name for export in self.native} - missing
        return set(self.of(kind))

    def captured(self, kind: Kind) -> int:
        """Count the different records of a kind; of files, those that no gap names."""
        return len(self.ids(kind))

    def kinds(self) -> list[Kind]:
        """Return every kind of which something was captured, expected or missed."""
        named = {*self.records, *(each.kind for each in self.expected), *(gap.kind for gap in self.gaps)}
        named |= {Kind.FILES} if self.files else set()
        named |= {Kind.NATIVE_EXPORTS} if self.native else set()
        return sorted(named)

    def add(self, part: Part) -> None:
        """Take one part."""
        match part:
            case Record():
                self.records.setdefault(part.kind, []).append(part)
            case RemoteFile():
                self.files.append(part)
                if part.withheld is not None:
                    self.gaps.append(Gap(kind=Kind.FILES, reason=part.withheld, id=part.id))
            case NativeExport():
                self.native.append(part)
            case RawPage():
                self.pages.append(part)
            case Expected():
                self.expected.append(part)
            case Gap():
                self.gaps.append(part)
            case _:
                raise AssertionError(f"export yielded {part!r}, which is no part")


async def collect(connector: Connector[Any], course: Course) -> Export:
    """Export a course with an open connector, into memory. For tests only."""
    export = Export(course=course)
    async for part in connector.export(course):
        export.add(part)
    return export
