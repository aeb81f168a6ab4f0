"""Peak memory of the daemon while it archives what is large."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fakes.daemon_process import CampusProcess, DaemonProcess, shared_data

from bench.table import Measurement

__all__ = ["measure_memory"]

GIB = 1024**3
#: the presentation with the most people (2,498), and the one with the most submissions (16,240)
LARGEST = ("CCC 2014J", "FFF 2013J")


def peak_mb(daemon: DaemonProcess) -> float:
    """Return the daemon's largest resident set so far, in MB, as the kernel counts it."""
    assert daemon.process is not None
    status = Path(f"/proc/{daemon.process.pid}/status").read_text()
    (line,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(line.split()[1]) * 1024 / 1e6


def measure_big_file() -> Measurement:
    """Measure while archiving a course with a file of 1 GiB."""
    with tempfile.TemporaryDirectory() as home, CampusProcess.running("--large-file", str(GIB)) as campus:
        daemon = DaemonProcess(Path(home), campus.url, campus.tokens["admin"])
        with daemon.running():
            idle = peak_mb(daemon)
            run = daemon.finished(daemon.start_run("ids", {"ids": [str(campus.courses["large_file"])]}), seconds=600)
            assert run["counts"]["completed"] == 1, run
            peak = peak_mb(daemon)
    return Measurement(
        what="memory, a course with a file of 1 GiB",
        measured=f"{peak:.0f} MB",
        beside=f"idle {idle:.0f} MB",
        value=peak,
        wanted="<= 200",
        unit=" MB",
    )


def measure_big_courses() -> list[Measurement]:
    """Measure while archiving the largest OULAD presentations, one after the other, where the data is there."""
    oulad = shared_data("oulad")
    if oulad is None:
        return []
    arguments = ("--oulad", str(oulad), "--no-throttle")
    with tempfile.TemporaryDirectory() as home, CampusProcess.running(*arguments) as campus:
        daemon = DaemonProcess(Path(home), campus.url, campus.tokens["admin"])
        with daemon.running():
            idle = peak_mb(daemon)
            for course in LARGEST:
                run = daemon.finished(daemon.start_run("search", {"text": course}), seconds=600)
                assert run["counts"]["completed"] == 1, run
            peak = peak_mb(daemon)
    return [
        Measurement(
            what=f"memory, the largest OULAD presentations ({' and '.join(LARGEST)})",
            measured=f"{peak:.0f} MB",
            beside=f"idle {idle:.0f} MB",
            value=peak,
            wanted="<= 300",
            unit=" MB",
        )
    ]


def measure_memory() -> list[Measurement]:
    """Measure both."""
    return [measure_big_file(), *measure_big_courses()]
