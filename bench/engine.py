"""What the engine with workers costs a course, what a second worker brings, and how soon a dead one's courses go on."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fakes.daemon_process import CampusProcess, DaemonProcess, stop_process, wait_for
from fakes.postgres_server import Databases, PostgresServer
from fakes.scripted_lms import Script, ScriptedConnector
from fakes.store_contract_leases import some_worker

from bench.table import Measurement
from coursekeep_daemon.engine import Engine, LocalEngine, Rhythm
from coursekeep_daemon.engine.offering import OfferingEngine
from coursekeep_daemon.engine.own_storage import OwnStorage
from coursekeep_daemon.engine.procrastinate import Jobs
from coursekeep_daemon.engine.taking import Taking
from coursekeep_daemon.runs.dispatcher import Dispatcher
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.runs.watch import Patience
from coursekeep_daemon.runs.workbench import Workbench
from coursekeep_daemon.store import Item, ItemPlan, ItemResult, Run, Store

__all__ = ["measure_engine"]

SLOTS = 8


class _NoWork:
    """Stands in for archiver, hooks and plannings: every course is done at once."""

    async def archive(self, item: Item, *_: Any) -> ItemResult:
        return ItemResult(item_id=item.id, status=ItemStatus.NOT_FOUND)

    def tell(self, *_: Any, **__: Any) -> None:
        return None

    begin = tell

    async def stop(self) -> None:
        return None


def measure_engine(courses: int = 2000) -> list[Measurement]:
    """Measure on a server of its own: courses without any work first, then real ones of the campus."""
    server = PostgresServer()
    try:
        databases = Databases(server.url("postgres"))
        return [_overhead(databases, courses), _second_worker(databases), _killed(databases)]
    finally:
        server.remove()


def _overhead(databases: Databases, courses: int) -> Measurement:
    own, workers = (asyncio.run(_cpu(databases.migrated(), courses, with_worker=each)) for each in (False, True))
    more = (workers - own) * 1000 / courses
    return Measurement(
        what=f"engine overhead per course, {courses:,} courses without work, leader and worker in one process",
        measured=f"{more:.2f} ms CPU",
        beside=f"{workers * 1000 / courses:.2f} ms with workers, {own * 1000 / courses:.2f} ms in the daemon",
        value=more,
        wanted="<= 5",
        unit=" ms",
    )


async def _cpu(url: str, courses: int, *, with_worker: bool) -> float:
    """Return the seconds of CPU that a run takes in this process, threads included."""
    async with AsyncExitStack() as stack:
        store = await stack.enter_async_context(Store(url, queue=True))
        await store.sync_integrations([("main", "x", {})])
        lmses = {"main": Lms(name="main", id="main", connector=ScriptedConnector(Script()), courses_at_once=2 * SLOTS)}
        nothing: Any = _NoWork()
        workbench = Workbench(store=store, archiver=nothing, hooks=nothing)
        engine: Engine = LocalEngine(store, workbench, SLOTS, _now)
        if with_worker:
            engine = OfferingEngine(store, Jobs(Store.driver_arguments(url)), _now)
        holds = Holds(store, lmses, _now)
        dispatcher = Dispatcher(
            store=store, lmses=lmses, engine=engine, plannings=nothing, workbench=workbench, holds=holds
        )
        run = await _run(store, courses)
        if with_worker:
            await _worker(stack, url, lmses, nothing)
        before = time.process_time()
        stack.push_async_callback(dispatcher.stop, 1)
        await dispatcher.start()
        changed = stack.enter_context(store.subscribe())
        while (now := await store.run_in_brief(run.id)) is None or now.finished_at is None:
            await wait_for_event(changed, 1)
            changed.clear()
            await asyncio.sleep(0.2)
        return time.process_time() - before


async def _worker(stack: AsyncExitStack, url: str, lmses: dict[str, Lms], nothing: Any) -> None:
    store = await stack.enter_async_context(Store(url, queue=True))
    jobs = Jobs(Store.driver_arguments(url))
    taking = Taking(
        store=store,
        jobs=jobs,
        workbench=Workbench(store=store, archiver=nothing, hooks=nothing),
        lmses=lmses,
        holds=Holds(store, lmses, _now),
        storage=OwnStorage(lambda: 1, 0, Patience()),
        worker=some_worker(concurrency=SLOTS),
        rhythm=Rhythm(),
    )
    await jobs.open()
    stack.push_async_callback(jobs.close)
    stack.push_async_callback(taking.stop, 1)
    await taking.start()


async def _run(store: Store, courses: int) -> Run:
    run, _ = await store.create_run(
        integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="bench"
    )
    await store.change_run(run.id, RunStatus.PLANNING)
    await store.add_items(run.id, [ItemPlan(ref=str(n), course_id=str(n)) for n in range(courses)])
    return await store.change_run(run.id, RunStatus.PROCESSING)


def _second_worker(databases: Databases) -> Measurement:
    one, two = (_throughput(databases.migrated(), number) for number in (1, 2))
    return Measurement(
        what="two workers of two slots, while the LMS answers in 50 ms",
        measured=f"{two:.0f} courses/min",
        beside=f"one worker: {one:.0f} courses/min",
        value=two / one,
        wanted=">= 1.6",
    )


def _throughput(url: str, workers: int) -> float:
    """Return the courses that are archived in a minute."""
    with _house(url, concurrency=2) as (daemon, campus), _workers(daemon, workers):
        campus.fault(match="*", kind="hang", seconds=0.05)
        started = time.monotonic()
        run = daemon.finished(daemon.start_run("end_date", {"before": _now().date().isoformat()}))
        courses: int = run["counts"]["completed"]
        return courses * 60 / (time.monotonic() - started)


def _killed(databases: Databases) -> Measurement:
    """Kill that of two workers which has the only course in hand, and wait until the other one archives it."""
    with _house(databases.migrated(), concurrency=1) as (daemon, campus), _workers(daemon, 2) as processes:
        campus.fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=60)
        run = daemon.start_run("ids", {"ids": [str(campus.courses["ended"][0])]})
        busy = wait_for(
            "a worker to be busy", lambda: [one["pid"] for one in daemon.get("/workers")["items"] if one["busy"]]
        )
        (process,) = (each for each in processes if each.pid in busy)
        process.kill()
        killed = time.monotonic()
        wait_for("its course to run again", lambda: any(each["attempts"] > 1 for each in daemon.items(run)))
        seconds = time.monotonic() - killed
        campus.clear_faults()
    return Measurement(
        what="a killed worker's course is being archived again",
        measured=f"{seconds:.1f} s",
        beside="a sign of life every 5 s, missed after 20 s",
        value=seconds,
        wanted="<= 30",
        unit=" s",
    )


@contextmanager
def _house(url: str, *, concurrency: int) -> Iterator[tuple[DaemonProcess, CampusProcess]]:
    with tempfile.TemporaryDirectory() as folder, CampusProcess.running("--no-throttle") as campus:
        engine = f'kind = "procrastinate"\nconcurrency = {concurrency}'
        extra = {"engine": engine, "integrations.main": "courses_at_once = 32\nmax_concurrency = 32"}
        daemon = DaemonProcess(Path(folder), campus.url, campus.tokens["admin"], extra, store_url=url)
        with daemon.running():
            yield daemon, campus


@contextmanager
def _workers(daemon: DaemonProcess, number: int) -> Iterator[list[subprocess.Popen[bytes]]]:
    command = [sys.executable, "-m", "coursekeep_daemon", "worker", "--settings", str(daemon.settings)]
    with (daemon.home / "worker.log").open("ab") as log:
        processes = [subprocess.Popen(command, env=daemon.environment, stdout=log, stderr=log) for _ in range(number)]
    try:
        wait_for("the workers to be known", lambda: len(daemon.get("/workers")["items"]) == number)
        yield processes
    finally:
        for process in processes:
            stop_process(process)


def _now() -> datetime:
    return datetime.now(UTC)
