"""What the control API says of fixity."""

from __future__ import annotations

from pydantic import Field

from coursekeep_daemon.api.models import Answer, Request, Time, VerificationProblem
from coursekeep_daemon.fixity.records import FindingKind, FindingState
from coursekeep_daemon.fixity.view import FixityState

__all__ = ["Acceptance", "Finding", "Fixity", "fixity_answer"]


class Finding(Answer):
    """A package that is not, or was not, as it was written."""

    id: int
    package_id: str
    version: int | None = Field(description="First version whose stored files are wrong; null for none in particular.")
    integration: str
    course_id: str
    course_name: str
    kind: FindingKind = Field(description="damaged, or missing: the store knows it, and the archive does not.")
    state: FindingState = Field(description="open, repaired, or accepted: still so, and taken as it is.")
    found_at: Time
    seen_at: Time = Field(description="When a check saw it last.")
    problem_count: int
    problems: list[VerificationProblem] = Field(description="The first problems.")
    tried_at: Time | None = Field(description="When a repair from a replica was tried last.")
    detail: str | None = Field(description="What the repair said, or who accepted it.")
    closed_at: Time | None
    closed_by: str | None


class Acceptance(Request):
    """Why a finding is taken as it is."""

    note: str = Field("", max_length=1000, description="For whoever reads it in ten years.")


class Fixity(Answer):
    """How the verification of all packages stands."""

    enabled: bool
    every: str = Field(description="Within which span every package is read again.")
    max_rate: int | None = Field(description="Most bytes read per second; null without a limit.")
    packages: int
    verified: int = Field(description="Packages of which every version was verified within the span.")
    unverified: int = Field(description="Packages with a version that was never verified.")
    overdue: int = Field(description="Packages with a version that was not verified within the span.")
    open: int = Field(description="Packages with an open finding.")
    accepted: int = Field(description="Packages that are damaged, and taken as they are.")
    oldest_at: Time | None = Field(description="The oldest verification, or the making of what was never verified.")
    last_verified_at: Time | None
    next_at: Time | None = Field(description="When the next check is due; null where none is.")
    interval_seconds: float | None = Field(description="Between two checks, as long as nothing is overdue.")
    held: str = Field(description="Why nothing is checked now; empty where nothing is in the way.")


def fixity_answer(found: FixityState) -> Fixity:
    """Return how fixity stands."""
    names = [name for name in Fixity.model_fields if hasattr(found.counts, name)]
    own = [name for name in Fixity.model_fields if hasattr(found, name)]
    fields = {name: getattr(found.counts, name) for name in names} | {name: getattr(found, name) for name in own}
    seconds = None if found.interval is None else found.interval.total_seconds()
    return Fixity.model_validate(fields | {"interval_seconds": seconds})
