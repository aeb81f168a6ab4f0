"""Settings that change what the service does, each seen at work."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from fakes.engines import service_class
from fakes.service_bench import Bench

import coursekeep
from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.package import Archive, StorageUnavailable
from coursekeep_daemon.registry import PluginState, Registry
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.service import Service


@pytest.fixture(scope="module")
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=10), throttle=False) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, server: CampusServer) -> Bench:
    return Bench(tmp_path, server)


class _EntryPoint:
    """An installed plugin, as importlib.metadata shows it."""

    dist = None
    group = "coursekeep"

    def __init__(self, name: str, plugin: object) -> None:
        self.name = self.value = name
        self._plugin = plugin

    def load(self) -> object:
        return self._plugin


class Listener:
    """A plugin that remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Mapping[str, Any]]] = []

    @coursekeep.hookimpl
    def run_started(self, run: Mapping[str, Any]) -> None:
        self.told.append(("run_started", run))

    @coursekeep.hookimpl
    def run_finished(self, run: Mapping[str, Any]) -> None:
        self.told.append(("run_finished", run))

    @coursekeep.hookimpl
    def course_archived(self, item: Mapping[str, Any]) -> None:
        self.told.append(("course_archived", item))

    @coursekeep.hookimpl
    def course_failed(self, item: Mapping[str, Any]) -> None:
        self.told.append(("course_failed", item))


def test_plugins_are_told_what_happens(bench: Bench, server: CampusServer) -> None:
    """Each event of a run reaches a plugin's hook once, in order, with the run or item."""
    import coursekeep_connectors

    listener = Listener()
    points = [_EntryPoint("builtin", coursekeep_connectors), _EntryPoint("listener", listener)]
    good, forbidden = str(server.known["late_grade"]), str(server.known["forbidden"])

    async def main() -> None:
        # a stop waits a tenth of it for plugins that have not heard everything yet
        async with bench.service(registry=Registry(points), daemon={"shutdown_timeout": 600}) as service:
            await bench.finished(service, await bench.run_ids(service, good, forbidden))

    asyncio.run(main())

    names = [name for name, _ in listener.told]
    assert names[0] == "run_started"
    assert names[-1] == "run_finished"
    assert sorted(names[1:-1]) == ["course_archived", "course_failed"]
    assert {name: item["ref"] for name, item in listener.told[1:-1]} == {
        "course_archived": good,
        "course_failed": forbidden,
    }


def test_disabled_plugins_are_not_loaded(bench: Bench) -> None:
    """`disabled_plugins` leaves an installed plugin unloaded, and shows it as disabled."""

    async def main() -> None:
        service = Service(bench.settings(daemon={"disabled_plugins": ["builtin"]}, integrations={}))
        service.settings.integrations.clear()
        async with service:
            (plugin,) = [plugin for plugin in service.registry.plugins() if plugin.name == "builtin"]
            assert plugin.state is PluginState.DISABLED
            assert "canvas" not in service.registry.connectors()

    asyncio.run(main())


def test_the_system_of_a_running_service(bench: Bench) -> None:
    """A running service tells its own storage, database, workers, and when the terms of its LMS are read next."""

    async def main() -> None:
        async with bench.service(engine={"concurrency": 3}) as service:
            found = await service.system()

        assert (found.ready, found.storage.writable, found.storage.reason) == (True, True, "")
        assert found.storage.address == f"file://{bench.folder}/archive"
        assert found.database.size is not None
        assert found.database.size > 0
        assert found.database.revision.isdecimal()
        assert (found.workers.concurrency, found.workers.in_flight, found.workers.queued) == (3, 0, 0)
        (refresh,) = found.terms_refreshes
        assert refresh.integration == "main"
        assert refresh.next_at is not None
        assert found.uptime.total_seconds() >= 0

    asyncio.run(main())


def test_files_beyond_max_file_size_are_gaps(bench: Bench, server: CampusServer) -> None:
    """`max_file_size` turns larger files into gaps named `too_large`; `files_at_once` = 1 still fetches the rest."""
    settings = bench.settings(archive={"max_file_size": 2500}, engine={"files_at_once": 1})

    async def main() -> None:
        async with service_class(settings)(settings) as service:
            run = await bench.finished(service, await bench.run_ids(service, str(server.known["late_grade"])))
            (item,) = (await bench.items(service, run)).values()
            assert item.status is ItemStatus.COMPLETED
            assert item.package_id is not None
            service.archive.extract(item.package_id, None, bench.folder / "out")
            gaps = (bench.folder / "out" / "data" / "gaps.jsonl").read_text()
            assert '"reason":"too_large"' in gaps
            assert any((bench.folder / "out" / "data" / "files").rglob("*.txt"))

    asyncio.run(main())


def test_an_archive_that_is_not_mounted_stops_the_start(bench: Bench, server: CampusServer) -> None:
    """Where the store knows packages and the archive is gone, the start stops and writes nothing there."""

    async def main() -> None:
        async with bench.service() as service:
            await bench.finished(service, await bench.run_ids(service, str(server.known["late_grade"])))
        (bench.folder / "archive").rename(bench.folder / "elsewhere")
        (bench.folder / "archive").mkdir()
        with pytest.raises(StorageUnavailable, match="Mount its disk"):
            await bench.service().start()
        assert list((bench.folder / "archive").iterdir()) == []

    asyncio.run(main())


def test_verification_is_kept_in_store_and_log(bench: Bench, server: CampusServer) -> None:
    """A verification is stored with the version, and appended to the package's own log, which makes no version."""

    async def main() -> None:
        async with bench.service() as service:
            run = await bench.finished(service, await bench.run_ids(service, str(server.known["late_grade"])))
            (item,) = (await bench.items(service, run)).values()
            assert item.package_id is not None
            report = await service.verify_package(item.package_id)
            (version,) = await service.store.package(item.package_id)
            archive: Archive = service.archive
            log = archive.root / version.path / "logs" / "fixity.jsonl"

            assert report.valid
            assert version.valid is True
            assert '"valid":true' in log.read_text()
            assert str(bench.folder) not in log.read_text()
            assert archive.verify(item.package_id).valid

    asyncio.run(main())


def test_a_verification_whose_log_cannot_be_written_is_kept_in_the_store(
    bench: Bench, server: CampusServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An archive that can be read but not written is verified: the report is given, and the store keeps it."""

    def refuse(*_: object) -> None:
        raise StorageUnavailable("read-only")

    async def main() -> None:
        async with bench.service() as service:
            run = await bench.finished(service, await bench.run_ids(service, str(server.known["late_grade"])))
            (item,) = (await bench.items(service, run)).values()
            assert item.package_id is not None
            monkeypatch.setattr(service.archive, "log_event", refuse)
            report = await service.verify_package(item.package_id)
            (version,) = await service.store.package(item.package_id)

            assert report.valid
            assert version.valid is True

    asyncio.run(main())


def test_metrics_tell_how_the_work_stands(bench: Bench, server: CampusServer) -> None:
    """Gauges are asked at every reading; counters count what became of courses."""

    async def main() -> None:
        async with bench.service() as service:
            await bench.finished(service, await bench.run_ids(service, str(server.known["late_grade"])))
            text = service.metrics.render().decode()

            assert 'coursekeep_courses_total{integration="main",status="completed"} 1.0' in text
            assert 'coursekeep_integration_held{integration="main"} 0.0' in text
            assert "coursekeep_storage_held 0.0" in text
            assert "coursekeep_courses_in_flight 0.0" in text

    asyncio.run(main())
