"""What listeners cost: the same courses archived with and without 200 open streams of events."""

from __future__ import annotations

import asyncio
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for

from bench.table import Measurement

__all__ = ["measure_streams"]

STREAMS = 200
EXTRA = {"integrations.main": "max_concurrency = 32", "engine": "concurrency = 8"}


def measure_streams(rounds: int = 5) -> list[Measurement]:
    """Measure archiving all ended courses of the campus, in turns with and without streams; best of `rounds` each.

    Each time by a new daemon into an empty archive, so that each does the same.
    """
    seconds: dict[int, list[float]] = {0: [], STREAMS: []}
    with CampusProcess.running("--no-throttle") as campus:
        _archive(campus, 0)  # the campus makes its answers when they are asked for the first time
        for streams in rounds * (0, STREAMS):
            courses, taken = _archive(campus, streams)
            seconds[streams].append(taken)
    without, beside = (min(times) for times in seconds.values())
    return [
        Measurement(
            what=f"archiving {courses} courses with {STREAMS} open event streams",
            measured=f"{courses * 60 / beside:.0f} courses/min",
            beside=f"without: {courses * 60 / without:.0f} courses/min",
            value=without / beside,
            wanted=">= 0.9",
        )
    ]


def _archive(campus: CampusProcess, streams: int) -> tuple[int, float]:
    """Archive with so many streams open; give the number of courses, and the seconds it took."""
    with tempfile.TemporaryDirectory() as home:
        daemon = DaemonProcess(Path(home), campus.url, campus.tokens["admin"], EXTRA)
        with daemon.running(), listening(daemon, streams) as heard:
            start = time.perf_counter()
            run = daemon.finished(
                daemon.start_run("end_date", {"before": datetime.now(UTC).date().isoformat()}), seconds=600
            )
            taken = time.perf_counter() - start
            wait_for("every stream to hear of the end", lambda: all(map(_tells_the_end, heard)))
        return run["total"], taken


def _tells_the_end(heard: bytes) -> bool:
    """Tell whether the newest event of the run says that it is complete."""
    _, _, event = heard.rpartition(b"event: run\r\n")
    return b'"status": "completed' in event.partition(b"\r\n")[0]


@contextmanager
def listening(daemon: DaemonProcess, streams: int) -> Iterator[list[bytes]]:
    """Hold so many streams open, read in a thread of their own; give the last that each heard."""
    heard = [b""] * streams
    greeted = threading.Semaphore(0)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    async def listen(number: int) -> None:
        where = urlsplit(daemon.url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        request = f"GET /api/v1/events HTTP/1.1\r\nHost: bench\r\nAuthorization: Bearer {daemon.token}\r\n\r\n"
        writer.write(request.encode())
        await reader.readuntil(b"event: hello")
        greeted.release()
        try:
            while chunk := await reader.read(65536):
                heard[number] = (heard[number] + chunk)[-4096:]
        finally:
            writer.close()

    async def end() -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def begin() -> list[asyncio.Task[None]]:
        return [asyncio.create_task(listen(number)) for number in range(streams)]

    tasks = asyncio.run_coroutine_threadsafe(begin(), loop).result()
    try:
        for _ in range(streams):
            assert greeted.acquire(timeout=30), "a stream did not begin"
        yield heard
    finally:
        asyncio.run_coroutine_threadsafe(end(), loop).result(30)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
