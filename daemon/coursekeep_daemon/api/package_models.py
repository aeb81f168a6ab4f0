"""What the control API says of the inside of a package: its completeness, and its gaps."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field

from coursekeep_daemon.api.models import Answer

__all__ = ["Completeness", "KindCount", "NamedGap"]


class KindCount(Answer):
    """The numbers of one kind of content: expected = captured + gaps - surplus, where the LMS said how many."""

    expected: int | None = Field(description="Records that the LMS said there are; null where nobody said so.")
    captured: int = Field(description="Records in the package.")
    gaps: int = Field(description="Records that are missing for a named reason.")
    gaps_of_unknown_size: int = Field(description="Gaps that miss an unknown number of records.")
    incomplete_records: int = Field(description="Gaps that miss only a part of a captured record.")
    surplus: int = Field(description="Captured and gaps beyond what was expected.")
    status: str = Field(description="complete, partial, unavailable or not-supported.")
    basis: list[str] = Field(description="How the expected number is known.")
    reasons: Mapping[str, int] = Field(description="How many gaps give each reason.")
    remark: str


class NamedGap(Answer):
    """A part of the course that could not be captured."""

    kind: str
    id: str | None = Field(description="What is missing; null for the kind as a whole.")
    reason: str = Field(description="A stable word.")
    detail: str
    count: int | None = Field(description="Records that it accounts for; 0 for a part of one, null where unknown.")


class Completeness(Answer):
    """Expected against captured of one version, and the gaps by name. Read from the package itself."""

    package_id: str
    version: int
    status: str = Field(description="complete, or partial.")
    gaps: int = Field(description="All gaps of the version.")
    kinds: Mapping[str, KindCount]
    named_gaps: list[NamedGap] = Field(description="The first gaps, as many as `limit` says.")
