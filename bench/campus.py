"""Archiving the campus beside curl fetching the same addresses."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fakes.daemon_process import CampusProcess, DaemonProcess

from bench.table import Measurement

__all__ = ["measure_campus"]

AT_ONCE = 32


def measure_campus() -> list[Measurement]:
    """Measure courses per minute and requests per second, beside `curl --parallel 32` for the same addresses.

    curl repeats what the daemon got by GET from the LMS, and nothing else: no files, no export is begun anew. The
    campus has those answers at hand by then, so the ratio flatters curl.
    """
    with tempfile.TemporaryDirectory() as folder, CampusProcess.running("--no-throttle") as campus:
        home = Path(folder)
        extra = {"integrations.main": f"max_concurrency = {AT_ONCE}", "engine": "concurrency = 8"}
        run, seconds = _archive(DaemonProcess(home, campus.url, campus.tokens["admin"], extra))
        paths = _fetched(campus)
        curl = _curl(campus, paths, home / "curl.txt")
    courses = run["counts"]["completed"]
    return [
        Measurement(
            what=f"archiving the campus: {courses} courses, {len(paths):,} answers",
            measured=f"{courses * 60 / seconds:.0f} courses/min, {len(paths) / seconds:.0f} answers/s",
            beside=f"curl --parallel {AT_ONCE}: {len(paths) / curl:.0f} answers/s",
            value=curl / seconds,
        )
    ]


def _archive(daemon: DaemonProcess) -> tuple[dict[str, Any], float]:
    """Archive all ended courses; give the run and the seconds it took."""
    with daemon.running():
        start = time.perf_counter()
        run = daemon.finished(
            daemon.start_run("end_date", {"before": datetime.now(UTC).date().isoformat()}), seconds=600
        )
        return run, time.perf_counter() - start


def _fetched(campus: CampusProcess) -> list[str]:
    """Give the addresses that the LMS answered with 200 to a GET; those of the file storage are not among them."""
    host = campus.url.removeprefix("http://")
    return [
        one["path"] for one in campus.requests() if (one["method"], one["status"], one["host"]) == ("GET", 200, host)
    ]


def _curl(campus: CampusProcess, paths: Sequence[str], config: Path) -> float:
    """Give the seconds that curl takes for these paths; fails where it gets another answer than 200."""
    config.write_text("".join(f'url = "{campus.url}{path}"\noutput = "/dev/null"\n' for path in paths))
    header = f"Authorization: Bearer {campus.tokens['admin']}"
    command = ["curl", "-s", "-g", "--parallel", "--parallel-max", str(AT_ONCE), "-A", "coursekeep-bench", "-H", header]
    start = time.perf_counter()
    done = subprocess.run(
        [*command, "-w", "%{http_code}\n", "--config", str(config)], check=True, capture_output=True, text=True
    )
    seconds = time.perf_counter() - start
    assert done.stdout.split() == ["200"] * len(paths), "curl got other answers than the daemon"
    return seconds
