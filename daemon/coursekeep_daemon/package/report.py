"""What a check found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Pace", "Problem", "VerifyReport"]

#: is called with the bytes of each block that was read: it may wait, and raise to break the check off
Pace = Callable[[int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong."""

    #: path below what was checked; `.` for the whole
    path: str
    what: str


@dataclass(slots=True)
class VerifyReport:
    """The result of a check. `valid` only where everything was read and nothing is wrong."""

    #: `storage root`, `object`, `bag` or `zip bag`
    kind: str
    path: str
    checked_files: int = 0
    checked_bytes: int = 0
    #: objects checked, each with the version whose bag was checked
    objects: list[dict[str, Any]] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    pace: Pace | None = field(default=None, repr=False, compare=False)

    @property
    def valid(self) -> bool:
        """Tell whether nothing is wrong."""
        return not self.problems

    def block(self, size: int) -> None:
        """Count a block that was read and hashed, at the pace that was asked for."""
        self.checked_bytes += size
        if self.pace is not None:
            self.pace(size)

    def problem(self, path: str, what: str) -> None:
        """Add what is wrong."""
        self.problems.append(Problem(path=path, what=what))

    def to_json(self) -> dict[str, Any]:
        """Return the report for people's and programs' reading."""
        return {
            "kind": self.kind,
            "path": self.path,
            "valid": self.valid,
            "checked_files": self.checked_files,
            "checked_bytes": self.checked_bytes,
            "objects": self.objects,
            "problems": [{"path": problem.path, "what": problem.what} for problem in self.problems],
        }
