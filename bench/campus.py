"""Archiving the campus beside curl fetching the same addresses."""

from __future__ import annotations

import subprocess
import tempfile
import time
from pathlib import Path

import httpx
from fakes.daemon_process import CampusProcess, DaemonProcess

from bench.table import Measurement

__all__ = ["measure_campus"]


def measure_campus() -> list[Measurement]:
    """Measure courses per minute and requests per second, beside `curl --parallel 32` for the same addresses."""
    with tempfile.TemporaryDirectory() as home, CampusProcess.running("--no-throttle") as campus:
        extra = {"integrations.main": "max_concurrency = 32", "engine": "concurrency = 8"}
        daemon = DaemonProcess(Path(home), campus.url, campus.tokens["admin"], extra)
        with daemon.running():
            start = time.perf_counter()
            run = daemon.finished(daemon.start_run("end_date", {"before": "2026-01-01"}), seconds=600)
            seconds = time.perf_counter() - start
        paths = httpx.get(f"{campus.url}/campus/requests").raise_for_status().json()
        config = Path(home) / "curl.txt"
        config.write_text("".join(f'url = "{campus.url}{path}"\noutput = "/dev/null"\n' for path in paths))
        header = f"Authorization: Bearer {campus.tokens['admin']}"
        command = ["curl", "-s", "-g", "--parallel", "--parallel-max", "32", "-A", "bench/1", "-H", header]
        start = time.perf_counter()
        subprocess.run([*command, "--config", str(config)], check=True)
        curl = time.perf_counter() - start
    courses = run["counts"]["completed"]
    return [
        Measurement(
            what=f"archiving the campus, {courses} courses, {len(paths)} requests",
            measured=f"{courses * 60 / seconds:.0f} courses/min, {len(paths) / seconds:.0f} requests/s",
            beside=f"curl --parallel 32: {len(paths) / curl:.0f} requests/s",
            value=curl / seconds,
            wanted=">= 0.0",
        )
    ]
