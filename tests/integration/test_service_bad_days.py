"""Bad days over real HTTP: nothing is lost, nothing is half done, and the next chance goes on."""

from __future__ import annotations

import asyncio
import glob
import importlib.metadata
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from fakes.engines import has_workers
from fakes.service_bench import Bench, at_rest, eventually

from coursekeep import CheckStep, SettingsError
from coursekeep_campus import CampusServer, Fault, generated
from coursekeep_daemon.lock import DataDirLocked
from coursekeep_daemon.package import Committed, PackageWriter, StorageFull
from coursekeep_daemon.registry import PluginState, Registry
from coursekeep_daemon.runs.holds import HoldLevel
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import PauseLevel, StoreError


@pytest.fixture
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=10), throttle=False) as server:
        yield server


#: breaks the service's own store or archive, which a worker beside it does not work with
of_the_daemon = pytest.mark.skipif(has_workers(), reason="test_workers.py has it with workers")


@pytest.fixture
def bench(tmp_path: Path, server: CampusServer) -> Bench:
    return Bench(tmp_path, server)


def ended(server: CampusServer, count: int = 3) -> list[str]:
    return [str(one) for one in server.known["ended"][:count]]


async def packages(service: Any) -> dict[str, int]:
    """Return the newest version of every package, by course."""
    heads = [await asyncio.to_thread(service.archive.head, one) for one in service.archive.objects()]
    return {head.course_id: head.version for head in heads}


def test_a_restart_in_the_middle_goes_on_without_a_second_version(bench, server):
    """A stop breaks courses off; the next start takes them again, and every course ends with one version."""
    courses = ended(server)
    server.faults.add(Fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=60, times=4))

    async def main() -> None:
        async with bench.service(daemon={"shutdown_timeout": 0.2}) as service:
            run = await bench.run_ids(service, *courses)

            async def in_flight() -> bool:
                now = await service.store.run(run.id)
                return now is not None and now.counts[ItemStatus.PROCESSING] == len(courses)

            await eventually(in_flight)
        server.faults.clear()
        async with bench.service() as service:
            now = await bench.finished(service, run)
            items = await bench.items(service, run)

            assert now.status is RunStatus.COMPLETED
            assert {item.attempts for item in items.values()} == {1}  # a stop does not count
            assert await packages(service) == dict.fromkeys(courses, 1)
            staging = service.archive.root / "extensions" / "coursekeep-staging"
            # the check of whether the archive can be written to may be at work there
            await eventually(lambda: not glob.glob(f"{staging}/*/*", include_hidden=True))

    asyncio.run(main())


@of_the_daemon
def test_a_package_whose_process_died_before_the_store_was_told_is_found(bench, server):
    """A crash between the two commits ends as completed, from the package, without asking the LMS again."""
    (course,) = ended(server, 1)

    async def main() -> None:
        async with bench.service(daemon={"shutdown_timeout": 0}) as service:

            async def dies(result: Any) -> Any:
                await asyncio.Event().wait()

            service.store.finish_item = dies  # type: ignore[method-assign]
            run = await bench.run_ids(service, course)
            await eventually(lambda: list(service.archive.objects()))
            service.store.finish_item = fails  # type: ignore[method-assign]
        before = len(server.requests)
        async with bench.service() as service:
            await bench.finished(service, run)
            (item,) = (await bench.items(service, run)).values()

            assert (item.status, item.package_version, item.attempts) == (ItemStatus.COMPLETED, 1, 2)
            exported = [one for one in list(server.requests)[before:] if f"/courses/{course}/users" in one.path]
            assert exported == []
            assert len(await service.store.package(item.package_id or "")) == 1

    async def fails(result: Any) -> Any:
        raise StoreError("the process is dead")

    asyncio.run(main())


def test_expired_credentials_halt_the_integration_with_one_alert(bench, server):
    """Items stay queued and uncounted, the run says what holds it, and a good check lets it go on."""
    courses = ended(server)
    server.faults.add(Fault(match="GET /api/v1/*", kind="token_expires_after", after=30))

    async def main() -> None:
        async with bench.service() as service:
            with structlog.testing.capture_logs() as events:
                run = await bench.run_ids(service, *courses)
                hold = await eventually(lambda: service.holds.hold(run))
                await eventually(lambda: at_rest(service))
            items = await bench.items(service, run)
            checked = await service.check("main")
            still = service.holds.hold(run)

            assert hold.level is HoldLevel.CREDENTIALS
            assert [one["event"] for one in events].count("credentials_needed") == 1
            assert {item.status for item in items.values()} <= {ItemStatus.QUEUED, ItemStatus.COMPLETED}
            assert {item.attempts for item in items.values() if item.status is ItemStatus.QUEUED} == {0}
            assert not all(step.ok for step in checked)
            assert still is not None

            server.faults.clear()
            assert all(step.ok for step in await service.check("main"))
            assert (await bench.finished(service, run)).status is RunStatus.COMPLETED

    asyncio.run(main())


def test_an_outage_is_waited_for(bench, server):
    """While the LMS is down the run is held, says so, and loses no course; then it goes on by itself."""
    courses = ended(server)

    async def main() -> None:
        async with bench.service() as service:
            server.faults.add(Fault(match="*", kind="outage"))
            run = await bench.run_ids(service, *courses)
            hold = await eventually(lambda: service.holds.hold(run))
            server.faults.clear()
            now = await bench.finished(service, run)

            assert hold.level is HoldLevel.LMS
            assert now.status is RunStatus.COMPLETED
            assert now.counts[ItemStatus.COMPLETED] == len(courses)

    asyncio.run(main())


@of_the_daemon
def test_a_full_disk_halts_the_run_until_there_is_room(bench, server):
    """No attempt is counted and nothing half done remains; room made, the run goes on by itself."""
    courses = ended(server)

    async def main() -> None:
        async with bench.service() as service:
            disk = FullDisk(service)
            run = await bench.run_ids(service, *courses)
            hold = await eventually(lambda: service.holds.hold(run))
            await eventually(lambda: at_rest(service))
            ready, reasons = await service.ready()
            waiting = await bench.items(service, run)
            disk.full = False
            now = await bench.finished(service, run)

            assert hold.level is HoldLevel.STORAGE
            assert (ready, list(reasons)) == (False, ["storage"])
            assert {item.status for item in waiting.values()} == {ItemStatus.QUEUED}
            assert {item.attempts for item in waiting.values()} == {0}
            assert now.status is RunStatus.COMPLETED
            assert await service.ready() == (True, {})

    asyncio.run(main())


class FullDisk:
    """Makes every commit of a service's archive fail while it is full, and from the first on every probe."""

    def __init__(self, service: Service) -> None:
        self.full = True
        self.noticed = False
        self._check = service.archive.check_writable
        self._writer = service.archive.writer
        service.leader.watch._check_writable = self.check_writable
        service.archive.writer = self.writer  # type: ignore[method-assign]

    def check_writable(self) -> int:
        if self.full and self.noticed:
            raise StorageFull("no space left")
        return self._check()

    def commit(self) -> Committed:
        self.noticed = True
        raise StorageFull("no space left")

    def writer(self, *args: Any) -> PackageWriter:
        writer = self._writer(*args)
        if self.full:
            writer.commit = self.commit  # type: ignore[method-assign,assignment]
        return writer


def test_too_little_free_space_holds_before_the_disk_is_full(bench, server):
    """`archive.min_free` keeps courses from being begun."""

    async def main() -> None:
        async with bench.service(archive={"min_free": 2**60}) as service:
            run = await bench.run_ids(service, *ended(server, 1))
            hold = service.holds.hold(run)

            assert hold is not None
            assert "archive.min_free" in hold.reason

    asyncio.run(main())


def test_a_second_daemon_on_the_data_directory_names_the_first(bench):
    """The second refuses to start, saying which process holds the directory; the first goes on."""

    async def main() -> None:
        async with bench.service() as first:
            with pytest.raises(DataDirLocked, match=r"process \d+ on .* since .*stop it first"):
                await bench.service().start()
            assert await first.ready() == (True, {})
        async with bench.service() as again:
            assert await again.ready() == (True, {})

    asyncio.run(main())


def test_a_broken_plugin_stops_neither_daemon_nor_runs(bench, server):
    """A third-party plugin that cannot be imported is shown with its traceback; the others work."""
    broken = importlib.metadata.EntryPoint(name="strangers", value="no_such_module_here", group="coursekeep")
    entry_points = [broken, *importlib.metadata.entry_points(group="coursekeep")]

    async def main() -> None:
        async with bench.service(
            registry=Registry(entry_points), integrations={"other": {"connector": "strange", "base_url": "http://x"}}
        ) as service:
            run = await bench.finished(service, await bench.run_ids(service, *ended(server, 1)))
            states = {plugin.name: plugin.state for plugin in service.registry.plugins()}
            other, _ = await service.start_run(bench.request("other"), by="tester")
            hold = service.holds.hold(other)

            assert run.status is RunStatus.COMPLETED
            assert states["strangers"] is PluginState.FAILED
            assert hold is not None
            assert "strangers" in hold.reason

    asyncio.run(main())


@pytest.mark.parametrize(
    ("integration", "says"),
    [
        ({"connector": "canvsa"}, "did you mean canvas?"),
        ({"acount": "1"}, "did you mean account?"),
        ({"token": {"env": "NO_SUCH_VARIABLE"}}, "NO_SUCH_VARIABLE is not set"),
        ({"terms_refresh": "often"}, "terms_refresh"),
    ],
)
def test_wrong_settings_stop_the_start_and_leave_nothing_running(bench, integration, says):
    """An error names the key; the lock is free again afterwards."""
    right = dict(bench.integration)

    async def main() -> None:
        bench.integration = right | integration
        with pytest.raises(SettingsError) as caught:
            await bench.service().start()
        bench.integration = right
        async with bench.service() as service:
            assert await service.ready() == (True, {})
        assert says in str(caught.value)
        assert "integrations.main" in str(caught.value)

    asyncio.run(main())


def test_an_archive_that_cannot_be_written_stops_the_start(bench):
    """A path that is no folder is refused with the path."""

    async def main() -> None:
        (bench.folder / "archive").write_text("in the way")
        with pytest.raises(Exception, match="archive"):
            await bench.service().start()

    asyncio.run(main())


@pytest.mark.parametrize("level", list(PauseLevel))
def test_a_pause_holds_at_each_level(bench, server, level):
    """What is queued waits while a pause is in force, the level is shown, and a resume lets it go on."""
    target = {PauseLevel.ALL: "", PauseLevel.INTEGRATION: "main", PauseLevel.RUN: "1"}[level]

    async def main() -> None:
        async with bench.service() as service:
            if level is not PauseLevel.RUN:
                await service.store.pause(level, target, "tester")
                await service.holds.refresh()
            run = await bench.run_ids(service, *ended(server, 1))
            if level is PauseLevel.RUN:
                await service.store.pause(level, target, "tester")
                await service.holds.refresh()
            hold = service.holds.hold(run)
            await service.store.resume(level, target)
            await service.holds.refresh()
            now = await bench.finished(service, run)

            assert hold is not None
            assert (hold.level.value, hold.reason) == (level.value, "paused by tester")
            assert now.status is RunStatus.COMPLETED

    asyncio.run(main())


def test_a_halt_is_lifted_by_a_restart_with_good_credentials(bench, server):
    """An operator who renews the token and restarts the daemon need do no more."""
    (course,) = ended(server, 1)
    good = bench.integration["token"]

    async def main() -> None:
        bench.integration["token"] = server.tokens["expired"]
        async with bench.service() as service:
            run = await bench.run_ids(service, course)
            hold = await eventually(lambda: service.holds.hold(run))
            assert hold.level is HoldLevel.CREDENTIALS
        bench.integration["token"] = good
        async with bench.service() as service:
            assert (await bench.finished(service, run)).status is RunStatus.COMPLETED

    asyncio.run(main())


def test_a_check_that_fails_says_what_to_do(bench, server):
    """A revoked token shows as a failed step with a remedy, kept in the store."""
    bench.integration["token"] = server.tokens["revoked"]

    async def main() -> None:
        async with bench.service() as service:
            steps: list[CheckStep] = await service.check("main")

            failed = [step for step in steps if not step.ok]
            assert failed
            assert failed[0].remedy

    asyncio.run(main())
