"""What the store does on PostgreSQL: status changes beside plain batched updates, and how far lists carry."""

from __future__ import annotations

import asyncio
import time

import psycopg
from fakes.postgres_server import Databases, PostgresServer

from bench.store import CALLERS, PAGE, REASON, Rate, list_pages, make_run, through_writer
from bench.table import Measurement

__all__ = ["measure_postgresql"]

#: rows in one transaction of the plain updates: as many as callers wait for the writer, and as many as it takes at most
_BATCHES = {CALLERS: ">= 0.2", 1000: ""}


def measure_postgresql(changes: int = 32_000, rows: int = 10_000_000) -> list[Measurement]:
    """Measure on a server of its own, with the durability that a server has when it is installed."""
    server = PostgresServer(
        fsync="on", full_page_writes="on", synchronous_commit="on", autovacuum="on", shared_buffers="256MB"
    )
    try:
        databases = Databases(server.url("postgres"))
        return [*_changes(databases, changes), *_lists(databases, rows)]
    finally:
        server.remove()


def _changes(databases: Databases, number: int, rounds: int = 3) -> list[Measurement]:
    """Measure both in turns, and take the best of each."""
    changed: list[Rate] = []
    plain = dict.fromkeys(_BATCHES, 0.0)
    for _ in range(rounds):
        url = databases.migrated()
        changed.append(asyncio.run(through_writer(url, number)))
        for batch in _BATCHES:
            plain[batch] = max(plain[batch], _plain_updates(url, number, batch))
        databases.drop(url)
    writer = max(changed, key=lambda rate: rate.per_second)
    return [
        Measurement(
            what=f"status changes on PostgreSQL, {CALLERS} callers",
            measured=str(writer),
            beside=f"plain UPDATE by executemany, {batch} a transaction: {plain[batch]:,.0f}/s",
            value=writer.per_second / plain[batch],
            wanted=wanted,
        )
        for batch, wanted in _BATCHES.items()
    ]


def _plain_updates(url: str, number: int, batch: int) -> float:
    """Return the rows a second that the driver updates, without counters, events, or anybody who waits."""
    # to another status each time, which every index of the table has to follow
    status = "completed" if batch == CALLERS else "skipped"
    statement = "UPDATE item SET status = %s, reason = %s, finished_at = now() WHERE id = %s"
    with psycopg.connect(url) as connection:
        ids = [row[0] for row in connection.execute("SELECT id FROM item ORDER BY id LIMIT %s", (number,))]
        connection.commit()
        started = time.perf_counter()
        for start in range(0, len(ids), batch):
            with connection.cursor() as cursor:
                cursor.executemany(statement, [(status, REASON, each) for each in ids[start : start + batch]])
            connection.commit()
        return len(ids) / (time.perf_counter() - started)


def _lists(databases: Databases, rows: int, pages: int = 50) -> list[Measurement]:
    url = databases.migrated()
    run_id = asyncio.run(make_run(url))
    _fill(url, run_id, rows)
    times = asyncio.run(list_pages(url, run_id, rows, pages))
    return [
        Measurement(
            what=f"listing {PAGE} of {rows:,} items on PostgreSQL, {name}: last page",
            measured=f"{last * 1000:.2f} ms",
            beside=f"first page {first * 1000:.2f} ms",
            value=last / first,
            wanted="<= 2.0",
        )
        for name, (first, last) in times.items()
    ]


def _fill(url: str, run_id: int, rows: int) -> None:
    """Add items by one statement, as they would stand at the end of a run: 1 of 100 failed."""
    moment = "'2026-01-01 00:00:00+00'::timestamptz"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"""
            INSERT INTO item (run_id, ref, course_id, course_name, status, reason, attempts, gaps, created_at,
                              finished_at)
            SELECT %s, n, n, 'Course ' || n, CASE WHEN n %% 100 = 0 THEN 'failed' ELSE 'completed' END,
                   CASE WHEN n %% 100 = 0 THEN %s END, 1, 0, {moment}, {moment}
            FROM generate_series(1, %s) AS n
            """,
            (run_id, REASON, rows),
        )
        connection.execute("VACUUM ANALYZE item")
