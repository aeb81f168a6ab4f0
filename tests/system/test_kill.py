"""SIGKILL at random moments: nothing lost, nothing half, nothing twice."""

from __future__ import annotations

import json
import random
import subprocess
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess

pytestmark = pytest.mark.slow

KILLS = 20


def payloads(archive: Path) -> dict[str, tuple[list[str], dict[str, list[str]]]]:
    """Return per object its versions and the content of its head, without what tells when and by whom it was made."""
    found = {}
    for inventory in archive.rglob("0=ocfl_object_1.1"):
        facts = json.loads((inventory.parent / "inventory.json").read_text())
        state = facts["versions"][facts["head"]]["state"]
        content = {
            digest: sorted(path for path in paths if path.startswith(("data/records/", "data/files/", "data/native/")))
            for digest, paths in state.items()
        }
        found[facts["id"]] = (sorted(facts["versions"]), {k: v for k, v in sorted(content.items()) if v})
    return found


def test_killed_at_twenty_random_moments_every_course_ends_with_the_same_package(tmp_path: Path) -> None:
    """A run whose daemon is killed 20 times ends with the packages of an undisturbed run, none half, none twice."""
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201  # shown where the test fails
    dice = random.Random(seed)
    request = ("end_date", {"before": datetime.now(UTC).date().isoformat()})
    with CampusProcess.running("--no-throttle", "--delay-ms", "20") as campus:
        token = campus.tokens["admin"]
        calm = DaemonProcess(tmp_path / "calm", campus.url, token)
        with calm.running():
            undisturbed = calm.finished(calm.start_run(*request))

        killed = DaemonProcess(tmp_path / "killed", campus.url, token, {"engine": "max_attempts = 100"})
        with killed.running():
            run = killed.start_run(*request)
            for kill in range(1, KILLS + 1):
                assert killed.process is not None
                with suppress(subprocess.TimeoutExpired):
                    killed.process.wait(dice.uniform(0.0, 2.0))
                assert killed.get(f"/runs/{run}")["finished_at"] is None, f"the run ended before kill {kill}"
                killed.kill()
                killed.start()
            disturbed = killed.finished(run)
            items = killed.items(run)
            report = killed.cli("package", "verify", str(killed.archive), "--json")

    assert disturbed["counts"] == undisturbed["counts"]
    assert disturbed["counts"]["completed"] == len(payloads(calm.archive)) == len(campus.courses["ended"])
    assert len(items) == len(campus.courses["ended"]) + disturbed["counts"]["failed"]
    assert payloads(killed.archive) == payloads(calm.archive)
    assert all(versions == ["v1"] for versions, _ in payloads(killed.archive).values())
    assert json.loads(report.stdout)["valid"] is True
    assert max(item["attempts"] for item in items) > 1
