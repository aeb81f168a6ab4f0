"""The guide to backups, followed to the letter: back up, lose everything, restore, verify, and go on."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for
from fakes.engines import store_of
from fakes.postgres_server import Databases, PostgresServer, binaries

pytestmark = pytest.mark.slow

REQUEST = ("end_date", {"before": datetime.now(UTC).date().isoformat()})


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    made = PostgresServer()
    yield made
    made.remove()


class SqliteFile:
    """A store in a file: how the guide copies it, loses it and puts it back."""

    def __init__(self, daemon: DaemonProcess, kept: Path) -> None:
        self.daemon, self.kept = daemon, kept / "coursekeep.db"
        self.file = daemon.home / "data" / "coursekeep.db"

    def dump(self) -> None:
        """Copy it while the daemon works."""
        self.daemon.cli("db", "backup", str(self.kept))

    def lose(self) -> None:
        """Leave nothing of it."""
        for path in self.file.parent.glob("coursekeep.db*"):
            path.unlink()

    def restore(self) -> None:
        """Put the copy where it was."""
        self.file.parent.mkdir(exist_ok=True)
        shutil.copy(self.kept, self.file)


class PostgresDatabase:
    """A store in PostgreSQL, likewise."""

    def __init__(self, daemon: DaemonProcess, kept: Path) -> None:
        self.daemon, self.kept = daemon, kept / "coursekeep.dump"
        self.server = daemon.store_url

    def dump(self) -> None:
        """Dump it while the daemon works."""
        self._run("pg_dump", "--format=custom", f"--file={self.kept}", self.server)

    def lose(self) -> None:
        """Leave nothing of it: the database is empty."""
        self._run("psql", "--quiet", "--command=DROP SCHEMA public CASCADE; CREATE SCHEMA public", self.server)

    def restore(self) -> None:
        """Fill the empty database from the dump."""
        self._run("pg_restore", "--exit-on-error", "--no-owner", f"--dbname={self.server}", str(self.kept))

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([binaries() / program, *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def known(daemon: DaemonProcess) -> dict[str, int]:
    """Return what the daemon knows: packages with their newest versions."""
    found = daemon.get("/courses", archived="true", limit=200)["items"]
    return {one["package_id"]: one["package_version"] for one in found}


def held(archive: Path) -> dict[str, int]:
    """Return what the archive holds, without what is only being written: packages with their newest versions."""
    objects: list[Path] = []
    for folder, below, files in os.walk(archive):  # unlike `rglob` it bears folders that vanish meanwhile
        if "extensions" in below:
            below.remove("extensions")
        if "0=ocfl_object_1.1" in files:
            objects.append(Path(folder))
    found = [json.loads((path / "inventory.json").read_text()) for path in objects]
    return {one["id"]: int(one["head"].removeprefix("v")) for one in found}


def turn(daemon: DaemonProcess, run: int, action: str) -> None:
    """Pause or resume a run."""
    answer = daemon.call("POST", f"/runs/{run}/{action}")
    assert answer.is_success, answer.text


@pytest.fixture(params=["sqlite", "postgresql"])
def daemon(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DaemonProcess]:
    """A daemon over a small campus, with the store in either database."""
    url = ""
    if request.param == "sqlite" and not store_of(tmp_path).startswith("sqlite"):
        pytest.skip("these tests run with every store in PostgreSQL, which has a backup of its own")
    if request.param == "postgresql":
        url = Databases(request.getfixturevalue("server").url("postgres")).empty()
    with CampusProcess.running("--no-throttle", "--delay-ms", "15", "--courses", "24") as campus:
        made = DaemonProcess(tmp_path / "home", campus.url, campus.tokens["admin"], store_url=url)
        yield made
        if made.process is not None:
            made.stop()


def test_what_was_backed_up_is_restored_and_goes_on(daemon: DaemonProcess, tmp_path: Path) -> None:
    """Store first, archive second: after a loss of both, the run ends complete, with every package once and valid.

    The store is older than the archive, as it is after every such backup: what it does not know is not archived twice.
    """
    (kept := tmp_path / "kept").mkdir()
    database = (PostgresDatabase if daemon.store_url else SqliteFile)(daemon, kept)
    daemon.start()
    run = daemon.start_run(*REQUEST)
    wait_for("courses", lambda: daemon.get(f"/runs/{run}")["counts"]["completed"] >= 1)
    turn(daemon, run, "pause")  # else a slow machine has archived everything before the store is copied
    wait_for("what is in flight", lambda: not daemon.get(f"/runs/{run}")["counts"]["processing"])
    database.dump()
    before = known(daemon)
    turn(daemon, run, "resume")
    wait_for("more courses", lambda: len(held(daemon.archive)) > len(before))
    daemon.kill()
    shutil.copytree(daemon.archive, kept / "archive")
    copied = held(kept / "archive")
    assert set(before) < set(copied), "the store knew a package that the copy of the archive lacks"
    shutil.rmtree(daemon.home / "data")
    shutil.rmtree(daemon.archive)
    database.lose()

    database.restore()
    shutil.copytree(kept / "archive", daemon.archive)
    rebuilt = json.loads(daemon.cli("db", "rebuild", "--json").stdout)
    daemon.start()
    restored = known(daemon)
    turn(daemon, run, "resume")
    ended = daemon.finished(run)
    everything = held(daemon.archive)
    report = json.loads(daemon.cli("package", "verify", str(daemon.archive), "--json").stdout)

    assert (rebuilt["packages"], rebuilt["versions"], rebuilt["damaged"]) == (len(copied), len(copied), {})
    assert restored == copied
    assert ended["counts"]["completed"] == len(everything) > len(copied)
    assert set(everything.values()) == {1}
    assert report["valid"] is True
    _lose_the_store_for_good(daemon, database, everything)


def _lose_the_store_for_good(
    daemon: DaemonProcess, database: SqliteFile | PostgresDatabase, everything: dict[str, int]
) -> None:
    """The archive brings back all packages into a new store, and a run skips them."""
    daemon.stop()
    database.lose()
    daemon.token = ""
    daemon.start()
    assert known(daemon) == {}
    again = json.loads(daemon.cli("db", "rebuild", "--json").stdout)
    twice = json.loads(daemon.cli("db", "rebuild", "--json").stdout)
    found = known(daemon)
    skipped = daemon.finished(daemon.start_run(*REQUEST))

    assert (again["added"], twice["added"]) == (len(everything), 0)
    assert found == everything
    assert skipped["counts"]["completed"] == 0
    assert skipped["counts"]["skipped"] == len(everything)
