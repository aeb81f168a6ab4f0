"""What becomes of every kind of content: the table by which institutions compare what an archive of an LMS holds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from coursekeep.kinds import Kind
from coursekeep.records import GapReason

__all__ = ["Coverage"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Coverage:
    """What becomes of every kind of content of one LMS, or of one format that a connector reads.

    Every kind stands in exactly one of `captured`, `gaps` and `not_offered`; `ValueError` names those that do not.
    Texts are for people, one short clause each, without a full stop.
    """

    #: the LMS or the format, for example "Moodle backup, 2.0 to 5.x"
    of: str
    #: kinds of which records (or files) are captured; the text names what of them is a gap nevertheless, or is empty
    captured: Mapping[Kind, str]
    #: kinds that may be there, but are not captured: the reason that packages give, and what it comes from
    gaps: Mapping[Kind, tuple[GapReason, str]] = field(default_factory=dict)
    #: kinds of which packages say nothing: the LMS has no such thing, or nobody outside can read or count it
    not_offered: Mapping[Kind, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        times = Counter([*self.captured, *self.gaps, *self.not_offered])
        wrong = {kind: times[kind] for kind in Kind if times[kind] != 1}
        if wrong:
            said = ", ".join(f"{kind} ({'missing' if count == 0 else 'twice'})" for kind, count in wrong.items())
            raise ValueError(f"coverage of {self.of}: every kind must stand in it once: {said}")
