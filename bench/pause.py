"""How soon a pause takes hold: from its answer to the last course that begins."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for

from bench.table import Measurement

__all__ = ["measure_pause"]

#: below /api/v1: everything, an integration, a run
LEVELS = ("", "/integrations/main", "/runs/{run}")


def measure_pause() -> list[Measurement]:
    """Measure at each of the three levels, amid a run with courses in flight and courses that wait; the slowest."""
    with tempfile.TemporaryDirectory() as folder, CampusProcess.running("--no-throttle") as campus:
        daemon = DaemonProcess(Path(folder), campus.url, campus.tokens["admin"], {"engine": "concurrency = 4"})
        with daemon.running():
            found = [_pause(daemon, level) for level in LEVELS]
    late, answered = (max(times) for times in zip(*found, strict=True))
    return [
        Measurement(
            what="a pause takes hold: from its answer to the last course that begins",
            measured=f"{late:.3f} s",
            beside=f"the answer itself takes {answered:.3f} s",
            value=late,
            wanted="<= 1.0",
            unit=" s",
        )
    ]


def _pause(daemon: DaemonProcess, level: str) -> tuple[float, float]:
    """Pause a run at a level; give the seconds after the answer in which courses still began, and up to the answer."""
    before = {"before": datetime.now(UTC).date().isoformat()}
    run = daemon.start_run("end_date", before, on_existing="refresh")
    path = level.format(run=run)
    wait_for("courses to be in flight", lambda: daemon.get(f"/runs/{run}")["counts"]["processing"] >= 2, pause=0.02)
    asked = datetime.now(UTC)
    assert daemon.call("POST", f"{path}/pause").status_code == 200
    answered = datetime.now(UTC)
    # what is in flight ends; and a pause that did not hold would have had two seconds to show it
    looked_until = time.monotonic() + 2
    wait_for(
        "what is in flight to end",
        lambda: time.monotonic() > looked_until and not daemon.get(f"/runs/{run}")["counts"]["processing"],
    )
    items = daemon.items(run)
    assert any(item["status"] == "queued" for item in items), "nothing waited: the pause had nothing to hold"
    began = max(datetime.fromisoformat(item["started_at"]) for item in items if item["started_at"])
    assert daemon.call("POST", f"/runs/{run}/cancel").status_code == 200
    if level != LEVELS[-1]:
        assert daemon.call("POST", f"{path}/resume").status_code == 200
    return max((began - answered).total_seconds(), 0.0), (answered - asked).total_seconds()
