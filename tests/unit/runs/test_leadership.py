"""Standing for leader, and how it ends: whoever stops says farewell, whatever was being asked at that moment."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from typing import Self

import pytest
from fakes.service_bench import eventually

from coursekeep_daemon.leadership import Cadence, Leadership
from coursekeep_daemon.store.errors import StoreUnavailable

BRISK = Cadence(look=0.001, answer=1.0, beat=0.01, reconnect=0.01, rest=0.01)


class Slow:
    """Stands in for a candidate whose one question is answered late, and whose connection a cut-off question breaks."""

    def __init__(self, slow: str, *, leads: bool) -> None:
        self.slow, self.leads = slow, leads
        self.asked, self.may_answer = asyncio.Event(), asyncio.Event()
        self.broken = False
        self.farewells = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    async def _ask(self, what: str) -> None:
        if self.broken:
            raise StoreUnavailable("The connection is gone.")
        if what == self.slow:
            self.asked.set()
            try:
                await self.may_answer.wait()
            except asyncio.CancelledError:
                self.broken = True
                raise

    async def enter(self, *, within: float) -> None:
        await self._ask("enter")

    async def stand(self, *, within: float) -> bool:
        await self._ask("stand")
        return self.leads

    async def look(self, *, within: float, beat: bool) -> None:
        await self._ask("look")

    async def leave(self, *, within: float) -> None:
        await self._ask("leave")
        self.farewells += 1


@pytest.mark.parametrize(("slow", "leads"), [("look", True), ("look", False), ("stand", True), ("stand", False)])
def test_a_stop_while_something_is_asked_still_says_farewell(slow: str, leads: bool) -> None:
    """A daemon that is stopped while it looks at its lock, or stands, waits for that answer and then leaves, so that
    the others forget it at once."""

    async def main() -> None:
        candidate = Slow(slow, leads=leads)
        leadership = Leadership(lambda: candidate, nullcontext, BRISK)  # type: ignore[arg-type, return-value]
        starting = asyncio.create_task(leadership.start())
        await eventually(candidate.asked.is_set, 20)
        stopping = asyncio.create_task(leadership.stop())
        for _ in range(10):  # turns of the loop, for the cancellation to arrive
            await asyncio.sleep(0)
        assert not stopping.done()
        candidate.may_answer.set()
        async with asyncio.timeout(20):
            await asyncio.gather(starting, stopping)
        assert not candidate.broken
        assert candidate.farewells == 1
        assert not leadership.leads

    asyncio.run(main())
