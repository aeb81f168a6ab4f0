"""The fault laboratory, for a minute: a few faults of a fixed seed. `make faults` does hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.faults import CATALOGUE
from faults.judge import Verdict
from faults.lab import Shape
from faults.laboratory import Laboratory

from coursekeep_daemon.package.ocfl import object_path

pytestmark = pytest.mark.slow

SEED = 2026
FAULTS = (
    "leader killed",
    "worker stands still",
    "PostgreSQL killed",
    "worker: messages to the store torn",
    "disk full",
    "LMS cut off",
)


def test_nothing_is_lost_or_twice_whatever_dies(tmp_path: Path) -> None:
    """A fault in the midst of a run leaves every course archived once, as undisturbed; and the judge is not blind."""
    with Laboratory(tmp_path / "lab", Shape(workers=2, courses=20), SEED) as laboratory:
        faults = [each for each in CATALOGUE if each.name in FAULTS and not each.why_not(laboratory.lab)]
        outcomes = [laboratory.once(fault, thorough=fault is faults[-1]) for fault in faults]
        said = "\n".join(outcome.line() for outcome in outcomes)
        assert not any(outcome.problems for outcome in outcomes), f"seed {SEED}; logs in {tmp_path}\n{said}"
        spoil(laboratory)
        found = {problem.verdict for problem in laboratory.judge()}

    assert len(outcomes) >= len(FAULTS) - 1  # without root there is no disk to fill
    assert all(outcome.recovered is not None for outcome in outcomes)
    assert found >= {Verdict.LOST, Verdict.TWICE, Verdict.INVALID, Verdict.COUNTERS, Verdict.STATUS, Verdict.EVENTS}


def spoil(laboratory: Laboratory) -> None:
    """Do to store and archive, behind their backs, one thing of each kind that the judge looks for."""
    run, (lost, doubled, damaged, forgotten, *_) = laboratory.last
    lab = laboratory.lab
    item = "UPDATE item SET {} WHERE run_id = %s AND course_id = %s"
    lab.db.execute(item.format("course_id = 'another', ref = 'another'"), (run, lost))
    lab.db.execute(item.format("package_version = 99"), (run, doubled))
    lab.db.execute(
        "DELETE FROM event WHERE item_id = (SELECT id FROM item WHERE run_id = %s AND course_id = %s)", (run, forgotten)
    )
    lab.db.execute("UPDATE run_count SET gaps = gaps + 1 WHERE run_id = %s", (run,))
    package = lab.disk.place / "archive" / object_path(laboratory.courses.package(damaged))
    largest = max(package.rglob("data/records/*"), key=lambda path: path.stat().st_size)
    largest.write_bytes(largest.read_bytes()[:-2] + b"x\n")
