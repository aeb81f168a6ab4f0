"""The engine with workers, over a real PostgreSQL and a campus: the same runs, whoever works on them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.postgres_server import Databases
from fakes.worker_bench import WorkerBench

from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.runs.states import ItemStatus, RunStatus

pytestmark = pytest.mark.xdist_group("workers")


@pytest.fixture
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=12), throttle=False) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, server: CampusServer, databases: Databases) -> Iterator[WorkerBench]:
    url = databases.migrated()
    yield WorkerBench(tmp_path, server, url)
    databases.drop(url)


def test_two_workers_archive_what_the_daemon_offers(bench, server):
    """Every kind of course ends as with the daemon's own engine, each once, and nothing of the queue is left over."""
    known = server.known
    ids = [str(known[key]) for key in ("late_grade", "locked_file", "unknown", "forbidden", "deleted")]

    async def main() -> None:
        async with bench.service() as service, bench.worker("one"), bench.worker("two"):
            run = await bench.finished(service, await bench.run_ids(service, *ids))
            items = await bench.items(service, run)
            assert run.status is RunStatus.COMPLETED_WITH_ERRORS
            assert [items[one].status for one in ids] == [
                ItemStatus.COMPLETED,
                ItemStatus.COMPLETED,
                ItemStatus.NOT_FOUND,
                ItemStatus.FAILED,
                ItemStatus.NOT_FOUND,
            ]
            assert [items[one].attempts for one in ids] == [1, 1, 0, 0, 0]  # the others were refused at planning
            assert await service.store.check_counters(run.id) == {}
            assert await service.store.leases() == []
            for one in ids[:2]:
                package_id = items[one].package_id
                assert package_id is not None
                assert (await service.verify_package(package_id)).valid
                assert len(await service.store.package(package_id)) == 1

    asyncio.run(main())
