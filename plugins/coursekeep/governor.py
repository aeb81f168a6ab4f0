"""How much may be asked of an LMS at once: additive increase, multiplicative decrease, or what others leave of it."""

from __future__ import annotations

import asyncio
from collections import deque
from types import TracebackType
from typing import Protocol, Self

from coursekeep.errors import RetryLater

__all__ = ["Governor", "GovernorListener", "Turn"]

#: below this share of what the LMS allows, fewer requests run at once
_LOW = 0.3
#: what a throttled answer leaves of the requests in flight
_CUT = 0.5


class GovernorListener(Protocol):
    """Is told what a governor sees, so that a budget can be shared with others. Called often: must return at once."""

    def changed(self) -> None:
        """A request came, began, or ended: `Governor.demand` and `Governor.in_flight` say how many there are."""

    def answered(self, share: float) -> None:
        """A good answer came; `share` of the requests is what the LMS's headroom leaves, 1.0 where that is all."""

    def throttled(self, after: float | None, *, news: bool) -> None:
        """The LMS asked for less, and for none in `after` seconds. No `news` where it did so in the same round."""


class Governor:
    """Keeps the number of requests in flight within what the LMS bears (additive increase, multiplicative decrease).

    One per integration and token, shared by everything that speaks to that LMS in this process. Turns are given in
    the order in which they were asked for::

        async with governor.turn() as turn:
            ...
            turn.answered(headroom)

    Where several processes speak to that LMS, something outside divides what it bears among their governors: it
    listens with `listen`, and sets with `allow` how much of it is this one's.
    """

    def __init__(self, most: int = 4) -> None:
        """Begin with `most` requests at once, which is never exceeded."""
        if most < 1:
            raise ValueError("a governor must allow at least one request at once")
        self.most = most
        #: those that hold a place now
        self.turns: set[Turn] = set()
        self._window = float(most)
        self._share = 1.0
        self._in_flight = 0
        self._round = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._not_before = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._allowance: int | None = None
        self._end: asyncio.TimerHandle | None = None
        self._listener: GovernorListener | None = None

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        if self._allowance is not None:
            return self._allowance
        return max(1, int(self._window * self._share))

    @property
    def in_flight(self) -> int:
        """How many requests are in flight now."""
        return self._in_flight

    @property
    def demand(self) -> int:
        """How many requests are in flight or wait for their turn."""
        return self._in_flight + len(self._waiting)

    @property
    def held(self) -> int:
        """How many requests may be in flight until `allow` is called again: nobody else may count on these places."""
        return max(self.limit, self._in_flight)

    def turn(self) -> Turn:
        """Give an asynchronous context manager that holds one request's place."""
        return Turn(self)

    def listen(self, listener: GovernorListener | None) -> None:
        """Tell a listener from now on what happens, instead of the one before; None tells nobody."""
        self._listener = listener

    def allow(self, places: int | None, *, until: float | None = None) -> None:
        """Let at most so many requests be in flight, 0 included; None goes back to what this governor finds by itself.

        It stands in place of the window: whoever calls counts in what the listener was told. Requests in flight beyond
        it end as they would. An allowance may have an end, in the time of the event loop: if it was not renewed by
        then, no request begins any more, and those in flight fail with `RetryLater`.
        """
        if self._end is not None:
            self._end.cancel()
            self._end = None
        self._allowance = None if places is None else max(0, min(places, self.most))
        if places is not None and until is not None:
            self._end = asyncio.get_running_loop().call_at(until, self.end)
        self._wake()

    def end(self) -> None:
        """Begin no request any more until allowed anew, and let those in flight fail with `RetryLater`."""
        self.allow(0)
        for turn in tuple(self.turns):
            turn.end()

    def hold(self, seconds: float) -> None:
        """Begin no request for so long."""
        self._not_before = max(self._not_before, asyncio.get_running_loop().time() + seconds)

    def begin_round(self) -> None:
        """Note that others were throttled: what is in flight now and is throttled as well is no news."""
        self._round += 1

    async def acquire(self) -> int:
        """Wait for a place; return the round, by which a throttled answer tells whether it is news."""
        if not self._waiting and self._open():
            self._in_flight += 1
            self._changed()
            return self._round
        future = asyncio.get_running_loop().create_future()
        self._waiting.append(future)
        self._wake()
        self._changed()
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled():
                self.release()  # the place was given in the moment of the cancellation
            else:
                self._forget(future)
            raise
        return self._round

    def release(self) -> None:
        """Give a place back."""
        self._in_flight -= 1
        self._wake()
        self._changed()

    def answered(self, headroom: float | None) -> None:
        """Note a good answer: allow a little more, or as little as the LMS's headroom leaves."""
        if headroom is not None:
            self._share = min(1.0, max(0.0, headroom) / _LOW)
        if self._share >= 1.0 and self._window < self.most:
            self._window = min(float(self.most), self._window + 1.0 / self._window)
        if self._listener is not None:
            self._listener.answered(self._share)

    def throttled(self, after: float | None, round_: int) -> None:
        """Note that the LMS asked for less: halve, once per round of requests, and begin none for `after` seconds."""
        news = round_ == self._round
        if news:
            self._round += 1
            self._halve()
        if after is not None and after > 0:
            self.hold(after)
        if self._listener is not None:
            self._listener.throttled(after, news=news)

    def _halve(self) -> None:
        if self._allowance is None:
            self._window = max(1.0, self._window * _CUT)
        elif self._allowance > 1:  # until what all bear together has been found
            self._allowance = int(self._allowance * _CUT)

    def _changed(self) -> None:
        if self._listener is not None:
            self._listener.changed()

    def _forget(self, future: asyncio.Future[None]) -> None:
        if future in self._waiting:
            self._waiting.remove(future)
            self._changed()

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

    __slots__ = ("_end", "_governor", "_round")

    def __init__(self, governor: Governor) -> None:
        self._governor = governor
        self._round = 0
        self._end = asyncio.timeout(None)

    async def __aenter__(self) -> Self:
        self._round = await self._governor.acquire()
        await self._end.__aenter__()
        self._governor.turns.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._governor.turns.discard(self)
        try:
            await self._end.__aexit__(kind, error, trace)
        except TimeoutError:
            raise RetryLater(
                "the request was given up: this process could not renew its share of what may be asked of the LMS"
            ) from None
        finally:
            self._governor.release()

    def end(self) -> None:
        """Let the request fail with `RetryLater`, unless it has ended."""
        if self in self._governor.turns and self._end.when() is None:
            self._end.reschedule(asyncio.get_running_loop().time())

    def answered(self, headroom: float | None) -> None:
        """Note a good answer and what it says of how much more may be asked."""
        self._governor.answered(headroom)

    def throttled(self, after: float | None) -> None:
        """Note that the LMS asked for fewer requests."""
        self._governor.throttled(after, self._round)
