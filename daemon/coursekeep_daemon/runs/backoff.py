"""How long to wait before trying again: a value that is handed in, so that tests pass one that never waits."""

from __future__ import annotations

import random
from dataclasses import dataclass

__all__ = ["Backoff"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Backoff:
    """Seconds between attempts: doubling from `first` to `longest`, with jitter against marching in step."""

    first: float = 30.0
    longest: float = 3600.0

    def seconds(self, attempt: int, asked: float | None = None) -> float:
        """Return the wait after the given attempt (counted from 1); never less than the LMS asked for."""
        doubled = min(self.longest, self.first * 2.0 ** min(attempt - 1, 30))
        return max(doubled * random.uniform(0.5, 1.0), asked or 0.0)  # noqa: S311  # jitter, no secret
