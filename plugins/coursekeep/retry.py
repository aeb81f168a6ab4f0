"""How often and how patiently to ask again: a policy is a value that is handed in."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

import tenacity

from coursekeep.errors import ConnectorError, RetryLater

__all__ = ["NO_RETRY", "RetryPolicy", "persist"]

T = TypeVar("T")


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

    def stop_throttled(self) -> tenacity.stop.stop_base:
        """Give tenacity's stop condition for throttled answers."""
        return tenacity.stop_after_attempt(self.throttled_attempts)

    def waiting(self) -> tenacity.wait.wait_base:
        """Give tenacity's wait strategy for failures."""
        return tenacity.wait_random_exponential(multiplier=self.wait, max=self.longest)


#: one attempt, no waiting: for tests of what an error looks like
NO_RETRY = RetryPolicy(attempts=1, throttled_attempts=1, wait=0.0, longest=0.0)


async def persist(
    policy: RetryPolicy,
    attempt: Callable[[], Awaitable[T]],
    again: Callable[[BaseException], bool],
    *,
    retried: Callable[[], None] = lambda: None,
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
) -> T:
    """Call `attempt` until it succeeds, fails with an error that `again` refuses, or the policy is used up.

    `retried` is called before every further attempt. Raises the error of the last attempt.
    """
    try:
        return await attempt()
    except ConnectorError as error:
        if not again(error):
            raise
        failed = [error]

    async def next_attempt() -> T:
        if failed:
            raise failed.pop()
        retried()
        return await attempt()

    # Good requests do without tenacity, which would add 7% to their cost. It is shown the failure, to count it.
    tally = _Tally(policy)
    retrying = tenacity.AsyncRetrying(
        sleep=sleep, stop=tally.stop, wait=tally.wait, retry=tenacity.retry_if_exception(again), reraise=True
    )
    return await retrying(next_attempt)


class _Tally:
    """Counts failures and throttled answers apart, each by its own part of the policy."""

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self._counts = {False: 0, True: 0}

    def wait(self, state: tenacity.RetryCallState) -> float:
        """Count the attempt and say how long to wait after it. tenacity asks this before `stop`."""
        error = _error(state)
        throttled = _throttled(error)
        self._counts[throttled] += 1
        own = float(self._policy.waiting()(self._counted(state, throttled)))
        asked = error.after if isinstance(error, RetryLater) and error.after else 0.0
        # Jitter also on top of what was asked for, so that those who wait do not all come back in one moment.
        return asked + min(own, asked) if asked > own else own

    def stop(self, state: tenacity.RetryCallState) -> bool:
        """Say whether enough has been tried, or the LMS asks for more patience than there is."""
        error = _error(state)
        if isinstance(error, RetryLater) and (error.after or 0.0) > self._policy.patience:
            return True
        throttled = _throttled(error)
        stop = self._policy.stop_throttled() if throttled else self._policy.stop()
        return bool(stop(self._counted(state, throttled)))

    def _counted(self, state: tenacity.RetryCallState, throttled: bool) -> tenacity.RetryCallState:
        counted = copy.copy(state)
        counted.attempt_number = self._counts[throttled]
        return counted


def _error(state: tenacity.RetryCallState) -> BaseException | None:
    return None if state.outcome is None else state.outcome.exception()


def _throttled(error: BaseException | None) -> bool:
    return isinstance(error, RetryLater) and error.throttled
