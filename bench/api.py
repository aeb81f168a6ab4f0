"""Lists over HTTP in a store of 10 million items and 100,000 runs, beside a route that answers with constant bytes."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.store import fill, make_run
from bench.table import Measurement
from coursekeep_daemon.store.items import items_scope
from coursekeep_daemon.store.rows import make_cursor

__all__ = ["measure_api"]

READERS = 16
ITEMS = 10_000_000
RUNS = 100_000

#: what this list is called in its cursors, without any filter
_ALL_RUNS = "runs None None None None"


@dataclass(kw_only=True)
class Answered:
    """What the readers of one route saw."""

    seconds: float = 0.0
    waited: list[float] = field(default_factory=list)

    @property
    def rate(self) -> float:
        return len(self.waited) / self.seconds

    def __str__(self) -> str:
        p99 = statistics.quantiles(self.waited, n=100)[98]
        return f"{self.rate:,.0f}/s, p99 {p99 * 1000:.0f} ms"


def measure_api(items: int = ITEMS, runs: int = RUNS, rounds: int = 3, seconds: float = 3.0) -> list[Measurement]:
    """Measure requests per second of 16 readers, at places of the lists drawn at random, while a run writes.

    The routes take turns, so that what else the machine does meets all of them.
    """
    with tempfile.TemporaryDirectory() as folder:
        run_id = make_store(Path(folder), items, runs)
        scope = items_scope(run_id, None)
        places = random.Random(1)
        routes: dict[str, Callable[[], str]] = {
            "constant": lambda: "/api/v1/constant",
            "runs": lambda: f"/api/v1/runs?cursor={make_cursor(_ALL_RUNS, places.randint(100, runs))}",
            "items": lambda: f"/api/v1/runs/{run_id}/items?cursor={make_cursor(scope, places.randint(1, items - 100))}",
        }
        seen = {name: Answered() for name in routes}
        with serving(Path(folder)) as (port, token):
            for name in rounds * tuple(routes):
                asyncio.run(_read(port, token, routes[name], seconds, seen[name]))
    constant = seen.pop("constant")
    return [
        Measurement(
            what=f"GET {name}, {items:,} items and {runs:,} runs, {READERS} readers, a run writes",
            measured=str(found),
            beside=f"constant bytes: {constant}",
            value=found.rate / constant.rate,
            wanted=">= 0.2",
        )
        for name, found in seen.items()
    ]


def make_store(folder: Path, items: int, runs: int) -> int:
    """Make a store with one run of so many items, and so many runs; return the id of that run."""
    path = folder / "coursekeep.db"
    run_id = asyncio.run(make_run(f"sqlite:///{path}"))
    fill(path, run_id, items)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute(
            """
            WITH RECURSIVE number(n) AS (SELECT 2 UNION ALL SELECT n + 1 FROM number WHERE n < :runs)
            INSERT INTO run (id, integration, source, params, options, on_existing, status, created_by, request_digest,
                             created_at, started_at, finished_at)
            SELECT n, 'main', 'terms', '{"terms": ["' || n || '"]}', '{"include": [], "exclude": ["SANDBOX-*"]}',
                   'skip', iif(n % 10, 'completed', 'completed_with_errors'), 'schedule:ended', 'digest',
                   '2026-01-01 00:00:00.000000', '2026-01-01 00:00:01.000000', '2026-01-01 01:00:00.000000'
            FROM number
            """,
            {"runs": runs},
        )
        connection.execute(
            """
            INSERT INTO run_count (run_id, queued, processing, completed, failed, not_found, skipped, failed_reimported,
                                   canceled, total, gaps)
            SELECT id, 0, 0, 90, 10, 0, 0, 0, 0, 100, 3 FROM run WHERE id > 1
            """
        )
    connection.close()
    return run_id


@contextmanager
def serving(folder: Path) -> Iterator[tuple[int, str]]:
    """Serve the API over the store of a folder in a process of its own; give its port and a token."""
    command = [sys.executable, "-m", "bench.api_server", str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        try:
            yield ready["port"], ready["token"]
        finally:
            process.terminate()


async def _read(port: int, token: str, path: Callable[[], str], seconds: float, into: Answered) -> None:
    """Have all readers ask for so long, each with a connection of its own, kept open."""
    end = time.perf_counter() + seconds
    started = time.perf_counter()
    await asyncio.gather(*(_reader(port, token, path, end, into.waited) for _ in range(READERS)))
    into.seconds += time.perf_counter() - started


async def _reader(port: int, token: str, path: Callable[[], str], end: float, waited: list[float]) -> None:
    # spoken by hand: a client library would need more of the processor than the route beside which this is measured
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while time.perf_counter() < end:
        started = time.perf_counter()
        writer.write(f"GET {path()} HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {token}\r\n\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        assert head.startswith(b"http/1.1 200"), head
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))
        waited.append(time.perf_counter() - started)
    writer.close()
    await writer.wait_closed()
