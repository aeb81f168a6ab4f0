"""Archives per minute: the ended courses of a Canvas and of a Moodle, by the same daemon."""

from __future__ import annotations

import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from fakes.daemon_process import CampusProcess, DaemonProcess

from bench.table import Measurement

__all__ = ["measure_archives"]

_AT_ONCE = "max_concurrency = 32"
#: for each connector: the argument that makes the campus its LMS, and the account that archives
_CAMPUSES = {"canvas": ("--no-throttle", "admin"), "moodle": ("--moodle", "archive")}


def measure_archives(rounds: int = 3) -> list[Measurement]:
    """Measure both in turns, 8 courses and 32 requests at once; best of `rounds`, each into an empty archive."""
    found: dict[str, list[tuple[float, int]]] = {connector: [] for connector in _CAMPUSES}
    for _ in range(rounds):
        for connector, (argument, account) in _CAMPUSES.items():
            found[connector].append(_archived(connector, argument, account))
    (canvas, canvas_courses), (moodle, moodle_courses) = (max(rates) for rates in found.values())
    return [
        Measurement(
            what=f"archives of a Moodle, {moodle_courses} courses, beside a Canvas",
            measured=f"Moodle {moodle:.0f} courses/min",
            beside=f"Canvas {canvas:.0f} courses/min, {canvas_courses} courses",
            value=moodle / canvas,
        )
    ]


def _archived(connector: str, argument: str, account: str) -> tuple[float, int]:
    """Archive all courses that have ended; give courses per minute, and how many there were."""
    with tempfile.TemporaryDirectory() as home, CampusProcess.running(argument, "--courses", "40") as campus:
        lms = f'connector = "{connector}"\nbase_url = "{campus.url}"\ntoken = {{ env = "CAMPUS_TOKEN" }}\n{_AT_ONCE}'
        extra = {"integrations.lms": lms, "engine": "concurrency = 8"}
        daemon = DaemonProcess(Path(home), campus.url, campus.tokens[account], extra)
        with daemon.running():
            start = time.perf_counter()
            today = {"before": datetime.now(UTC).date().isoformat()}
            run = daemon.finished(daemon.start_run("end_date", today, integration="lms"), seconds=600)
            seconds = time.perf_counter() - start
    courses = run["counts"]["completed"]
    return courses * 60 / seconds, courses
