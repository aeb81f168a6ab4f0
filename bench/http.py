"""The HTTP client beside the ideal rate, and a download beside curl."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx

from bench.table import Measurement
from coursekeep import ALWAYS, ConnectorError, Course, FileAuth, LmsClient, RemoteFile, RetryPolicy
from coursekeep_daemon.package import Archive, PackageContext
from coursekeep_daemon.runs.downloads import Downloads, Limits
from coursekeep_daemon.runs.staging import Staging

__all__ = ["measure_downloads", "measure_requests"]

ANSWER_SECONDS = 0.05
FILE_BYTES = 100 * 1024 * 1024

SERVER = f"""
import asyncio, os
from aiohttp import web

BODY = b'[' + b','.join(b'{{"id": %d, "name": "item"}}' % i for i in range(20)) + b']'
BLOCK = os.urandom(1 << 20)

async def answer(request):
    await asyncio.sleep({ANSWER_SECONDS})
    return web.Response(body=BODY, content_type="application/json")

async def file(request):
    response = web.StreamResponse(headers={{"Content-Length": str({FILE_BYTES})}})
    await response.prepare(request)
    for _ in range({FILE_BYTES} // len(BLOCK)):
        await response.write(BLOCK)
    return response

async def main():
    app = web.Application()
    app.router.add_get("/api", answer)
    app.router.add_get("/file", file)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class PlainDialect:
    """An LMS without credentials, paging or throttling."""

    def authorization(self) -> Mapping[str, str]:
        return {"Authorization": "Bearer benchmark"}

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        return None

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        return None

    def headroom(self, response: httpx.Response) -> float | None:
        return None


@contextmanager
def server() -> Iterator[str]:
    """Run the benchmark server in a process of its own and give its address."""
    process = subprocess.Popen([sys.executable, "-c", SERVER], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.terminate()
        process.wait()


async def _rate(base: str, at_once: int, seconds: float) -> float:
    client = LmsClient(base, PlainDialect(), retry=RetryPolicy(), max_concurrency=at_once)
    async with client:
        await asyncio.gather(*(client.get("/api") for _ in range(at_once)))
        done = 0
        end = time.perf_counter() + seconds

        async def ask() -> None:
            nonlocal done
            while time.perf_counter() < end:
                await client.get("/api")
                done += 1

        start = time.perf_counter()
        await asyncio.gather(*(ask() for _ in range(at_once)))
        return done / (time.perf_counter() - start)


def measure_requests(times: int = 3, seconds: float = 3.0) -> list[Measurement]:
    """Measure requests per second at 32 and 128 at once, beside the ideal rate; best of `times` each."""
    rates = dict.fromkeys((32, 128), 0.0)
    with server() as base:
        for at_once in times * tuple(rates):  # in turns, so that what else the machine does meets both
            rates[at_once] = max(rates[at_once], asyncio.run(_rate(base, at_once, seconds)))
    rows = [
        Measurement(
            what=f"HTTP, {at_once} requests at once",
            measured=f"{rate:.0f}/s",
            beside=f"ideal {at_once / ANSWER_SECONDS:.0f}/s",
            value=rate * ANSWER_SECONDS / at_once,
            wanted=f">= {wanted}",
        )
        for (at_once, rate), wanted in zip(rates.items(), (0.85, 0.55), strict=True)
    ]
    return [
        *rows,
        Measurement(
            what="HTTP, 128 not slower than 32",
            measured=f"{rates[128]:.0f}/s",
            beside=f"{rates[32]:.0f}/s",
            value=rates[128] / rates[32],
            wanted=">= 1.0",
        ),
    ]


async def _download(base: str, folder: Path) -> float:
    """Give the seconds from asking for the file to its bytes lying, hashed, in the staging area of a package."""
    archive = Archive(folder / "archive", organization="Example University")
    archive.prepare()
    context = PackageContext(
        integration="main",
        source={"connector": "canvas", "base_url": base},
        organization="Example University",
        software="Coursekeep",
        run_id=1,
        item_id=1,
        started_at=datetime.now(UTC),
    )
    file = RemoteFile(group="course", id="1", name="file", url=f"{base}/file", size=FILE_BYTES, auth=FileAuth.TOKEN)
    async with (
        LmsClient(base, PlainDialect(), retry=RetryPolicy()) as client,
        Staging(lambda: archive.writer(Course(id="1", name="Tidal Systems"), context, ALWAYS)) as staging,
    ):
        # of a connector, downloads need its client only
        downloads = Downloads(cast(Any, SimpleNamespace(client=client)), staging, Limits(), give_up=True)
        start = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            await downloads.fetch(file, tasks)
        seconds = time.perf_counter() - start
        assert staging.writer.gaps == 0, "the file could not be had"
        return seconds


def measure_downloads(times: int = 3) -> list[Measurement]:
    """Measure downloading and hashing one 100 MB file, beside `curl -o` of the same address; best of `times` each."""
    with server() as base, tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file"
        ours, curls = [], []
        for _ in range(times):
            ours.append(asyncio.run(_download(base, Path(folder))))
            start = time.perf_counter()
            subprocess.run(["curl", "-s", "-o", str(target), f"{base}/file"], check=True)
            curls.append(time.perf_counter() - start)
    return [
        Measurement(
            what="download and SHA-512 of 100 MB",
            measured=f"{FILE_BYTES / min(ours) / 1e6:.0f} MB/s",
            beside=f"curl -o {FILE_BYTES / min(curls) / 1e6:.0f} MB/s",
            value=min(curls) / min(ours),
            wanted=">= 0.5",
        )
    ]
