"""An LMS that asks for fewer requests gets fewer."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from coursekeep.connector import Connector
from coursekeep.errors import RetryLater
from coursekeep.retry import RetryPolicy
from coursekeep.testing.export import Export, Known, collect
from coursekeep.testing.grades import Area, Grade, promise
from coursekeep.testing.retries import hold_equal
from coursekeep.testing.running import asked_of, course_of, export_of, places, run_leaping, wired
from coursekeep.testing.wire import Answerer, Asked, Trick

__all__ = ["ThrottlingPromises"]

#: seconds that the LMS asks for
_AFTER = 30.0
#: seconds within which requests may still set out that had their turn before the answer came
_ON_THE_WAY = 2.0
_PATIENT = RetryPolicy(attempts=2, throttled_attempts=10, wait=0.0, longest=0.0)


class ThrottlingPromises:
    """What holds where an LMS throttles."""

    @promise(Area.THROTTLING, Grade.REQUIRED)
    def test_retry_after_is_obeyed(self, connector: Connector[Any], known: Known) -> None:
        """Between a 429 and the end of its Retry-After nothing is asked; afterwards the export is whole."""
        whole, asked = asked_of(connector, known)
        throttle = _Throttle({place.identity for place in places(asked, 3)})
        slow, wire = wired(connector, throttle.trick, _PATIENT)

        async def main() -> Export:
            course = await course_of(slow, known)
            wire.begin()
            return await collect(slow, course)

        export = run_leaping(slow, wire, main)
        assert throttle.times, "no request was throttled: the export asks something else each time"
        assert not throttle.early, f"asked before Retry-After was over: {throttle.early}"
        hold_equal(connector, whole, export, "where the LMS throttled")

    @promise(Area.THROTTLING, Grade.REQUIRED)
    def test_throttling_is_no_gap(self, connector: Connector[Any], known: Known) -> None:
        """An LMS that throttles for ever raises `RetryLater` that says so: it never gives a course of gaps."""
        asked_of(connector, known)

        async def refuse(asked: Asked, ask: Answerer) -> httpx.Response:
            return _too_many()

        with pytest.raises(RetryLater) as raised:
            export_of(connector, known, refuse)
        assert raised.value.throttled, "the error does not say that the LMS throttles"
        assert raised.value.after == _AFTER, f"the error does not say how long to wait: {raised.value.after}"

    @promise(Area.THROTTLING, Grade.EXPECTED)
    def test_limit_of_requests_is_kept(self, connector: Connector[Any], known: Known) -> None:
        """No more requests run at once than the settings allow."""
        slow, wire = wired(connector)

        async def main() -> Export:
            return await collect(slow, await course_of(slow, known))

        run_leaping(slow, wire, main)
        most = slow.client.governor.most
        assert wire.most_open <= most, f"{wire.most_open} requests at once, where {most} are allowed"


class _Throttle:
    """Throttles some requests once each, and refuses whoever does not wait."""

    def __init__(self, chosen: set[tuple[str, str, bytes]]) -> None:
        self._chosen = chosen
        self._since = -_AFTER
        self._refused: set[tuple[str, str, bytes]] = set()
        self.times = 0
        self.early: list[str] = []

    @property
    def trick(self) -> Trick:
        """What the wire plays."""
        return self._play

    async def _play(self, asked: Asked, ask: Answerer) -> httpx.Response | None:
        now = asyncio.get_running_loop().time()
        if now < self._since + _AFTER:
            if asked.identity in self._refused or now > self._since + _ON_THE_WAY:
                self.early.append(asked.label)
            self._refused.add(asked.identity)
            return _too_many()
        if asked.identity not in self._chosen:
            return None
        self._chosen.discard(asked.identity)
        self._refused = {asked.identity}
        self._since = now
        self.times += 1
        return _too_many()


def _too_many() -> httpx.Response:
    return httpx.Response(429, json={}, headers={"Retry-After": f"{_AFTER:.0f}"})
