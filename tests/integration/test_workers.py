"""The engine with workers, over a real PostgreSQL and a campus: the same runs, whoever works and whoever dies."""

from __future__ import annotations

import asyncio
import importlib.metadata
import signal
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.cli_process import coursekeep
from fakes.engines import STEADY
from fakes.postgres_server import Databases, PostgresServer
from fakes.service_bench import eventually
from fakes.worker_bench import WorkerBench
from fakes.worker_process import start_worker

from coursekeep import SettingsError, hookimpl
from coursekeep_campus import CampusServer, Fault, generated
from coursekeep_daemon.package import StorageUnavailable
from coursekeep_daemon.registry import Registry
from coursekeep_daemon.runs.holds import HoldLevel
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import LeaseState, PauseLevel, Run, SchemaMismatch, Store
from coursekeep_daemon.toml_text import table_text
from coursekeep_daemon.worker import WorkerProcess

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


def ended(server: CampusServer, count: int) -> list[str]:
    return [str(one) for one in server.known["ended"][:count]]


def settings_file(bench: WorkerBench) -> Path:
    """Write the settings of the bench for a process of its own."""
    sections: dict[str, dict[str, Any]] = {
        "daemon": {"data_dir": str(bench.folder / "data"), "shutdown_timeout": 30, "log_format": "json"},
        "store": {"url": bench.url},
        "archive": {"url": f"file://{bench.folder}/archive", "organization": "Example University", "min_free": 1},
        "engine": {"kind": "procrastinate"},
        "integrations.main": bench.integration,
    }
    path = bench.folder / "settings.toml"
    path.write_text("\n".join(table_text(name, values) for name, values in sections.items()))
    return path


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


def test_what_goes_wrong_in_a_plugin_of_a_worker_is_known_to_the_daemon(bench, server, monkeypatch):
    """A hook that fails in another process is shown with the plugin, and with the name of the worker."""

    class Upset:
        @hookimpl
        def course_archived(self) -> None:
            raise KeyError("nobody expected a course")

    monkeypatch.setitem(sys.modules, "upset", Upset())
    upset = importlib.metadata.EntryPoint(name="upset", value="upset", group="coursekeep")
    plugins = [upset, *importlib.metadata.entry_points(group="coursekeep")]

    async def main() -> None:
        async with (
            bench.service(registry=Registry(plugins)) as service,
            bench.worker("one", registry=Registry(plugins)),
        ):

            async def told() -> dict[str, str]:
                return {each.name: each.reason for each in await service.plugins() if each.reason}

            assert await told() == {}
            await bench.finished(service, await bench.run_ids(service, str(server.known["late_grade"])))
            assert await eventually(told) == {
                "upset": "in the worker one: hook course_archived: KeyError: 'nobody expected a course'"
            }

    asyncio.run(main())


def test_operators_control_the_runs_of_workers(bench, server):
    """A pause lets finish what two workers have and begins nothing more; resume, cancel and reimport do as ever."""
    *courses, broken = ended(server, 8)

    async def main() -> None:
        async with bench.service() as service, bench.worker("one", concurrency=1), bench.worker("two", concurrency=1):
            control = service.control

            async def paused(run: Run) -> dict[str, int]:
                """Pause a run that is under way, and give the attempts of its courses once none is at work."""
                await eventually(lambda: _at_work(service))
                await control.pause(PauseLevel.RUN, str(run.id), by="tester")
                before = await _attempts(bench, service, run)
                await eventually(lambda: _nothing_leased(service))
                assert await _attempts(bench, service, run) == before
                return before

            server.faults.add(Fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=0.5, times=2))
            run = await bench.run_ids(service, *courses)
            first = await paused(run)
            assert Counter(first.values())[0] > 0
            server.faults.add(Fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=0.5, times=2))
            await control.resume(PauseLevel.RUN, str(run.id), by="tester")
            second = Counter((await paused(run)).values())
            assert 0 < second[0] < Counter(first.values())[0]
            canceled = await control.cancel(run.id, by="tester")
            assert (canceled.status, canceled.counts[ItemStatus.CANCELED]) == (RunStatus.CANCELED, second[0])
            assert canceled.counts[ItemStatus.COMPLETED] == second[1]

            server.faults.add(Fault(match=f"GET /api/v1/courses/{broken}/users*", kind="html"))
            failed = await bench.finished(service, await bench.run_ids(service, broken))
            assert failed.status is RunStatus.COMPLETED_WITH_ERRORS
            server.faults.clear()
            again, _ = await control.reimport(failed.id, by="tester")
            again = await bench.finished(service, again)
            assert again.counts[ItemStatus.COMPLETED] == 1
            (old,) = (await bench.items(service, failed)).values()
            assert (old.status, old.reimported_in_run) == (ItemStatus.FAILED_REIMPORTED, again.id)
            for each in (run, failed, again):
                assert await service.store.check_counters(each.id) == {}

    asyncio.run(main())


async def _attempts(bench: WorkerBench, service: Any, run: Run) -> dict[str, int]:
    return {ref: item.attempts for ref, item in (await bench.items(service, run)).items()}


async def _nothing_leased(service: Any) -> bool:
    return not await service.store.leases()


@pytest.mark.slow
def test_a_killed_worker_loses_nothing_and_a_stopped_one_finishes(bench, server):
    """Of three processes one is killed and one asked to end: each course ends once, in a valid package.

    The killed one's course runs again elsewhere, counted; the other's is finished, and that process ends with code 0.
    Asked twice, a worker does not wait for its course.
    """
    courses = ended(server, 5)
    server.faults.add(Fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=4, times=3))

    async def main() -> None:
        async with bench.service(rhythm=STEADY) as service:
            path = settings_file(bench)
            workers = {name: start_worker(path, name) for name in ("one", "two", "three")}
            try:
                await eventually(lambda: _listed(service, 3), seconds=300)
                run = await bench.run_ids(service, *courses)
                busy = await eventually(lambda: _busy(service))
                killed, stopped = busy["one"], busy["two"]
                workers["one"].kill()
                workers["two"].send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(workers["two"].wait, 60) == 0
                now = await bench.finished(service, run)
                items = (await service.store.items(run.id)).items
                attempts = {item.id: item.attempts for item in items}
            finally:
                for process in workers.values():
                    process.terminate()
                    await asyncio.to_thread(process.wait, 60)
            assert now.status is RunStatus.COMPLETED
            assert attempts[killed] == 2
            assert attempts[stopped] == 1
            assert await service.store.check_counters(run.id) == {}
            for item in items:
                assert item.package_id is not None
                assert (await service.verify_package(item.package_id)).valid
                assert len(await service.store.package(item.package_id)) == 1
            waiting = await bench.run_ids(service, courses[0], on_existing="refresh")
            await eventually(lambda: _workers_missing(service, waiting.id))
            server.faults.add(Fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=60))
            impatient = start_worker(path, "four")
            try:
                await eventually(lambda: _at_work(service), seconds=300)
                impatient.send_signal(signal.SIGTERM)
                await eventually(lambda: "worker_stopping" in path.with_name("four.log").read_text())
                impatient.send_signal(signal.SIGTERM)
                assert await asyncio.to_thread(impatient.wait, 20) == 128 + signal.SIGTERM
            finally:
                impatient.kill()
                server.faults.clear()

    asyncio.run(main())


async def _listed(service: Any, number: int) -> bool:
    return len(await service.store.workers()) == number


async def _busy(service: Any) -> dict[str, int] | None:
    """Return which item each of three workers has, once all have one."""
    names = {worker.id: worker.name for worker in await service.store.workers()}
    begun = [each for each in await service.store.leases() if each.state is LeaseState.BEGUN]
    return {names[each.worker_id]: each.item_id for each in begun} if len(begun) == 3 else None


async def _workers_missing(service: Any, run_id: int) -> bool:
    run = await service.store.run(run_id)
    await service.holds.refresh()
    hold = service.holds.hold(run)
    return hold is not None and hold.level is HoldLevel.WORKERS and "start `coursekeep worker`" in hold.reason


def test_a_worker_survives_a_restart_of_postgresql(tmp_path, server):
    """The server goes away while a course is archived: the worker finishes it, writes the result later, and goes on."""
    own = PostgresServer()
    try:
        url = Databases(own.url("postgres")).migrated()
        bench = WorkerBench(tmp_path, server, url)
        server.faults.add(Fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=1, times=1))

        async def main() -> None:
            async with bench.service() as service, bench.worker(concurrency=1):
                run = await bench.run_ids(service, *ended(server, 3))
                await eventually(lambda: _at_work(service))
                await asyncio.to_thread(own.restart, signal.SIGQUIT)
                now = await bench.finished(service, run)
                assert now.status is RunStatus.COMPLETED
                assert {item.attempts for item in (await bench.items(service, run)).values()} == {1}

        asyncio.run(main())
    finally:
        own.remove()


async def _at_work(service: Any) -> bool:
    return any(each.state is LeaseState.BEGUN for each in await service.store.leases())


def test_a_worker_that_cannot_work_says_what_to_do(bench, databases):
    """Another engine, SQLite, an old database, a missing queue or archive: each is refused, with what to do."""
    empty = databases.empty()

    async def refused(worker: WorkerProcess, error: type[Exception], match: str) -> None:
        with pytest.raises(error, match=match):
            await worker.start()

    async def main() -> None:
        path = bench.folder / "local.toml"
        path.write_text('[engine]\nkind = "local"\n')
        done = await coursekeep("worker", "--settings", str(path))
        assert (done.code, "workers need `kind" in done.err) == (2, True), done.err
        await refused(bench.worker(engine={"kind": "local"}), SettingsError, 'need `kind = "procrastinate"`')
        sqlite = f"sqlite:///{bench.folder}/x.db"
        await refused(bench.worker(store={"url": sqlite}), SettingsError, "coursekeep db migrate-store")
        await refused(bench.worker(store={"url": empty}), SchemaMismatch, "coursekeep db upgrade")
        await refused(bench.worker(), StorageUnavailable, "mount its disk here")
        assert not (bench.folder / "archive").exists()
        async with Store(bench.url) as store:
            await store._writer.run(lambda tx: tx.connection.exec_driver_sql("DROP TABLE queue_schema") and None)
        await refused(bench.worker(), SchemaMismatch, "has no queue yet.*coursekeep db upgrade")

    try:
        asyncio.run(main())
        with pytest.raises(SchemaMismatch, match="did not make"):
            Store.upgrade(bench.url)
        assert Store.upgrade(empty) == "empty"
        assert Store.upgrade(empty) is None
    finally:
        databases.drop(empty)
