"""The fault laboratory, for a minute: a few faults of a fixed seed. `make faults` does hundreds."""

from __future__ import annotations

from pathlib import Path

import pytest
from faults.faults import CATALOGUE
from faults.lab import Shape
from faults.laboratory import Laboratory

pytestmark = pytest.mark.slow

SEED = 2026
FAULTS = (
    "worker killed",
    "leader killed",
    "PostgreSQL killed",
    "worker: messages to the store torn",
    "disk full",
    "LMS cut off",
)


def test_nothing_is_lost_or_twice_whatever_dies(tmp_path: Path) -> None:
    """Each of a few faults in the midst of a run leaves every course archived once, as in an undisturbed run."""
    shape = Shape(workers=2, courses=24)
    with Laboratory(tmp_path / "lab", shape, SEED) as laboratory:
        outcomes = [
            laboratory.once(fault) for fault in CATALOGUE if fault.name in FAULTS and not fault.why_not(laboratory.lab)
        ]

    said = "\n".join(outcome.line() for outcome in outcomes)
    assert not any(outcome.problems for outcome in outcomes), f"seed {SEED}; logs in {tmp_path}\n{said}"
    assert len(outcomes) >= len(FAULTS) - 1  # without root there is no disk to fill
    assert all(outcome.recovered is not None for outcome in outcomes)
