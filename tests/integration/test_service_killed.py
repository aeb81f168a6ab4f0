"""SIGKILL at any moment loses nothing: the next start goes on, and every course ends with one whole version."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.service_bench import Bench

from coursekeep_campus import CampusServer, Fault, generated
from coursekeep_daemon.runs.states import RunStatus

_DAEMON = """
import asyncio, sys
from pathlib import Path
from types import SimpleNamespace
from fakes.service_bench import Bench

async def main(folder, store, url, token, *ids):
    bench = Bench(Path(folder), SimpleNamespace(url=url, token=token))
    async with bench.service(store={"url": store}) as service:
        if not (await service.store.runs()).items:
            await bench.run_ids(service, *ids)
        await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


@pytest.fixture
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=10), throttle=False) as server:
        yield server


@pytest.mark.slow
@pytest.mark.parametrize("requests", [3, 150, 280])
def test_a_killed_daemon_goes_on_at_the_next_start(tmp_path: Path, server: CampusServer, requests: int):
    """Killed while planning, exporting or writing, and killed again: each course has one valid version in the end."""
    bench = Bench(tmp_path, server)
    courses = [str(one) for one in server.known["ended"][:3]]
    kill_after(requests, bench, courses)
    kill_after(min(requests, 30), bench, courses)

    async def main() -> None:
        async with bench.service() as service:
            (run,) = (await service.store.runs()).items
            ended = await bench.finished(service, run)
            items = await bench.items(service, run)

            assert ended.status is RunStatus.COMPLETED
            assert sorted(items) == courses
            assert {item.package_version for item in items.values()} == {1}
            assert len(list(service.archive.objects())) == len(courses)
            for item in items.values():
                assert item.package_id is not None
                assert service.archive.verify(item.package_id).valid
            assert await service.store.check_counters(run.id) == {}

    asyncio.run(main())


def kill_after(requests: int, bench: Bench, courses: list[str]) -> None:
    """Start a daemon in a process of its own, and kill it once the LMS has answered so many requests of it."""
    tests = Path(__file__).parents[1]
    server, store = bench.server, bench.settings().store.url
    command = [sys.executable, "-c", _DAEMON, str(bench.folder), store, server.url, server.token, *courses]
    seen = len(server.requests)
    # however late it is looked at, the daemon gets no further
    server.faults.add(Fault(match="*", kind="hang", seconds=600, after=requests))
    process = subprocess.Popen(command, cwd=tests, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 60
        while len(server.requests) - seen < requests:
            assert process.poll() is None, process.stderr.read().decode() if process.stderr else ""
            assert time.monotonic() < deadline, f"the LMS was asked only {len(server.requests) - seen} times"
            time.sleep(0.005)
    finally:
        process.kill()
        process.communicate()
        server.faults.clear()
