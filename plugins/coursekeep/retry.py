"""How often and how patiently to ask again: a policy is a value that is handed in."""

from __future__ import annotations

from dataclasses import dataclass

import tenacity

__all__ = ["NO_RETRY", "RetryPolicy"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RetryPolicy:
    """When to stop and how long to wait between attempts, in seconds.

    Waiting grows exponentially from `wait` to `longest`, with full jitter; a longer wait that the LMS itself asks for
    (`RetryLater.after`) is respected up to `patience`. Throttled requests have their own, larger number of attempts:
    being asked to slow down is no failure.
    """

    attempts: int = 5
    throttled_attempts: int = 30
    wait: float = 0.5
    longest: float = 30.0
    patience: float = 600.0

    def stop(self) -> tenacity.stop.stop_base:
        """Give tenacity's stop condition for failures."""
        return tenacity.stop_after_attempt(self.attempts)

    def waiting(self) -> tenacity.wait.wait_base:
        """Give tenacity's wait strategy for failures."""
        return tenacity.wait_random_exponential(multiplier=self.wait, max=self.longest)


#: one attempt, no waiting: for tests of what an error looks like
NO_RETRY = RetryPolicy(attempts=1, throttled_attempts=1, wait=0.0, longest=0.0)
