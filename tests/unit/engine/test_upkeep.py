"""What the leader says of workers that fall silent."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from fakes.store_contract_leases import some_worker
from fakes.store_house import sqlite_house

from coursekeep_daemon.engine.procrastinate import Job
from coursekeep_daemon.engine.upkeep import Upkeep
from coursekeep_daemon.store import Store


class NoJobs:
    """Stands in for a queue that is empty."""

    async def all(self) -> list[Job]:
        return []

    async def alive(self, silence: float) -> None:
        return None


def test_only_workers_that_were_swept_are_called_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that gives a sign of life right before the sweep is spared, and nobody says that it was lost."""

    async def test(store: Store) -> None:
        for name in ("late", "dead"):
            await store.enlist_worker(some_worker(name))
        jobs: Any = NoJobs()
        upkeep = Upkeep(store, jobs, beat=1, silence=0)
        sweep = store.sweep_workers

        async def beaten(silent: Mapping[str, datetime]) -> Any:
            assert set(silent) == {"late", "dead"}
            await store.beat_worker("late")
            return await sweep(silent)

        monkeypatch.setattr(store, "sweep_workers", beaten)
        with structlog.testing.capture_logs() as logs:
            await upkeep.look()
        assert [each["worker"] for each in logs if each["event"] == "worker_lost"] == ["dead"]
        assert [worker.name for worker in await store.workers()] == ["late"]

    async def main() -> None:
        async with sqlite_house(tmp_path).open() as store:
            await test(store)

    asyncio.run(main())
