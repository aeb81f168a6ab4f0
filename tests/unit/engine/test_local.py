"""The engine in the daemon: it knows what it has in flight, whatever comes in between."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.scripted_lms import Script, ScriptedConnector
from fakes.service_bench import eventually

from coursekeep_daemon.engine import LocalEngine
from coursekeep_daemon.runs.lms import Lms


class Claiming:
    """Stands in for the store, which gives one item at each claim, and for the workbench, which waits at a gate."""

    def __init__(self, item: Any) -> None:
        self.item = item
        self.claimed = 0
        self.answers = asyncio.Event()
        self.gates: list[asyncio.Event] = []
        self.given_back = 0

    async def claim_items(self, run_id: int, *, limit: int, now: datetime) -> list[Any]:
        self.claimed += 1
        await self.answers.wait()
        return [self.item]

    async def do(self, item: Any, run: Any, lms: Lms) -> None:
        self.gates.append(gate := asyncio.Event())
        try:
            await gate.wait()
        except asyncio.CancelledError:
            self.given_back += 1
            raise


class Thing:
    """An item, or a run, as far as the engine looks at it."""

    id = 7
    integration = "main"


async def on_engine(test: Callable[[LocalEngine, Claiming, Lms], Any]) -> None:
    claiming: Any = Claiming(Thing())
    engine = LocalEngine(claiming, claiming, 4, lambda: datetime.now(UTC))
    await engine.start(lambda: None)
    await test(engine, claiming, Lms(name="main", id="main", connector=ScriptedConnector(Script()), courses_at_once=4))


def test_an_item_that_is_claimed_again_before_its_task_has_ended_is_counted_as_two() -> None:
    """It was put back, and its first task only has to finish the run: each task counts until it ends."""

    async def test(engine: LocalEngine, claiming: Claiming, lms: Lms) -> None:
        run: Any = Thing()
        claiming.answers.set()
        for number in (1, 2):
            await engine.hand_out(run, lms, 1)
            await eventually(lambda number=number: len(claiming.gates) == number)
        assert (engine.at_work, engine.in_flight("main"), engine.free) == (2, 2, 2)
        claiming.gates[0].set()
        await eventually(lambda: engine.at_work == 1)
        assert engine.in_flight("main") == 1
        await engine.abort(7)
        assert (engine.at_work, engine.in_flight("main"), claiming.given_back) == (0, 0, 1)

    asyncio.run(on_engine(test))


def test_a_claim_that_a_stop_breaks_off_is_given_back() -> None:
    """The store may have taken the items already: they are begun, so that the stop gives them back."""

    async def test(engine: LocalEngine, claiming: Claiming, lms: Lms) -> None:
        run: Any = Thing()
        handing_out = asyncio.create_task(engine.hand_out(run, lms, 1))
        await eventually(lambda: claiming.claimed)
        handing_out.cancel()
        await asyncio.sleep(0)
        claiming.answers.set()
        with pytest.raises(asyncio.CancelledError):
            await handing_out
        assert await engine.stop(0) == 1
        assert (claiming.given_back, engine.at_work) == (1, 0)

    asyncio.run(on_engine(test))
