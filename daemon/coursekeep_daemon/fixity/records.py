"""What a check of a package gave, and what was found wrong. Plain values: store and API know them too."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = ["Checked", "Finding", "FindingChange", "FindingKind", "FindingState", "FixityCounts", "Judged", "Unchecked"]


class FindingKind(StrEnum):
    """What is wrong with a package."""

    DAMAGED = "damaged"  # stored files differ from what was written, are missing, or are too many
    MISSING = "missing"  # the store knows the package, or a version of it, and the archive does not


class FindingState(StrEnum):
    """How a finding stands."""

    OPEN = "open"
    REPAIRED = "repaired"
    ACCEPTED = "accepted"  # still so; somebody has decided to live with it


class FindingChange(StrEnum):
    """What a check changed."""

    NOTHING = "nothing"  # all is well, as before
    OPENED = "opened"
    CHANGED = "changed"  # what is wrong is another thing than before
    SAME = "same"  # wrong as before
    CLOSED = "closed"  # well again
    OVERTAKEN = "overtaken"  # another check judged while this one read: nothing is kept


@dataclass(frozen=True, kw_only=True, slots=True)
class Checked:
    """The outcome of a check that read the whole package."""

    package_id: str
    at: datetime
    #: of each version that the check covered, whether it is as it was written
    versions: Mapping[int, bool]
    #: None where nothing is wrong
    kind: FindingKind | None = None
    #: the first version whose stored files are wrong; None where the fault is not of one version
    version: int | None = None
    #: the first of what is wrong, each with `path` and `what`
    problems: tuple[Mapping[str, str], ...] = ()
    problem_count: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Judged:
    """What checks have said of a package until a certain moment, to be compared with another moment's."""

    #: of each version when it was verified, and whether it was well
    versions: Mapping[int, tuple[datetime | None, bool | None]]
    #: id and state of the finding that is not repaired
    finding: tuple[int, FindingState] | None = None

    def stands(self, now: Judged) -> bool:
        """Tell whether no check has judged since; versions written since were not judged by any."""
        same = all(now.versions.get(number) == judged for number, judged in self.versions.items())
        return same and self.finding == now.finding


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """A package that is not, or was not, as it was written."""

    id: int
    package_id: str
    version: int | None
    integration: str
    course_id: str
    course_name: str
    kind: FindingKind
    state: FindingState
    found_at: datetime
    #: when a check saw it last
    seen_at: datetime
    problem_count: int
    #: when a repair was tried last
    tried_at: datetime | None
    #: what a repair said, or whoever accepted it
    detail: str | None
    closed_at: datetime | None
    closed_by: str | None
    problems: list[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Unchecked:
    """A package that waits to be verified: the one whose verification is oldest."""

    package_id: str
    #: None where the package, or its newest version, was never verified
    verified_at: datetime | None


@dataclass(frozen=True, kw_only=True, slots=True)
class FixityCounts:
    """How the packages stand, counted at one moment."""

    at: datetime
    packages: int
    #: of these, with every version verified within the period
    verified: int
    #: of these, with a version that was never verified
    unverified: int
    #: of these, with a version whose verification, or else whose making, is longer ago than the period
    overdue: int
    #: the oldest verification of any version, or the making of one that was never verified
    oldest_at: datetime | None
    last_verified_at: datetime | None
    #: packages with a finding that is not repaired, by its state
    findings: Mapping[FindingState, int] = field(default_factory=dict)

    @property
    def open(self) -> int:
        """Packages that are damaged."""
        return self.findings.get(FindingState.OPEN, 0)

    @property
    def accepted(self) -> int:
        """Packages that are damaged, and taken as they are."""
        return self.findings.get(FindingState.ACCEPTED, 0)
