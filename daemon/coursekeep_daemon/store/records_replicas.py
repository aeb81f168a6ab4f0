"""How the replicas of the archive stand: found by the daemon that leads, and told by every one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

__all__ = ["ReplicaStanding", "ReplicaState"]


class ReplicaStanding(StrEnum):
    """How a replica stands beside the archive."""

    CURRENT = "current"
    COPYING = "copying"  # what it lacks is being copied
    BEHIND = "behind"  # it lacks what could not be copied
    AWAY = "away"
    UNKNOWN = "unknown"  # never compared yet


@dataclass(frozen=True, kw_only=True, slots=True)
class ReplicaState:
    """What is known of a replica."""

    #: without credentials
    address: str
    #: why nothing can be copied to it now; empty where it is well
    reason: str = ""
    away_since: datetime | None = None
    #: how many packages could not be brought up
    behind: int = 0
    #: why not, for a few of them by their ids
    behind_why: Mapping[str, str] = field(default_factory=dict)
    #: when all packages were last compared
    compared_at: datetime | None = None
    #: whether something was found that it lacks, and the look at it has not ended
    copying: bool = False
    #: when the store was told; None for what was not written
    noted_at: datetime | None = None

    @property
    def standing(self) -> ReplicaStanding:
        """Return the worst that is known; well is only what was compared as a whole."""
        if self.away_since is not None:
            return ReplicaStanding.AWAY
        if self.behind:
            return ReplicaStanding.BEHIND
        if self.copying:
            return ReplicaStanding.COPYING
        return ReplicaStanding.UNKNOWN if self.compared_at is None else ReplicaStanding.CURRENT
