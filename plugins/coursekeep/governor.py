"""How much may be asked of an LMS at once: additive increase, multiplicative decrease."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Self

__all__ = ["Governor", "Turn"]

#: below this share of what the LMS allows, fewer requests run at once
_LOW = 0.3
#: what a throttled answer leaves of the requests in flight
_CUT = 0.5


class Governor:
    """Keeps the number of requests in flight within what the LMS bears (additive increase, multiplicative decrease).

    One per integration and token, shared by everything that speaks to that LMS in this process. Turns are given in
    the order in which they were asked for::

        async with governor.turn() as turn:
            ...
            turn.answered(headroom)
    """

    def __init__(self, most: int = 4) -> None:
        """Begin with `most` requests at once, which is never exceeded."""
        if most < 1:
            raise ValueError("a governor must allow at least one request at once")
        self.most = most
        self._window = float(most)
        self._share = 1.0
        self._in_flight = 0
        self._round = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return max(1, int(self._window * self._share))

    @property
    def in_flight(self) -> int:
        """How many requests are in flight now."""
        return self._in_flight

    def turn(self) -> Turn:
        """Give an asynchronous context manager that holds one request's place."""
        return Turn(self)

    async def acquire(self) -> int:
        """Wait for a place; return the round, by which a throttled answer tells whether it is news."""
        if not self._waiting and self._open():
            self._in_flight += 1
            return self._round
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wake()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release()  # the place was given in the moment of the cancellation
            raise
        return self._round

    def release(self) -> None:
        """Give a place back."""
        self._in_flight -= 1
        self._wake()

    def answered(self, headroom: float | None) -> None:
        """Note a good answer: allow a little more, or as little as the LMS's headroom leaves."""
        if headroom is not None:
            self._share = min(1.0, max(0.0, headroom) / _LOW)
        if self._share >= 1.0 and self._window < self.most:
            self._window = min(float(self.most), self._window + 1.0 / self._window)

    def throttled(self, after: float | None, round_: int) -> None:
        """Note that the LMS asked for less: halve, once per round of requests, and begin none for `after` seconds."""
        if round_ == self._round:
            self._window = max(1.0, self._window * _CUT)
            self._round += 1
        if after is not None and after > 0:
            self._not_before = max(self._not_before, asyncio.get_running_loop().time() + after)

    def _open(self) -> bool:
        if self._in_flight >= self.limit:
            return False
        return self._not_before <= 0.0 or self._wait() <= 0.0

    def _wait(self) -> float:
        left = self._not_before - asyncio.get_running_loop().time()
        if left <= 0.0:
            self._not_before = 0.0
        return left

    def _wake(self) -> None:
        while self._waiting and self._open():
            future = self._waiting.popleft()
            if not future.done():
                self._in_flight += 1
                future.set_result(None)
        if self._waiting and self._not_before > 0.0 and self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(max(0.0, self._wait()), self._ring)

    def _ring(self) -> None:
        self._timer = None
        self._wake()


class Turn:
    """One request's place among those in flight."""

    __slots__ = ("_governor", "_round")

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self._round = 0

    async def __aenter__(self) -> Self:
        self._round = await self._governor.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._governor.release()

    def answered(self, headroom: float | None) -> None:
        """Note a good answer and what it says of how much more may be asked."""
        self._governor.answered(headroom)

    def throttled(self, after: float | None) -> None:
        """Note that the LMS asked for fewer requests."""
        self._governor.throttled(after, self._round)
