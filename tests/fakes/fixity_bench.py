"""A fixity service over a real archive and a real store, with a clock that is moved by hand, and a stand-in replica."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from fakes.package_kit import CONTEXT, COURSE, new_archive, write
from fakes.store_house import HandClock
from prometheus_client import generate_latest
from pydantic import ByteSize

from coursekeep_daemon.fixity.service import FixityPace, FixityService
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.package import Archive
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.versions import version_of
from coursekeep_daemon.settings import FixitySettings
from coursekeep_daemon.store import Store

__all__ = ["FixityBench", "Replica", "in_bench"]


@dataclass(frozen=True, kw_only=True)
class Mended:
    """What the stand-in says of a repair."""

    repaired: bool
    detail: str


@dataclass
class Replica:
    """A copy of the archive, from which whole packages are put back: a stand-in for the archive's own repair."""

    primary: Path
    copy: Path
    replicas: tuple[str, ...] = ("copy",)
    asked: list[str] = field(default_factory=list)
    away: bool = False

    def repair(self, object_id: str) -> Mended:
        self.asked.append(object_id)
        if self.away:
            return Mended(repaired=False, detail="the replica does not answer")
        path = Archive.open(f"file://{self.copy}", organization="x").place(object_id).path
        shutil.rmtree(self.primary / path, ignore_errors=True)
        shutil.copytree(self.copy / path, self.primary / path)
        return Mended(repaired=True, detail="copied from the replica")


@dataclass
class FixityBench:
    """The parts, as the service puts them together."""

    folder: Path
    store: Store
    clock: HandClock
    every: str = "90 days"
    rate: int = 0
    mender: Any = None
    pace: FixityPace = field(default_factory=lambda: FixityPace(counts=0.0))

    def __post_init__(self) -> None:
        self.archive = new_archive(self.folder / "archive")
        self.holds = Holds(self.store, {}, self.clock)
        all_metrics = Metrics("0")
        self.registry = all_metrics.registry
        self.metrics = all_metrics.fixity()

    def service(self) -> FixityService:
        """Make a service, as a daemon that starts does."""
        return FixityService(
            archive=self.archive,
            store=self.store,
            holds=self.holds,
            clock=self.clock,
            settings=FixitySettings(every=self.every, max_rate=ByteSize(self.rate)),
            metrics=self.metrics,
            mender=self.mender,
            pace=self.pace,
        )

    async def package(self, number: int, grade: float = 81.5) -> str:
        """Archive a course, and note it in the store."""
        from fakes.package_kit import parts

        course = replace(COURSE, id=str(number), name=f"Course {number}")
        made = await asyncio.to_thread(write, self.archive, parts(grade=grade), course=course)
        head = await asyncio.to_thread(self.archive.head, made.object_id)
        assert head is not None
        noted = replace(version_of(head, CONTEXT.integration), created_at=self.clock.now)
        await self.store.record_version(noted)
        return made.object_id

    def place(self, package_id: str) -> Path:
        """Return the directory of a package."""
        return self.archive.root / self.archive.place(package_id).path

    async def pass_time(self, service: FixityService, days: float) -> None:
        """Have the service do all that is due while the clock moves on, as it would by itself."""
        end = self.clock.now + timedelta(days=days)
        while True:
            wait = await service.step()
            if self.clock.now + timedelta(seconds=wait) > end:
                break
            self.clock.now += timedelta(seconds=wait)
        self.clock.now = end

    def metric(self, name: str) -> float:
        """Return the value of a metric, named with its labels."""
        lines = generate_latest(self.registry).decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))


def in_bench(folder: Path, test: Callable[[FixityBench], Awaitable[None]], **options: Any) -> None:
    """Run a test on a bench of its own."""
    clock = HandClock()
    url = f"sqlite:///{folder / 'coursekeep.db'}"
    Store.upgrade(url)

    async def main() -> None:
        async with Store(url, clock=clock) as store:
            await test(FixityBench(folder, store, clock, **options))

    asyncio.run(main())
