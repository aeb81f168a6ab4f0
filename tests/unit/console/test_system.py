"""The system: what the page, the API and the command line say of the daemon, and to whom."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.api_service import served
from fakes.cli_process import coursekeep
from fakes.console_house import ConsoleHouse, in_console
from fakes.package_kit import new_archive
from fakes.store_contract_leases import some_worker

from coursekeep_daemon import system
from coursekeep_daemon.registry import PluginRecord, PluginState
from coursekeep_daemon.settings import ArchiveSettings, EngineSettings, IntegrationSettings, Settings
from coursekeep_daemon.store import ReplicaState

BROKEN = PluginRecord(
    name="ourlms",
    distribution="our-lms",
    version="2.0",
    state=PluginState.FAILED,
    reason="ImportError: no module <ourlms>",
    traceback="Traceback (most recent call last): here",
)
GOOD = PluginRecord(
    name="builtin",
    distribution="coursekeep",
    version="0.1",
    state=PluginState.ENABLED,
    connectors=("canvas",),
    sources=("terms", "csv"),
)


def _with_plugins(house: ConsoleHouse) -> None:
    service: Any = house.api.service
    service.registry = SimpleNamespace(plugins=lambda: [GOOD, BROKEN])


def _with_settings(house: ConsoleHouse) -> None:
    service: Any = house.api.service
    main: dict[str, Any] = {"connector": "canvas", "token": "SECRET1", "base_url": "https://me:SECRET2@lms.example"}
    service.settings = Settings(
        archive=ArchiveSettings(url="file://user:SECRET3@srv/archive"),
        integrations={"main": IntegrationSettings(**main)},
    )


def test_the_page_tells_how_the_daemon_stands() -> None:
    """Plugins with what they bring, versions, storage, database, workers and the next refresh of terms are shown."""

    async def test(house: ConsoleHouse) -> None:
        _with_plugins(house)
        page = (await (await house.signed_in("viewer")).get("/system")).text

        assert ">Ready<" in page
        assert "5.0 GB of 10.0 GB; no course is begun below 1.1 GB" in page
        assert ">Writable<" in page
        assert f"revision {await house.api.store.revision()}" in page
        assert "2 of at most 4 courses at once" in page
        assert "no module &lt;ourlms&gt;" in page
        assert "terms, csv" in page
        assert 'datetime="2030-01-02T00:00:00Z"' in page
        assert "sqlalchemy" in page

    in_console(test)


def test_only_administrators_see_configuration_and_tracebacks() -> None:
    """A viewer and an operator see the page without both; an administrator sees them, without any secret."""

    async def test(house: ConsoleHouse) -> None:
        _with_plugins(house)
        _with_settings(house)
        for role, sees in (("viewer", False), ("operator", False), ("administrator", True)):
            page = (await (await house.signed_in(role)).get("/system")).text
            assert ("Traceback (most recent call last)" in page) is sees, role
            assert ("max_file_size" in page) is sees, role
            assert ("Configuration" in page) is sees, role
            assert "SECRET" not in page, role

    in_console(test)


def test_what_is_wrong_is_said() -> None:
    """A daemon that is not ready, and storage that holds all imports, are told with their reasons."""

    async def test(house: ConsoleHouse) -> None:
        service: Any = house.api.service
        service.reasons = {"storage": "the disk is full"}
        service.holds.storage_trouble("the disk is full")
        page = (await (await house.signed_in("viewer")).get("/system")).text
        async with house.api.client("read") as client:
            told = (await client.get("/system")).json()

        assert ">Not ready<" in page
        assert ">Holds all imports<" in page
        assert "the disk is full" in page
        assert (told["ready"], told["storage"]["writable"]) == (False, False)
        assert told["storage"]["reason"] == "the disk is full"

    in_console(test)


def test_an_archive_that_is_away_leaves_the_page() -> None:
    """Where the archive cannot be seen its free space is not known, and it does not count as writable."""

    async def test(house: ConsoleHouse) -> None:
        with tempfile.TemporaryDirectory() as folder:
            service: Any = house.api.service
            service.archive = new_archive(Path(folder) / "archive")
            well = await service.system()
            service.archive.root.rename(Path(folder) / "away")
            away = await service.system()

        assert well.storage.writable
        assert 0 < well.storage.free < well.storage.size
        assert (away.storage.writable, away.storage.free) == (False, None)
        assert "Check that its disk is mounted" in away.storage.reason

    in_console(test)


def test_a_file_system_that_does_not_answer_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who ask while it hangs are told so after a while, and wait for one and the same answer."""
    monkeypatch.setattr(system, "_PATIENCE", 0.02)

    async def test(house: ConsoleHouse) -> None:
        service: Any = house.api.service
        answers, asked = threading.Event(), []

        def space() -> tuple[int, int]:
            asked.append(1)
            answers.wait(30)
            return 1, 2

        service.archive = SimpleNamespace(space=space)
        try:
            found = await asyncio.gather(service.system(), service.system())
        finally:
            answers.set()

        assert len(asked) == 1
        assert [each.storage.free for each in found] == [None, None]
        assert "has not answered" in found[0].storage.reason

    in_console(test)


def test_the_time_since_the_start_is_told() -> None:
    """The uptime counts from when the daemon made its view of the system."""

    async def test(house: ConsoleHouse) -> None:
        service: Any = house.api.service
        moment = datetime(2026, 1, 1, tzinfo=UTC)
        service.clock = lambda: moment
        service.system = system.SystemView(service)
        service.clock = lambda: moment + timedelta(hours=3)
        async with house.api.client("read") as client:
            told = (await client.get("/system")).json()

        assert (told["started_at"], told["uptime_seconds"]) == ("2026-01-01T00:00:00Z", 10_800)

    in_console(test)


def test_the_api_tells_no_configuration() -> None:
    """`GET /system` gives addresses without credentials, and no setting of an integration but its refresh of terms."""

    async def test(house: ConsoleHouse) -> None:
        _with_settings(house)
        async with house.api.client("read") as client:
            answer = await client.get("/system")

        assert "SECRET" not in answer.text
        assert answer.json()["terms_refreshes"][0]["integration"] == "main"
        assert answer.json()["storage"]["address"] == "file://***@srv/archive"

    in_console(test)


def test_replicas_are_listed_with_what_is_wrong() -> None:
    """Page, API and command say of each replica whether it is up to date, behind, away, or not known, and why."""
    away = ReplicaState(address="/mnt/copy", away_since=datetime(2030, 1, 1, tzinfo=UTC), reason="The disk is <away>.")
    behind = ReplicaState(
        address="s3://copy/a", behind=1, behind_why={"urn:uuid:1": "damaged"}, compared_at=away.away_since
    )
    well = ReplicaState(address="/mnt/well", compared_at=away.away_since)
    fresh = ReplicaState(address="/mnt/fresh")

    async def test(house: ConsoleHouse) -> None:
        service: Any = house.api.service
        service.replicas_known = [away, behind, well, fresh, ReplicaState(address="/mnt/busy", copying=True)]
        page = (await (await house.signed_in("viewer")).get("/system")).text
        async with served(house.api) as url:
            done = await coursekeep(
                "system", COURSEKEEP_URL=url, COURSEKEEP_TOKEN=house.api.tokens["read"], COLUMNS="200"
            )
            async with house.api.client("read") as client:
                told = (await client.get("/system")).json()["replicas"]

        standing = ["away", "behind", "current", "unknown", "copying"]
        assert [each["standing"] for each in told] == standing
        assert [each["behind"] for each in told] == [0, 1, 0, 0, 0]
        assert told[0]["away_since"] == "2030-01-01T00:00:00Z"
        assert [each["reason"] for each in told] == ["The disk is <away>.", "damaged", "", "", ""]
        assert "The disk is &lt;away&gt;." in page
        assert ">Behind</span> by 1 package<" in page
        for words in ("Up to date", "Not compared yet", "Being copied to"):
            assert page.count(f">{words}<") == 1
        assert all(word in done.out for word in standing)

    in_console(test)


def test_running_workers_are_listed() -> None:
    """Page, API and command name each worker with its slots; where none runs, the page says what to start."""

    async def test(house: ConsoleHouse) -> None:
        service: Any = house.api.service
        service.settings = Settings(engine=EngineSettings(kind="procrastinate"))
        browser = await house.signed_in("viewer")
        assert "Start <code>coursekeep worker</code>" in (await browser.get("/system")).text
        await house.api.store.enlist_worker(some_worker("east", concurrency=3))
        await house.api.store.enlist_worker(some_worker("west", draining=True))
        page = (await browser.get("/system")).text
        async with house.api.client("read") as client:
            told = (await client.get("/workers")).json()["items"]
        async with served(house.api) as url:
            done = await coursekeep("system", COURSEKEEP_URL=url, COURSEKEEP_TOKEN=house.api.tokens["read"])

        assert "0 of at most 3 courses at once" in page
        assert "<strong>west</strong> <span" in page
        assert [(each["name"], each["concurrency"], each["busy"]) for each in told] == [("east", 3, 0), ("west", 2, 0)]
        assert "east" in done.out

    in_console(test)


def test_the_commands_say_the_same() -> None:
    """`coursekeep system` prints it, as JSON too, and exits 1 where the daemon is not ready."""

    async def test(house: ConsoleHouse) -> None:
        async with served(house.api) as url:
            to = {"COURSEKEEP_URL": url, "COURSEKEEP_TOKEN": house.api.tokens["read"]}
            table = await coursekeep("system", **to)
            json = await coursekeep("system", "--json", **to)
            house.api.service.reasons = {"storage": "full"}
            bad = await coursekeep("system", **to)

        assert (table.code, json.code, bad.code) == (0, 0, 1), table.err + json.err
        assert "workers in flight" in table.out
        assert "2030-01-02" in table.out
        assert json.json["workers"]["in_flight"] == 2
        assert "reasons storage" in bad.out

    in_console(test)
