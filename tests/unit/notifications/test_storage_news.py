"""When the storage is told: whatever it did while the store was asked, it was steady for a while."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from fakes.service_bench import eventually
from fakes.store_house import START

from coursekeep_daemon.notifications.storage_news import StorageNews
from coursekeep_daemon.runs.holds import Hold, HoldLevel

STEADY = 0.3
FULL = Hold(level=HoldLevel.STORAGE, since=START, reason="full")


class Turning:
    """Stands in for the holds: a storage that comes and goes."""

    def __init__(self, storage: Hold | None) -> None:
        self.storage = storage
        self.turned_at = 0.0
        self.listener: Any = None

    def listen(self, listener: Any) -> None:
        self.listener = listener

    def unlisten(self, listener: Any) -> None:
        assert listener == self.listener

    def turn(self) -> None:
        self.storage = FULL if self.storage is None else None
        self.turned_at = time.monotonic()
        self.listener()


class Gated:
    """Stands in for the store: keeps what was told, and does one thing only once it may."""

    def __init__(self, told: bool, gate: str, passes: int) -> None:
        self.told = told
        self.gate, self.passes = gate, passes
        self.at_gate, self.may = asyncio.Event(), asyncio.Event()
        self.released_at: float | None = None

    async def _pass(self, gate: str) -> None:
        if gate == self.gate:
            self.passes -= 1
            if self.passes < 0:
                self.at_gate.set()
                await self.may.wait()

    async def storage_told(self) -> bool:
        told = self.told
        await self._pass("ask")
        return told

    async def tell_storage_held(self, reason: str, since: Any) -> None:
        await self._pass("tell")
        self.told = True

    async def tell_storage_released(self) -> None:
        self.released_at = time.monotonic()
        self.told = False


@pytest.mark.parametrize(("gate", "told", "turns", "passes"), [("tell", False, 1, 0), ("ask", True, 2, 1)])
def test_a_release_is_told_only_after_its_own_steady_time(gate: str, told: bool, turns: int, passes: int) -> None:
    """Storage that turns while its trouble is being told, or that is in trouble and well again while the store is asked
    what was told, is told as well only once it has been so for the steady time, counted from that last turn."""

    async def main() -> None:
        store, holds = Gated(told, gate, passes), Turning(None if told else FULL)
        news = StorageNews(store, holds, STEADY, lambda: None)  # type: ignore[arg-type]
        watching = asyncio.create_task(news.watch())
        await eventually(store.at_gate.is_set, 20)
        for _ in range(turns):
            holds.turn()
        store.may.set()
        await eventually(lambda: store.released_at, 20)
        watching.cancel()
        await asyncio.wait({watching})
        assert store.released_at is not None
        assert store.released_at - holds.turned_at >= STEADY

    asyncio.run(main())
