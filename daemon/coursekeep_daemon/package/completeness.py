"""Expected against captured, per kind: numbers that add up, or a difference that is named.

::

    expected = captured + gaps - surplus        where the LMS said how many there are
    complete                                    nothing is missing, and the numbers prove it
    partial                                     something is missing, or nothing proves that nothing is
    unavailable                                 the kind as a whole could not be read
    not-supported                               the connector does not deal with this kind
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from coursekeep import Expected, Gap, GapReason, Kind

__all__ = ["ANNOUNCED", "Completeness", "KindCount", "Status", "Tally", "add_up", "total", "unexplained"]

#: kinds whose records the framework writes itself: it knows each one that a connector has named
ANNOUNCED = frozenset({Kind.FILES, Kind.NATIVE_EXPORTS})


class Status(StrEnum):
    """How much of a kind, or of the whole course, is in the package."""

    COMPLETE = "complete"
    PARTIAL = "partial"
    UNAVAILABLE = "unavailable"
    NOT_SUPPORTED = "not-supported"


@dataclass(slots=True)
class Tally:
    """What was said about one kind so far."""

    expected: int | None = None
    basis: set[str] = field(default_factory=set)
    #: records that named gaps account for
    gaps: int = 0
    #: gaps that miss an unknown number of records
    unknown: int = 0
    #: gaps that miss only a part of a record
    parts: int = 0
    #: True where the kind as a whole could not be read
    whole: bool = False
    reasons: Counter[str] = field(default_factory=Counter)

    def expect(self, expected: Expected) -> None:
        """Take a number that the LMS stated; several add up."""
        if expected.count < 0:
            raise ValueError(f"{expected.kind}: {expected.count} records cannot be expected")
        self.expected = (self.expected or 0) + expected.count
        self.basis.add(expected.basis)

    def miss(self, gap: Gap) -> None:
        """Take a gap."""
        if gap.count is None:
            self.unknown += 1
        elif gap.count < 0:
            raise ValueError(f"{gap.kind}: a gap cannot miss {gap.count} records")
        elif gap.count == 0:
            self.parts += 1
        else:
            self.gaps += gap.count
        self.whole = self.whole or (gap.id is None and gap.count != 0)
        self.reasons[str(gap.reason)] += 1


@dataclass(frozen=True, kw_only=True, slots=True)
class KindCount:
    """The numbers of one kind, as in completeness.json."""

    expected: int | None
    captured: int
    gaps: int
    gaps_of_unknown_size: int
    incomplete_records: int
    surplus: int
    status: Status
    basis: tuple[str, ...]
    reasons: Mapping[str, int]
    remark: str

    def to_json(self) -> dict[str, Any]:
        """Return the kind's entry in completeness.json."""
        return {
            "expected": self.expected,
            "captured": self.captured,
            "gaps": self.gaps,
            "gaps_of_unknown_size": self.gaps_of_unknown_size,
            "incomplete_records": self.incomplete_records,
            "surplus": self.surplus,
            "status": str(self.status),
            "basis": list(self.basis),
            "reasons": dict(self.reasons),
            "remark": self.remark,
        }


@dataclass(frozen=True, kw_only=True, slots=True)
class Completeness:
    """The numbers of all kinds, and what they add up to."""

    kinds: Mapping[Kind, KindCount]
    #: lines in gaps.jsonl
    gaps: int

    @property
    def status(self) -> Status:
        """Return `complete` only where every kind adds up, nothing is missing, and there is anything at all."""
        found = {count.status for count in self.kinds.values()} - {Status.NOT_SUPPORTED}
        return Status.COMPLETE if found == {Status.COMPLETE} and self.gaps == 0 else Status.PARTIAL

    def to_json(self) -> dict[str, Any]:
        """Return the content of completeness.json."""
        return {
            "status": str(self.status),
            "gaps": self.gaps,
            "kinds": {str(kind): count.to_json() for kind, count in self.kinds.items()},
            "how_to_read": {
                "expected": "records that the LMS said there are; null where nobody said so",
                "captured": "records in this package",
                "gaps": "records that are missing for a reason named in gaps.jsonl",
                "gaps_of_unknown_size": "lines of gaps.jsonl that miss an unknown number of records",
                "incomplete_records": "lines of gaps.jsonl that miss only a part of a captured record",
                "surplus": "captured + gaps beyond what was expected",
                "basis": "how the expected number is known",
                "reasons": "how many lines of gaps.jsonl give each reason",
            },
        }


def unexplained(kind: Kind, tally: Tally, captured: int) -> Gap | None:
    """Return the gap for records that the LMS counts, but that neither arrived nor were named missing.

    Where a gap of unknown size is named, that is the explanation.
    """
    missing = (tally.expected or 0) - captured - tally.gaps
    if missing <= 0 or tally.unknown:
        return None
    return Gap(
        kind=kind,
        reason=GapReason.UNEXPLAINED,
        count=missing,
        detail=f"The LMS counts {tally.expected}, of which {captured} arrived and {tally.gaps} were named missing.",
    )


def add_up(kind: Kind, tally: Tally, captured: int) -> KindCount:
    """Return the numbers of one kind."""
    expected = tally.expected
    if expected is None and kind in ANNOUNCED and (captured or tally.gaps):
        expected = captured + tally.gaps
        tally.basis.add("every one that the connector named")
    surplus = max(0, captured + tally.gaps - expected) if expected is not None else 0
    status = _status(tally, expected, captured, surplus)
    return KindCount(
        expected=expected,
        captured=captured,
        gaps=tally.gaps,
        gaps_of_unknown_size=tally.unknown,
        incomplete_records=tally.parts,
        surplus=surplus,
        status=status,
        basis=tuple(sorted(tally.basis)),
        reasons=dict(sorted(tally.reasons.items())),
        remark=_remark(expected, captured, surplus, status),
    )


def _status(tally: Tally, expected: int | None, captured: int, surplus: int) -> Status:
    missing = bool(tally.gaps or tally.unknown or tally.parts)
    if expected is None and not captured and not missing:
        return Status.NOT_SUPPORTED
    if not captured and tally.whole:
        return Status.UNAVAILABLE
    if missing or surplus or expected is None:
        return Status.PARTIAL
    return Status.COMPLETE


def _remark(expected: int | None, captured: int, surplus: int, status: Status) -> str:
    if surplus:
        return f"{surplus} more than the LMS counted; all of them are kept."
    if expected is None and captured:
        return "Nobody said how many there should be, so completeness is not claimed."
    if status is Status.NOT_SUPPORTED:
        return "The connector does not capture this kind, or the LMS has none of it to tell."
    return ""


def total(tallies: Mapping[Kind, Tally], captured: Mapping[Kind, int], gaps: int) -> Completeness:
    """Return the numbers of all kinds; `gaps` counts the lines of gaps.jsonl, which are all in the tallies."""
    return Completeness(
        kinds={kind: add_up(kind, tallies.get(kind, Tally()), captured.get(kind, 0)) for kind in Kind}, gaps=gaps
    )
