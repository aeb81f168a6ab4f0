"""The services of deploy/compose.yml, started by hand from their own commands, archive a campus while workers die."""

from __future__ import annotations

import contextlib
import os
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import obstore
import pytest
from fakes.compose_house import ComposeHouse
from fakes.daemon_process import CampusProcess, DaemonProcess, shared_data, wait_for
from obstore.store import S3Store

OULAD = shared_data("oulad")
SCRIPTS = Path(sys.executable).parent

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("compose")]


@contextlib.contextmanager
def house(campus: CampusProcess, **more: str) -> Iterator[tuple[ComposeHouse, DaemonProcess]]:
    """All services, with the campus as the LMS, and a caller of the daemon's API."""
    variables = {"COURSEKEEP_INTEGRATIONS__MAIN__BASE_URL": campus.url, **more}
    made = ComposeHouse(variables, {"lms_token": campus.tokens["admin"]})
    with made.running():
        daemon = DaemonProcess(made.folder / "caller", campus.url, campus.tokens["admin"])
        daemon.url = made.url()
        daemon.token = made.coursekeep("token", "create", "test", "--scope", "admin").split()[-1]
        yield made, daemon


@contextlib.contextmanager
def killing(workers: ComposeHouse, *, every: tuple[float, float], seed: int) -> Iterator[list[int]]:
    """Kill a worker at random moments, and start it again as the file says; yields the numbers of those killed."""
    dice, over, killed = random.Random(seed), threading.Event(), list[int]()

    def kill() -> None:
        while not over.wait(dice.uniform(*every)):
            victim = dice.choice(workers.of("worker"))
            assert victim.service.raw["restart"] == "unless-stopped"
            victim.kill()
            killed.append(victim.number)
            victim.start()

    thread = threading.Thread(target=kill)
    thread.start()
    try:
        yield killed
    finally:
        over.set()
        thread.join()


def fetched(made: ComposeHouse, folder: Path) -> Path:
    """Copy everything in the bucket into a folder, as any client of S3 would."""
    store = S3Store(
        "coursekeep",
        prefix="archive",
        endpoint=f"http://{made.of('objects')[0].address}:8333",
        region="us-east-1",
        access_key_id=(made.folder / "secrets/s3_access_key_id").read_text(),
        secret_access_key=(made.folder / "secrets/s3_secret_access_key").read_text(),
        client_options={"allow_http": True},
    )
    for page in obstore.list(store):
        for one in page:
            target = folder / one["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(obstore.get(store, one["path"]).bytes())
    return folder


def judged(*command: Any) -> None:
    """Run a verifier that is not ours; fails with what it says."""
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_three_workers_archive_every_ended_course_though_one_is_killed(tmp_path: Path) -> None:
    """From the file's own commands, a run ends complete, every package once and valid by ocfl-py, one worker killed."""
    before = {"before": datetime.now(UTC).date().isoformat()}
    with (
        CampusProcess.running("--no-throttle", "--delay-ms", "20", "--courses", "10") as campus,
        house(campus) as (made, daemon),
    ):
        run = daemon.start_run("end_date", before)
        wait_for("courses", lambda: daemon.get(f"/runs/{run}")["counts"]["completed"] >= 1)
        victim = made.of("worker")[0]
        victim.kill()
        ended = daemon.finished(run)
        items = daemon.items(run)
        archive = fetched(made, tmp_path / "archive")

    assert ended["counts"]["completed"] == len(campus.courses["ended"])
    assert len({item["ref"] for item in items}) == len(items) == sum(ended["counts"].values())
    assert {item["package_version"] for item in items if item["status"] == "completed"} == {1}
    judged(SCRIPTS / "ocfl-root.py", "validate", "--root", archive)


@pytest.mark.skipif(
    os.environ.get("COURSEKEEP_COMPOSE") != "oulad" or OULAD is None,
    reason="the whole proof takes minutes: `make compose-by-hand`, with the open learning data beside the checkout",
)
def test_the_oulad_campus_is_archived_by_three_workers_that_are_killed_at_random(tmp_path: Path) -> None:
    """All 22 presentations are archived once, every package valid by ocfl-py and bagit, while workers are killed."""
    seed = int(os.environ.get("COURSEKEEP_COMPOSE_SEED", "1"))
    with (
        CampusProcess.running("--oulad", str(OULAD), "--no-throttle") as campus,
        house(campus, COURSEKEEP_ENGINE__MAX_ATTEMPTS="100") as (made, daemon),
    ):
        with killing(made, every=(4.0, 12.0), seed=seed) as killed:
            run = daemon.finished(daemon.start_run("end_date", {"before": "2020-01-01"}), seconds=1800)
        items = daemon.items(run["id"])
        archive = fetched(made, tmp_path / "archive")
        for item in items:
            path = f"/packages/{item['package_id']}/versions/{item['package_version']}/download"
            zipped, bags = tmp_path / "bag.zip", tmp_path / "bags" / item["course_id"]
            zipped.write_bytes(daemon.call("GET", path).raise_for_status().content)
            judged("-m", "zipfile", "-e", zipped, bags)
            judged(SCRIPTS / "bagit.py", "--validate", "--quiet", next(bags.iterdir()))

    assert run["counts"]["completed"] == len(items) == 22, run
    assert {item["package_version"] for item in items} == {1}
    assert len(killed) >= 5, "the run ended before workers were killed"
    judged(SCRIPTS / "ocfl-root.py", "validate", "--root", archive)
    objects = [path.parent for path in archive.rglob("0=ocfl_object_1.1")]
    assert len(objects) == 22
    judged(SCRIPTS / "ocfl-validate.py", *objects)
