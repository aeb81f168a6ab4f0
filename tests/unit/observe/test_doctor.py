"""The doctor: every trouble it knows is made here for real, and told with what to do."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import resource
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.api_service import ApiHouse, api_house, served
from fakes.scripted_server import ScriptedServer, answer
from fakes.store_contract_leases import some_worker
from fakes.store_house import HandClock, claimed_item, completed, schedule
from typer.testing import CliRunner

from coursekeep_daemon.cli.app import make_app
from coursekeep_daemon.doctor import Finding, Health, examine
from coursekeep_daemon.doctor import database as database_steps
from coursekeep_daemon.package import Archive, StorageUnavailable
from coursekeep_daemon.package.targets import S3
from coursekeep_daemon.settings import EngineSettings, IntegrationSettings, Settings
from coursekeep_daemon.store import Store


class Deployment:
    """Settings, a data directory with a database, and an archive, all well."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.data, self.archive = folder / "data", folder / "archive"
        self.data.mkdir(mode=0o750)
        self.store_url = f"sqlite:///{self.data}/coursekeep.db"
        Store.upgrade(self.store_url)
        Archive.open(f"file://{self.archive}", organization="").prepare()
        self.sections: dict[str, str] = {"daemon": f'data_dir = "{self.data}"\nport = 1\n', "archive": "min_free = 1\n"}
        self.sections["archive"] += f'url = "file://{self.archive}"\n'

    @property
    def path(self) -> Path:
        path = self.folder / "settings.toml"
        path.write_text("\n".join(f"[{name}]\n{body}" for name, body in self.sections.items()))
        path.chmod(0o640)
        return path

    def examine(self, **more: Any) -> dict[str, Finding]:
        """Return the findings by step; of several in one step the last."""
        return {one.step: one for one in examine(self.path, **more)}

    def store(self, work: Any) -> Any:
        async def main() -> Any:
            async with Store(self.store_url) as store:
                await store.sync_integrations([("main", "canvas", {})])
                return await work(store)

        return asyncio.run(main())


@pytest.fixture
def deployment(tmp_path: Path) -> Deployment:
    return Deployment(tmp_path)


def expect(finding: Finding, health: Health, said: str) -> None:
    """Check how a step stands and what it says; what is not well has a remedy."""
    assert (finding.health, said in finding.detail) == (health, True), finding
    assert bool(finding.remedy) == (health is not Health.OK), finding


def test_a_sound_deployment_without_a_daemon(deployment: Deployment) -> None:
    """Nothing has failed; that no daemon runs is a warning. Nothing is changed by looking."""
    before = {path: path.stat().st_mtime_ns for path in deployment.folder.rglob("*") if path.is_file()}

    found = deployment.examine()

    assert {one.step for one in found.values() if one.health is Health.FAILED} == set()
    expect(found["daemon"], Health.WARNING, "no daemon answers at http://127.0.0.1:1")
    expect(found["daemon process"], Health.WARNING, "no daemon has worked in data_dir yet")
    expect(found["store"], Health.OK, "revision")
    expect(found["archive"], Health.OK, "is there")
    after = {path: path.stat().st_mtime_ns for path in deployment.folder.rglob("*") if path.is_file()}
    assert {path: after[path] for path in before if path.name != "settings.toml"} == {
        path: moment for path, moment in before.items() if path.name != "settings.toml"
    }


def test_settings_that_cannot_be_read_end_it(deployment: Deployment) -> None:
    """A wrong key is told with its place, and nothing else is claimed."""
    deployment.sections["store"] = 'urll = "x"\n'

    found = deployment.examine()

    assert list(found) == ["settings"]
    expect(found["settings"], Health.FAILED, "store.urll")


def test_secrets_that_are_missing_or_open(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that is not set has failed; a file or settings that all users can read are a warning."""
    base = 'connector = "canvas"\nbase_url = "http://127.0.0.1:1"\n'
    deployment.sections["integrations.main"] = f'{base}token = {{ env = "NOT_SET_9" }}\n'
    expect(deployment.examine()["secrets"], Health.FAILED, "NOT_SET_9 is not set")

    secret = deployment.folder / "token"
    secret.write_text("sesame-open-77")
    secret.chmod(0o644)
    deployment.sections["integrations.main"] = f'{base}token = {{ file = "{secret}" }}\n'
    expect(deployment.examine()["secrets"], Health.WARNING, f"can read {secret}")
    secret.chmod(0o640)
    expect(deployment.examine()["secrets"], Health.OK, "all are there")

    monkeypatch.delenv("CREDENTIALS_DIRECTORY", raising=False)
    deployment.sections["integrations.main"] = f'{base}token = {{ file = "${{CREDENTIALS_DIRECTORY}}/token" }}\n'
    expect(deployment.examine()["secrets"], Health.WARNING, "credential of the service")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(deployment.folder))
    expect(deployment.examine()["secrets"], Health.OK, "all are there")
    secret.chmod(0o644)
    expect(deployment.examine()["secrets"], Health.WARNING, f"can read {secret}")

    deployment.sections["integrations.main"] = f'{base}token = "sesame-open-77"\n'
    path = deployment.path
    path.chmod(0o644)
    found = {one.step: one for one in examine(path)}
    expect(found["secrets"], Health.WARNING, "integrations.main.token in plain text")
    assert "sesame" not in str(found)


def test_folders_of_others_and_full_disks(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file of another user, a folder that all can read, a missing folder and a full disk are told."""
    deployment.data.chmod(0o755)
    expect(deployment.examine()["data_dir"], Health.WARNING, "every user of this machine")
    if os.getuid() == 0:
        os.chown(deployment.data / "coursekeep.db", 12345, 12345)
        expect(deployment.examine()["data_dir"], Health.FAILED, "coursekeep.db")
        os.chown(deployment.data / "coursekeep.db", 0, 0)
    free = os.statvfs(deployment.data)
    total = free.f_bavail * free.f_frsize
    deployment.sections["archive"] = deployment.sections["archive"].replace("min_free = 1", f"min_free = {total * 2}")
    expect(deployment.examine()["archive room"], Health.FAILED, "less than archive.min_free")
    deployment.sections["daemon"] = f'data_dir = "{deployment.folder}/elsewhere"\nport = 1\n'
    found = deployment.examine()
    expect(found["data_dir"], Health.WARNING, "is not there yet")
    expect(found["store"], Health.FAILED, "There is no database")


def test_an_archive_that_is_away(deployment: Deployment) -> None:
    """A store that knows packages whose archive is not there has failed; without packages it is a warning."""
    deployment.archive.rename(deployment.folder / "unmounted")
    expect(deployment.examine()["archive"], Health.WARNING, "there is no archive")

    async def main() -> None:
        async with Store(deployment.store_url, clock=HandClock()) as store:
            await store.finish_item(completed(await claimed_item(store)))

    asyncio.run(main())
    expect(deployment.examine()["archive of the store"], Health.FAILED, "the store knows packages")


def test_replicas_and_buckets_that_are_away(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that is there is well, one that is not has failed; so has a bucket that gives no answer. No folder is
    made by looking."""
    copy, gone = deployment.folder / "copy", deployment.folder / "gone"
    Archive.open(f"file://{copy}", organization="").prepare()
    plain = deployment.sections["archive"]
    deployment.sections["archive"] += f'replicas = ["file://{copy}", "file://{gone}"]\n'
    found = deployment.examine()
    expect(found[f"replica {copy}"], Health.OK, "is there")
    expect(found[f"replica {gone}"], Health.FAILED, "no archive")
    assert not gone.exists()

    deployment.sections["archive"] = plain.replace(f"file://{deployment.archive}", "s3://away/courses")
    for setting in ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY"):
        monkeypatch.setenv(f"DOCTOR_{setting}", "made-up")
    deployment.sections["archive.s3"] = (
        'endpoint = "http://127.0.0.1:1"\nregion = "x"\naccess_key_id = { env = "DOCTOR_ACCESS_KEY_ID" }\n'
        'secret_access_key = { env = "DOCTOR_SECRET_ACCESS_KEY" }\n'
    )
    monkeypatch.setattr(S3, "exists", property(lambda target: unreachable(target.address)))
    found = deployment.examine()
    expect(found["bucket"], Health.FAILED, "cannot be reached")
    assert "archive" not in found
    monkeypatch.setattr(S3, "exists", property(lambda target: True))
    found = deployment.examine()
    expect(found["bucket"], Health.OK, "answers at s3://away/courses")
    expect(found["archive room"], Health.OK, "free")
    assert not (deployment.data / "staging").exists()


def unreachable(address: str) -> bool:
    raise StorageUnavailable(f"{address} cannot be reached.")


def test_workers_that_are_silent_old_or_set_otherwise(deployment: Deployment) -> None:
    """A worker without signs of life, one of another version and one that lacks an integration are each a warning."""
    own = importlib.metadata.version("coursekeep")
    integrations = {"main": IntegrationSettings(connector="canvas")}
    settings = Settings(engine=EngineSettings(kind="procrastinate"), integrations=integrations)

    async def trouble(store: Store) -> list[Finding]:
        for name, version, known in (("old", "0.0", ["main"]), ("poor", own, []), ("well", own, ["main"])):
            await store.enlist_worker(some_worker(name, version=version, integrations=known))
        found = await database_steps._workers(settings, store)
        later = datetime.now(UTC) + timedelta(minutes=1)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(store, "moment", lambda: asyncio.sleep(0, later))
            return [*found, *await database_steps._workers(settings, store)]

    found = deployment.store(trouble)

    assert [one.step for one in found] == [f"worker {name}" for name in ("old", "poor", "old", "poor", "well")]
    expect(found[0], Health.WARNING, f"it is version 0.0, this is {own}")
    expect(found[1], Health.WARNING, "its settings lack main")
    for one in found[2:]:
        expect(one, Health.WARNING, "its last sign of life was")


def test_a_database_of_another_release(deployment: Deployment) -> None:
    """A schema that this program does not know, or that is older, is told with the command that helps."""
    with sqlite3.connect(deployment.data / "coursekeep.db") as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0003'")
    connection.close()

    found = deployment.examine()

    expect(found["store"], Health.FAILED, "coursekeep db upgrade")
    assert "schedules" not in found


def test_what_is_halted_late_expired_and_undelivered(deployment: Deployment) -> None:
    """A halted integration, a late and a failing schedule, ended credentials and stuck messages are each a finding."""
    past = datetime.now(UTC) - timedelta(hours=5)

    async def trouble(store: Store) -> None:
        await store.halt_integration("main", "the token is refused")
        await store.put_schedule(schedule("late", cron="0 * * * *"))
        await store.schedule_fired("late", past, None)
        await store.put_schedule(schedule("broken", cron="0 0 1 1 *"))
        await store.schedule_fired("broken", datetime.now(UTC), None, error="no such term")
        for told in await store.unaddressed():
            await store.address(told.id, ["ops"])

    deployment.store(trouble)
    today = datetime.now(UTC).date()
    for name, day in (("main", today + timedelta(days=3)), ("old", today - timedelta(days=2))):
        deployment.sections[f"integrations.{name}"] = (
            f'connector = "canvas"\nbase_url = "http://127.0.0.1:1"\ntoken = "x"\nexpires_on = {day}\n'
        )

    found = deployment.examine()

    expect(found["integration main"], Health.FAILED, "the token is refused")
    expect(found["schedule late"], Health.FAILED, "has not started")
    expect(found["schedule broken"], Health.FAILED, "no such term")
    expect(found["credentials main"], Health.WARNING, "is the last day")
    expect(found["credentials old"], Health.FAILED, "is the last day")
    expect(found["notifications ops"], Health.WARNING, "1 messages")
    expect(found["clock of main"], Health.FAILED, "cannot be reached")


def test_limits_of_the_process(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    """Few file descriptors, a umask that lets others write, and a silent supervisor are told."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    monkeypatch.setenv("NOTIFY_SOCKET", str(deployment.folder / "nobody"))
    umask = os.umask(0o000)
    resource.setrlimit(resource.RLIMIT_NOFILE, (200, hard))
    try:
        found = deployment.examine()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        os.umask(umask)

    expect(found["open files"], Health.WARNING, "200 files")
    expect(found["umask"], Health.WARNING, "0000")
    expect(found["systemd"], Health.FAILED, "there is no socket")


def test_clocks_that_differ(deployment: Deployment) -> None:
    """An LMS whose clock is an hour away is a warning; a database whose clock is away has failed."""
    with ScriptedServer() as server:
        wrong = (datetime.now(UTC) - timedelta(hours=1)).strftime("%a, %d %b %Y %H:%M:%S GMT")
        server.on("/", answer("hello", headers={"Date": wrong}))
        deployment.sections["integrations.main"] = f'connector = "canvas"\nbase_url = "{server.url}/"\ntoken = "x"\n'
        found = deployment.examine()
        assert all("Authorization" not in seen.headers for seen in server.requests)

    expect(found["clock of main"], Health.WARNING, "differs by 36")
    expect(database_steps._clock(-9.0), Health.FAILED, "9.0 s")


@contextmanager
def running(folder: Path, change: Any) -> Iterator[tuple[str, str]]:
    """Serve a daemon's API from a thread of its own; yields its address and a token."""
    ready, stop = threading.Event(), threading.Event()
    told: list[str] = []

    async def main() -> None:
        async with api_house(folder) as house, served(house) as url:
            change(house)
            told.extend([url, house.tokens["read"]])
            ready.set()
            while not stop.is_set():
                await asyncio.sleep(0.01)

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    assert ready.wait(30)
    try:
        yield told[0], told[1]
    finally:
        stop.set()
        thread.join()


def test_what_a_running_daemon_says(deployment: Deployment, tmp_path: Path) -> None:
    """A daemon that is not ready, a plugin that failed, a token that is no good and a wrong public address are told."""

    def change(house: ApiHouse) -> None:
        house.service.reasons = {"storage": "the disk is full"}
        broken = SimpleNamespace(name="homegrown", distribution="x", version="1", state="failed", reason="ImportError")
        broken.traceback, broken.connectors, broken.sources = "", (), ()
        house.service.registry.plugins = lambda: [broken]

    (folder := tmp_path / "api").mkdir()
    with running(folder, change) as (url, token), socket.create_server(("127.0.0.1", 0)) as listener:
        dead = f"http://127.0.0.1:{listener.getsockname()[1]}"
        listener.close()
        deployment.sections["daemon"] += f'public_url = "{dead}"\n'
        found = deployment.examine(url=url, token=token)
        refused = deployment.examine(url=url, token="no-good")
        deployment.sections["daemon"] = deployment.sections["daemon"].replace(dead, url)
        reached = deployment.examine(url=url)

    expect(found["daemon"], Health.OK, "answers")
    expect(found["ready"], Health.FAILED, "the disk is full")
    expect(found["plugin homegrown"], Health.FAILED, "ImportError")
    expect(found["public_url"], Health.WARNING, "cannot be reached")
    expect(refused["plugins"], Health.WARNING, "refused to say")
    expect(reached["public_url"], Health.OK, "leads to a daemon")
    expect(reached["plugins"], Health.OK, "not asked")


def test_the_command(deployment: Deployment) -> None:
    """`coursekeep doctor` prints the steps, as JSON too, and exits 1 only where one failed."""
    path = str(deployment.path)
    good = CliRunner().invoke(make_app(), ["doctor", "--settings", path])
    as_json = CliRunner().invoke(make_app(), ["doctor", "--json", "--settings", path])
    (deployment.data / "coursekeep.db").unlink()
    bad = CliRunner().invoke(make_app(), ["doctor", "--json", "--settings", path])

    assert (good.exit_code, "no daemon answers" in good.stdout) == (0, True), good
    assert (as_json.exit_code, json.loads(as_json.stdout)["ok"]) == (0, True)
    assert set(json.loads(as_json.stdout)["steps"][0]) == {"step", "health", "detail", "remedy"}
    assert (bad.exit_code, json.loads(bad.stdout)["ok"]) == (1, False)
