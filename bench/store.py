"""What the design of the store is worth: one writer beside a session per change, and how far lists carry."""

from __future__ import annotations

import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlmodel import select
from sqlmodel.ext.asyncio.session import AsyncSession

from bench.table import Measurement
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import ItemPlan, ItemResult, Store
from coursekeep_daemon.store.items import items_scope
from coursekeep_daemon.store.models import EventRow, ItemRow, RunCountRow
from coursekeep_daemon.store.rows import make_cursor

__all__ = [
    "CALLERS",
    "PAGE",
    "REASON",
    "fill",
    "list_pages",
    "make_run",
    "measure_lists",
    "measure_store",
    "measure_writer",
    "through_writer",
]

CALLERS = 32
PAGE = 100
REASON = "lms_unavailable"


@dataclass(frozen=True, kw_only=True)
class Rate:
    """Status changes per second, and the seconds that all but one in a hundred of them stay below."""

    per_second: float
    p99: float

    def __str__(self) -> str:
        return f"{self.per_second:,.0f}/s, p99 {self.p99 * 1000:.1f} ms"


def measure_store() -> list[Measurement]:
    """Measure the writer and the lists."""
    return [measure_writer(), *measure_lists()]


def measure_writer(writer_changes: int = 64_000, session_changes: int = 1_600) -> Measurement:
    """Measure status changes per second: 32 callers, each awaiting the commit of its change before the next.

    A change is `processing -> failed`: the item, its run's counters and an event, in one transaction. Both sides run on
    the same tables with the same durability (WAL, an fsync for every commit).
    """
    with tempfile.TemporaryDirectory() as folder:
        writer = asyncio.run(through_writer(f"sqlite:///{folder}/writer.db", writer_changes))
        sessions = asyncio.run(_through_sessions(f"sqlite:///{folder}/session.db", session_changes))
    return Measurement(
        what=f"status changes through the writer, {CALLERS} callers",
        measured=str(writer),
        beside=f"a session per change: {sessions}",
        value=writer.per_second / sessions.per_second,
        wanted=">= 20",
    )


def measure_lists(rows: int = 10_000_000, pages: int = 50) -> list[Measurement]:
    """Measure reading 100 items of one run of so many: the first page beside the last, all and failed ones."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "listing.db"
        run_id = asyncio.run(make_run(f"sqlite:///{path}"))
        fill(path, run_id, rows)
        times = asyncio.run(list_pages(f"sqlite:///{path}", run_id, rows, pages))
    return [
        Measurement(
            what=f"listing {PAGE} of {rows:,} items, {name}: last page",
            measured=f"{last * 1000:.2f} ms",
            beside=f"first page {first * 1000:.2f} ms",
            value=last / first,
            wanted="<= 2.0",
        )
        for name, (first, last) in times.items()
    ]


async def make_run(url: str) -> int:
    Store.upgrade(url)
    async with Store(url) as store:
        await store.sync_integrations([("main", "canvas", {})])
        run, _ = await store.create_run(
            integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="bench"
        )
        await store.change_run(run.id, RunStatus.PLANNING)
        await store.change_run(run.id, RunStatus.PROCESSING)
    return run.id


async def through_writer(url: str, changes: int) -> Rate:
    ids = iter(await _claimed(url, changes))
    async with Store(url) as store:

        async def change(item_id: int) -> None:
            await store.finish_item(ItemResult(item_id=item_id, status=ItemStatus.FAILED, reason=REASON))

        return await _measure(ids, changes, change)


async def _claimed(url: str, number: int) -> list[int]:
    """Make a run with so many items in processing."""
    run_id = await make_run(url)
    async with Store(url) as store:
        await store.add_items(run_id, [ItemPlan(ref=str(n), course_id=str(n)) for n in range(number)])
        claimed = await store.claim_items(run_id, limit=number, now=datetime.now(UTC))
    return [item.id for item in claimed]


async def _through_sessions(url: str, changes: int) -> Rate:
    ids = iter(await _claimed(url, changes))
    engine = create_async_engine(url.replace("sqlite:", "sqlite+aiosqlite:"), pool_size=CALLERS)
    event.listen(engine.sync_engine, "connect", _prepare)
    # without IMMEDIATE, sessions that read before they write fail with `database is locked`
    event.listen(engine.sync_engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        return await _measure(ids, changes, lambda item_id: _change_in_session(engine, item_id))
    finally:
        await engine.dispose()


def _prepare(connection: Any, record: object) -> None:
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("synchronous = FULL", "foreign_keys = ON", "busy_timeout = 60000"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


async def _change_in_session(engine: AsyncEngine, item_id: int) -> None:
    now = datetime.now(UTC)
    async with AsyncSession(engine) as session:
        item = (await session.exec(select(ItemRow).where(ItemRow.id == item_id))).one()
        counts = (await session.exec(select(RunCountRow).where(RunCountRow.run_id == item.run_id))).one()
        item.status, item.reason, item.finished_at = ItemStatus.FAILED, REASON, now
        counts.processing -= 1
        counts.failed += 1
        data = {"status": "failed", "reason": REASON}
        session.add(EventRow(at=now, kind="item", run_id=item.run_id, item_id=item_id, data=data))
        await session.commit()


async def _measure(ids: Iterator[int], number: int, change: Callable[[int], Awaitable[None]]) -> Rate:
    """Measure so many changes, made by `CALLERS` at once."""
    waited: list[float] = []

    async def caller() -> None:
        for item_id in ids:  # all callers take from one iterator
            started = time.perf_counter()
            await change(item_id)
            waited.append(time.perf_counter() - started)

    started = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    seconds = time.perf_counter() - started
    assert len(waited) == number
    return Rate(per_second=number / seconds, p99=statistics.quantiles(waited, n=100)[98])


def fill(path: Path, run_id: int, rows: int) -> None:
    """Add items by one statement, as they would stand at the end of a run: 1 of 100 failed."""
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            """
            WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < :rows)
            INSERT INTO item (run_id, ref, course_id, course_name, status, reason, attempts, gaps, package_id,
                              package_version, created_at, started_at, finished_at)
            SELECT :run_id, n, n, 'Course ' || n, iif(n % 100, 'completed', 'failed'),
                   iif(n % 100, NULL, :reason), 1, 0,
                   iif(n % 100, 'urn:uuid:6f1d8b0c-5a55-5e0e-9d3f-' || printf('%012d', n), NULL), iif(n % 100, 1, NULL),
                   '2026-01-01 00:00:00.000000', '2026-01-01 00:00:01.000000', '2026-01-01 00:00:05.000000'
            FROM number
            """,
            {"rows": rows, "run_id": run_id, "reason": REASON},
        )
    connection.close()


async def list_pages(url: str, run_id: int, rows: int, pages: int) -> dict[str, tuple[float, float]]:
    """Give the seconds that the first and the last page take, by what is listed."""
    times = {}
    async with Store(url) as store:
        for name, status, step in (("all", None, 1), ("failed", ItemStatus.FAILED, 100)):
            # ids are 1 to `rows`: the last page is what follows the 100 last ids of this list
            last_page = make_cursor(items_scope(run_id, status), rows - PAGE * step)
            first = await _time_pages(store, run_id, status, None, pages)
            times[name] = (first, await _time_pages(store, run_id, status, last_page, pages))
    return times


async def _time_pages(store: Store, run_id: int, status: ItemStatus | None, cursor: str | None, times: int) -> float:
    """Give the median time of reading one page."""
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        page = await store.items(run_id, status=status, limit=PAGE, cursor=cursor)
        taken.append(time.perf_counter() - started)
        assert len(page.items) == PAGE
        assert (page.next_cursor is None) == (cursor is not None)
    return statistics.median(taken)
