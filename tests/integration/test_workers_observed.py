"""Workers and daemons on one database, as metrics and the doctor see them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fakes.postgres_server import Databases
from fakes.service_bench import eventually
from fakes.worker_bench import WorkerBench

from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.doctor import Health
from coursekeep_daemon.doctor import database as database_steps

pytestmark = pytest.mark.xdist_group("workers")


@pytest.fixture
def bench(tmp_path: Path, databases: Databases) -> Iterator[WorkerBench]:
    url = databases.migrated()
    with CampusServer(generated(seed=1, courses=10), throttle=False) as server:
        yield WorkerBench(tmp_path, server, url)
    databases.drop(url)


def test_workers_are_counted_and_looked_at(bench):
    """Without a worker courses wait for one and the doctor says so; with one, it counts what it does by itself."""
    course = str(bench.server.known["late_grade"])

    async def doctor(service) -> dict:
        found = database_steps._inside(service.settings, service.store, service.clock())
        return {one.step: one async for one in found}

    async def main() -> None:
        async with bench.service() as service:

            async def scraped(wanted: str, source=service) -> bool:
                state = source.observation._state
                if state is not None:
                    state._max_age, state._patience = 0.0, 30.0
                return wanted in (await source.observation.scrape()).decode()

            await eventually(lambda: service.leads)
            assert (await doctor(service))["workers"].health is Health.FAILED
            run = await bench.run_ids(service, course)
            await eventually(lambda: scraped('coursekeep_waiting_items{integration="main",reason="workers"} 1.0'))
            with socket.create_server(("127.0.0.1", 0)) as taken:
                port = taken.getsockname()[1]
            telemetry = {"metrics_host": "127.0.0.1", "metrics_port": port}
            async with bench.worker("one", telemetry=telemetry) as worker:
                another = await bench.run_ids(service, str(bench.server.known["locked_file"]))
                await bench.finished(service, run)
                await bench.finished(service, another)
                assert await scraped('coursekeep_courses_total{integration="main",status="completed"} 2.0', worker)
                assert await scraped("coursekeep_store_up 1.0", worker)
                assert await scraped('coursekeep_lms_answers_total{class="2xx",integration="main"}', worker)
                assert await scraped('coursekeep_workers{state="working"} 1.0')
                assert await scraped("coursekeep_leads 1.0")
                async with httpx.AsyncClient() as client:
                    answer = await client.get(f"http://127.0.0.1:{port}/metrics")
                assert 'coursekeep_lms_request_seconds_count{integration="main"}' in answer.text
                found = await doctor(service)
                assert {one.health for step, one in found.items() if step in ("workers", "daemons", "clock")} == {
                    Health.OK
                }

    asyncio.run(main())
