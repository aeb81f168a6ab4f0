"""The 22 real course presentations of the Open University dataset, archived through the daemon."""

from __future__ import annotations

import csv
import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess, shared_data

OULAD = shared_data("oulad")
SCRIPTS = Path(sys.executable).parent

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("oulad"),
    pytest.mark.skipif(OULAD is None, reason="the open learning data is not beside this checkout (shared/data/oulad)"),
]


def rows(name: str) -> int:
    """Count the rows of a data file, without the header."""
    assert OULAD is not None
    with gzip.open(OULAD / name, "rt", encoding="utf-8", newline="") as file:
        return sum(1 for _ in csv.reader(file)) - 1


def lines(package: Path, kind: str) -> list[dict[str, object]]:
    """Return the records of a kind in an extracted package."""
    path = package / "data" / "records" / f"{kind}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


@pytest.fixture(scope="module")
def archived(tmp_path_factory: pytest.TempPathFactory) -> DaemonProcess:
    """A stopped daemon whose archive holds all 22 presentations."""
    home = tmp_path_factory.mktemp("oulad")
    with CampusProcess.running("--oulad", str(OULAD), "--no-throttle") as campus:
        daemon = DaemonProcess(home, campus.url, campus.tokens["admin"], {"integrations.main": "max_concurrency = 8"})
        with daemon.running():
            run = daemon.finished(daemon.start_run("end_date", {"before": "2020-01-01"}), seconds=900)
            assert run["status"] == "completed", run
            assert run["counts"]["completed"] == 22, run
            for item in daemon.items(run["id"]):
                out = home / "zips" / f"{item['course_id']}.zip"
                out.parent.mkdir(exist_ok=True)
                path = f"/packages/{item['package_id']}/versions/{item['package_version']}/download"
                out.write_bytes(daemon.call("GET", path).raise_for_status().content)
    return daemon


def test_every_presentation_is_valid_by_ocfl(archived: DaemonProcess) -> None:
    """An independent OCFL validator accepts the archive's root and all 22 objects in it."""
    judged = subprocess.run(
        [sys.executable, SCRIPTS / "ocfl-root.py", "validate", "--root", archived.archive],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    objects = [path.parent for path in archived.archive.rglob("0=ocfl_object_1.1")]
    validated = subprocess.run(
        [sys.executable, SCRIPTS / "ocfl-validate.py", *objects], capture_output=True, text=True, check=False
    )

    assert judged.returncode == 0, judged.stdout + judged.stderr
    assert len(objects) == 22
    assert validated.returncode == 0, validated.stdout + validated.stderr


def test_every_exported_bag_is_valid_and_nothing_is_lost_or_invented(archived: DaemonProcess, tmp_path: Path) -> None:
    """After extraction all 22 bags satisfy bagit.py, and hold exactly the dataset's enrolments and submissions."""
    found: Counter[str] = Counter()
    scored = 0
    for zipped in sorted((archived.home / "zips").glob("*.zip")):
        folder = tmp_path / zipped.stem
        subprocess.run([sys.executable, "-m", "zipfile", "-e", zipped, folder], check=True)
        (bag,) = folder.iterdir()
        judged = subprocess.run(
            [sys.executable, SCRIPTS / "bagit.py", "--validate", "--quiet", bag],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert judged.returncode == 0, judged.stdout + judged.stderr
        found["bags"] += 1
        found["enrollments"] += len(lines(bag, "enrollments"))
        submissions = lines(bag, "submissions")
        found["submissions"] += len(submissions)
        scored += sum(1 for submission in submissions if submission["score"] is not None)

    assert found == {
        "bags": 22,
        "enrollments": rows("studentInfo.csv.gz"),
        "submissions": rows("studentAssessment.csv.gz"),
    }
    assert found["enrollments"] == 32_593
    assert found["submissions"] == 173_912
    assert scored == 173_912 - 173
