"""What an export yields, counted: every element that was met is a record or a gap, and the numbers say so."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from coursekeep import Expected, Gap, GapReason, Kind, MalformedAnswer, Part, RawPage, Record
from coursekeep_connectors.packages.values import shown

__all__ = ["Sheet"]


class Sheet:
    """Makes the parts of one export."""

    def __init__(self) -> None:
        self._met: Counter[tuple[Kind, str]] = Counter()
        self._unread: list[dict[str, str]] = []

    def record(self, kind: Kind, id_: str, data: Mapping[str, Any], *, basis: str) -> Record:
        """Make a record of an element that was met; `basis` says in which document."""
        self.expect(kind, 1, basis)
        return Record(kind=kind, id=id_, data=data)

    def expect(self, kind: Kind, count: int, basis: str) -> None:
        """Count elements, also where there are none: that is stated then."""
        self._met[kind, basis] += count

    def unreadable(self, kind: Kind, name: str, error: MalformedAnswer, *, count: int | None = None) -> Gap:
        """Make the gap for a document that cannot be read; of how many records is mostly not known."""
        return Gap(kind=kind, reason=GapReason.MALFORMED, id=name, detail=str(error), count=count)

    def native_only(self, kind: Kind, id_: str | None, detail: str, *, count: int | None = 0) -> Gap:
        """Make the gap for what stays in the package file alone; what it counts is expected too."""
        if count:
            self.expect(kind, count, "counted, not read")
        return Gap(kind=kind, reason=GapReason.NATIVE_ONLY, id=id_, detail=detail, count=count)

    def time(self, read: Callable[[str | None], datetime | None], text: str | None, where: str) -> str | None:
        """Read a time for a record. One that cannot be read is null there, and kept as text in the raw answers."""
        found = read(text)
        if found is None and text and text.strip() not in ("", "0"):
            self._unread.append({"id": where, "text": text})
        return shown(found)

    def end(self) -> Iterator[Part]:
        """Yield what was counted, and the texts that could not be read."""
        for (kind, basis), count in sorted(self._met.items()):
            yield Expected(kind=kind, count=count, basis=basis)
        if self._unread:
            yield RawPage(endpoint="unread_times", number=1, body=self._unread)
