"""The parts of a deployment: real processes that can be killed, paused and started again on their ports and data."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from fakes.postgres_server import PostgresServer
from faults.clocks import Clock
from faults.wires import Wire

__all__ = ["Campus", "Database", "Process", "Program", "until"]

TESTS = Path(__file__).resolve().parents[1]


def until(what: str, condition: Callable[[], Any], *, seconds: float, pause: float = 0.05) -> Any:
    """Return the condition's first true value. Raises `TimeoutError` naming `what`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)
    return value


class Process:
    """A process and its log. What it is started with stays the same, so that it comes back as it was."""

    def __init__(self, name: str, command: Sequence[str], log: Path, variables: Mapping[str, str]) -> None:
        self.name = name
        self.log = log
        self._command = command
        self._variables = variables
        #: further environment variables from the next start on
        self.more: Mapping[str, str] = {}
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self.process is not None, f"{self.name} was never started"
        return self.process.pid

    @property
    def alive(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def start(self) -> None:
        """Start it where it does not run; does not wait until it is ready."""
        if self.alive:
            return
        clean = {key: value for key, value in os.environ.items() if not key.startswith(("COURSEKEEP_", "PYTHONDONT"))}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command,
                env={**clean, **self._variables, **self.more},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal, where it runs."""
        if self.alive:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.signal(signal.SIGKILL)
        self._reap()

    def stop(self, seconds: float) -> bool:
        """Ask it to end; return whether it did in time. It is killed where it did not."""
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        assert self.process is not None
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            return False
        self._reap()
        return True

    def pause(self) -> None:
        """Let it stand still, as a machine that is moved or starved does."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self.signal(signal.SIGCONT)

    def _reap(self) -> None:
        if self.process is not None:
            self.process.wait(60)
            Clock.forget(self.process.pid)

    def said(self, size: int = 4000) -> str:
        """Return the end of its log."""
        with contextlib.suppress(OSError), self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - size))
            return log.read().decode(errors="replace")
        return ""


@dataclass(kw_only=True)
class Program:
    """A daemon or a worker: its process, its wires and its clock."""

    process: Process
    #: which it goes by where its process is started with the clock's variables
    clock: Clock
    settings: Path
    #: to whom: `store`, `lms`, `archive`
    wires: Mapping[str, Wire] = field(default_factory=dict)
    #: address of the API; empty for a worker
    url: str = ""

    @property
    def name(self) -> str:
        return self.process.name


class Campus(Process):
    """The LMS."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self._ports = ("0", "0")
        self._arguments = arguments
        self.known: dict[str, Any] = {}
        super().__init__("lms", (), folder / "campus.log", {})

    def start(self) -> None:
        """Start it on the ports that it had, and wait until it serves."""
        port, files_port = self._ports
        line = self.folder / "campus.json"
        line.unlink(missing_ok=True)
        self._command = [
            *(sys.executable, "-m", "coursekeep_campus", "--port", port, "--files-port", files_port, *self._arguments)
        ]
        with line.open("wb") as out, self.log.open("ab") as log:
            self.process = subprocess.Popen(self._command, stdin=subprocess.DEVNULL, stdout=out, stderr=log)
        until("the campus", lambda: line.read_text().endswith("\n") or not self.alive, seconds=60)
        assert self.alive, self.said()
        self.known = json.loads(line.read_text())
        self._ports = (str(self.port), self.known["files_url"].rpartition(":")[2])

    @property
    def port(self) -> int:
        return int(self.known["url"].rpartition(":")[2])


class Database(PostgresServer):
    """PostgreSQL, with all its processes."""

    name = "postgresql"

    def __init__(self) -> None:
        super().__init__(synchronous_commit="on", max_connections="200")

    @property
    def processes(self) -> list[psutil.Process]:
        """Return the server and all its backends."""
        if self._process is None:
            return []
        with contextlib.suppress(psutil.NoSuchProcess):
            server = psutil.Process(self._process.pid)
            return [server, *server.children(recursive=True)]
        return []

    @property
    def socket(self) -> str:
        """Return the path of the socket it listens on."""
        return str(self.folder / ".s.PGSQL.5432")

    def kill(self) -> None:
        """End all of it at once, as a power cut would."""
        everything = self.processes
        for process in everything:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        if self._process is not None:
            self._process.wait(60)
            self._process = None
        psutil.wait_procs(everything, timeout=10)

    def pause(self) -> None:
        """Let it stand still, with its connections open."""
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.suspend()

    def resume(self) -> None:
        """Let it go on."""
        for process in self.processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.resume()
