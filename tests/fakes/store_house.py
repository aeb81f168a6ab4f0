"""What the tests of the store share: a fresh store, a clock that is moved by hand, records with few words."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import insert

from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import Item, ItemPlan, ItemResult, PackageVersion, Run, Schedule, Store
from coursekeep_daemon.store.models import audit_event
from coursekeep_daemon.store.transaction import Transaction

T = TypeVar("T")

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


@dataclass
class HandClock:
    """A clock that stands still until it is moved."""

    now: datetime = field(default=START)

    def __call__(self) -> datetime:
        return self.now

    def move(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class House:
    """Where a test's stores live: gives the address, and runs a coroutine function on a started store."""

    url: str
    clock: HandClock = field(default_factory=HandClock)

    @asynccontextmanager
    async def open(self, **options: Any) -> AsyncIterator[Store]:
        async with Store(self.url, clock=self.clock, **options) as store:
            yield store

    def run(self, test: Callable[[Store], Awaitable[T]], **options: Any) -> T:
        async def main() -> T:
            async with self.open(**options) as store:
                return await test(store)

        return asyncio.run(main())


def sqlite_house(directory: Path) -> House:
    """Make a house with an empty database of the newest schema."""
    url = f"sqlite:///{directory / 'coursekeep.db'}"
    Store.upgrade(url)
    return House(url)


async def new_run(store: Store, *, started: bool = True, **more: Any) -> Run:
    """Create a run of the integration `main`, and bring it to processing."""
    await store.sync_integrations([("main", "canvas", {"base_url": "https://lms.example"})])
    values: dict[str, Any] = {"integration": "main", "source": "ids", "params": {"ids": ["1"]}, "on_existing": "skip"}
    run, _ = await store.create_run(**{**values, "note": None, "created_by": "cli", **more})
    if started:
        await store.change_run(run.id, RunStatus.PLANNING)
        run = await store.change_run(run.id, RunStatus.PROCESSING)
    return run


def plans(number: int, first: int = 1) -> list[ItemPlan]:
    return [
        ItemPlan(ref=str(n), course_id=str(n), course_name=f"Course {n}", course_code=f"C{n}")
        for n in range(first, first + number)
    ]


async def claimed_item(store: Store, run: Run | None = None) -> Item:
    """Give one item in processing."""
    run = run or await new_run(store)
    await store.add_items(run.id, plans(1))
    (item,) = await store.claim_items(run.id, limit=1, now=START)
    return item


def version_of(item: Item, version: int = 1, **more: Any) -> PackageVersion:
    values: dict[str, Any] = {
        "package_id": f"urn:uuid:{item.course_id}",
        "version": version,
        "integration": item.integration,
        "course_id": item.course_id,
        "course_name": item.course_name,
        "run_id": item.run_id,
        "item_id": item.id,
        "created_at": START,
        "path": "abc/def",
        "payload_bytes": 5_000_000_000,
        "payload_files": 7,
        "gaps": 0,
        "completeness": "complete",
    }
    return PackageVersion(**{**values, **more})


def completed(item: Item, *, gaps: int = 0, version: int = 1) -> ItemResult:
    written = version_of(item, version, gaps=gaps, completeness="partial" if gaps else "complete")
    return ItemResult(
        item_id=item.id,
        status=ItemStatus.COMPLETED,
        gaps=gaps,
        package_id=written.package_id,
        package_version=version,
        version=written,
    )


def failed(item: Item) -> ItemResult:
    return ItemResult(item_id=item.id, status=ItemStatus.FAILED, reason="lms_unavailable", detail="No answer.")


def schedule(name: str = "ended", **more: Any) -> Schedule:
    values: dict[str, Any] = {
        "name": name,
        "integration": "main",
        "cron": "0 3 15 * *",
        "time_zone": "UTC",
        "source": "end_date",
        "params": {},
        "ended_for": "6 months",
        "ended_by": "course",
        "include": [],
        "exclude": ["SANDBOX-*"],
        "on_existing": "skip",
        "enabled": True,
        "declared": False,
        "created_by": "cli",
        "created_at": START,
    }
    return Schedule(**{**values, **more})


async def noted(store: Store) -> list[str]:
    """Give what `note` has written, oldest first."""
    return [each.action for each in reversed((await store.audit_events(limit=1000)).items)]


def note(tx: Transaction, word: str) -> None:
    """Write something small within a transaction."""
    row = {"at": tx.now, "who": "x", "action": word, "target": "", "result": "", "detail": {}}
    tx.execute(insert(audit_event), row)
