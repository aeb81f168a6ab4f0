"""A worker in a process of its own, whose silence is noticed soon: `python -m fakes.worker_process SETTINGS NAME`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from fakes.engines import STEADY

from coursekeep_daemon.cli.worker import work
from coursekeep_daemon.logs import configure_logs
from coursekeep_daemon.settings import load_settings
from coursekeep_daemon.worker import WorkerProcess

__all__ = ["start_worker"]


def start_worker(settings: Path, name: str) -> subprocess.Popen[bytes]:
    """Start a worker with one slot; its log lies beside the settings."""
    path = os.pathsep.join(str(each) for each in sys.path if each)
    with settings.with_name(f"{name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "fakes.worker_process", str(settings), name],
            env={**os.environ, "PYTHONPATH": path},
            stdout=log,
            stderr=log,
        )


def _main() -> None:
    settings = load_settings(Path(sys.argv[1]))
    configure_logs(settings.daemon.log_level, settings.daemon.log_format)
    work(WorkerProcess(settings, concurrency=1, name=sys.argv[2], rhythm=STEADY))


if __name__ == "__main__":
    _main()
