"""One export in progress: what the LMS listed, what became of it, and what is missing.

Expected is always what was captured and what gaps account for. Memory holds ids and digests, never contents.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import blake2b

from coursekeep.kinds import Kind
from coursekeep.records import Expected, Gap, GapReason
from coursekeep.tally import Tally

__all__ = ["Ledger", "Listing"]

#: ids that a doubt names
_NAMED = 5


@dataclass(kw_only=True, slots=True)
class Listing:
    """One list being read."""

    #: of the stream
    name: str
    kind: Kind
    #: id of the object that the list belongs to; None where it is the course
    of: str | None
    #: different objects that the list held so far
    listed: int = 0
    #: those of them that no other list of the course held
    new: int = 0
    pages: int = 0
    #: how many the LMS says there are, and how that is known
    total: int | None = None
    basis: str = "listed"
    seen: set[bytes] = field(default_factory=set)

    @property
    def belongs(self) -> str:
        """Say for people whose list it is."""
        return self.name if self.of is None else f"{self.name} of {self.of}"


class Ledger(Tally):
    """Counts and judges the parts of one export."""

    def __init__(self) -> None:
        super().__init__()
        #: what was kept under each id, as a digest
        self._kept: dict[tuple[Kind, str], bytes] = {}
        self._doubts: dict[tuple[Kind, str], list[str]] = {}
        self._doubted: Counter[tuple[Kind, str]] = Counter()

    def taken(self, listing: Listing, id_: str, content: object) -> tuple[bool, Gap | None]:
        """Count an object of a list. Returns whether to keep it, and a gap where another has its id."""
        mark = blake2b(repr((id_, content)).encode("utf-8", "surrogatepass"), digest_size=16).digest()
        if mark in listing.seen:
            return False, None  # moved from page to page while the list was being read
        listing.seen.add(mark)
        listing.listed += 1
        known = self._kept.get((listing.kind, id_))
        if known == mark:
            return False, None  # another list of the course held it
        listing.new += 1
        if known is None:
            self._kept[listing.kind, id_] = mark
            return True, None
        detail = f"a second, different object of {listing.belongs} has this id; the first is kept"
        return False, Gap(kind=listing.kind, reason=GapReason.MALFORMED, id=id_, detail=detail)

    def met(self, listing: Listing, id_: str) -> bool:
        """Note an object of a list that only leads to others. Returns whether it is new."""
        mark = id_.encode("utf-8", "surrogatepass")
        if mark in listing.seen:
            return False
        listing.seen.add(mark)
        listing.listed += 1
        return True

    def refused(self, listing: Listing, id_: str | None, why: str) -> Gap:
        """Count an object of a list that makes no sense, and return its gap."""
        listing.listed += 1
        listing.new += 1
        detail = f"an object of {listing.belongs} cannot be read: {why}"
        return Gap(kind=listing.kind, reason=GapReason.MALFORMED, id=id_, detail=detail)

    def doubt(self, listing: Listing, id_: str, name: str, why: str) -> None:
        """Note that a field of a record is null because of what the LMS answered; told once, at the end."""
        key = (listing.kind, f"{name} of {listing.name} {why}")
        self._doubted[key] += 1
        # The same few whatever the order that the LMS lists them in, so that an unchanged course stays unchanged.
        ids = {*self._doubts.get(key, ()), id_}
        self._doubts[key] = sorted(ids, key=lambda each: (len(each), each))[:_NAMED]

    def closed(self, listing: Listing) -> Iterator[Gap]:
        """Count a list that was read to its end; yields what the LMS counts, but does not list."""
        missing = max(0, (listing.total or 0) - listing.listed)
        self.expect(listing.kind, listing.new + missing, listing.basis)
        if missing:
            detail = f"{listing.belongs}: {listing.total} {listing.basis}, {listing.listed} listed"
            yield Gap(kind=listing.kind, reason=GapReason.UNEXPLAINED, id=listing.of, detail=detail, count=missing)

    def lacking(self, listing: Listing, reason: GapReason, detail: str) -> Gap:
        """Count one object that could not be read, and return its gap."""
        self.expect(listing.kind, 1, listing.basis)
        return Gap(kind=listing.kind, reason=reason, id=listing.of, detail=f"{listing.belongs}: {detail}")

    def broken_off(self, listing: Listing, reason: GapReason, detail: str) -> Gap:
        """Count a list that could not be read to its end, and return the gap for the rest of it."""
        missing = max(0, (listing.total or 0) - listing.listed)
        self.expect(listing.kind, listing.new + missing, listing.basis)
        said = f"{listing.belongs}: {detail}"
        return Gap(kind=listing.kind, reason=reason, id=listing.of, detail=said, count=missing or None)

    def end(self) -> Iterator[Expected | Gap]:
        """Yield the counts and doubts of the export."""
        yield from self.expected()
        for (kind, text), ids in sorted(self._doubts.items()):
            times = self._doubted[kind, text]
            named = ", ".join(ids) + (" and others" if times > len(ids) else "")
            detail = f"{text}; it is null in {times} records ({named}), and native/api holds the LMS's answer"
            yield Gap(kind=kind, reason=GapReason.MALFORMED, detail=detail, count=0)
