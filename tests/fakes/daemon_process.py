"""Start the real daemon and the real campus as processes, and drive them as an operator would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from fakes.engines import forget_store, has_workers, store_of

from coursekeep_daemon.store import Store

__all__ = ["CampusProcess", "DaemonProcess", "shared_data", "wait_for"]


def wait_for(what: str, condition: Callable[[], Any], *, seconds: float = 60.0, pause: float = 0.05) -> Any:
    """Return the condition's first true value; fail naming `what` when it does not come in time."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:.0f} s in vain for {what}")
        time.sleep(pause)
    return value


def shared_data(name: str) -> Path | None:
    """Return a folder of the open learning data beside the checkout, or None where it is absent."""
    root = Path(os.environ.get("COURSEKEEP_SHARED", Path(__file__).resolve().parents[3] / "shared"))
    folder = root / "data" / name
    return folder if folder.is_dir() else None


def stop_process(process: subprocess.Popen[Any], *, seconds: float = 60.0) -> int:
    """Ask a process to end and return its exit code; kill it only where it does not."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        raise


@dataclass(kw_only=True)
class CampusProcess:
    """The campus in a process of its own, for as long as `running` lasts."""

    process: subprocess.Popen[str]
    url: str
    files_url: str
    tokens: Mapping[str, str]
    courses: Mapping[str, Any]

    @classmethod
    @contextmanager
    def running(cls, *arguments: str) -> Iterator[CampusProcess]:
        """Start a campus on free loopback ports and stop it at the end."""
        command = [sys.executable, "-m", "coursekeep_campus", "--port", "0", "--files-port", "0", *arguments]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, "the campus ended before it was ready"
            facts = json.loads(line)
            yield cls(
                process=process,
                url=facts["url"],
                files_url=facts["files_url"],
                tokens=facts["tokens"],
                courses=facts["courses"],
            )
        finally:
            stop_process(process)
            if process.stdout:
                process.stdout.close()

    def stats(self) -> dict[str, Any]:
        """Return how many requests the campus has answered, by status."""
        answer: dict[str, Any] = httpx.get(f"{self.url}/campus/stats", timeout=60).raise_for_status().json()
        return answer

    def requests(self) -> list[dict[str, Any]]:
        """Return every request so far: method, path with query, status, whether it had Authorization, Host."""
        answer: list[dict[str, Any]] = httpx.get(f"{self.url}/campus/requests", timeout=60).raise_for_status().json()
        return answer

    def touch(self, course: int | str, **change: Any) -> None:
        """Change the state or the name of a course."""
        httpx.post(f"{self.url}/campus/touch", json={"course": course, **change}, timeout=60).raise_for_status()

    def fault(self, **fault: Any) -> None:
        """Switch on one fault."""
        httpx.post(f"{self.url}/campus/faults", json=[fault], timeout=60).raise_for_status()

    def clear_faults(self) -> None:
        """Switch all faults off."""
        httpx.delete(f"{self.url}/campus/faults", timeout=60).raise_for_status()


@dataclass
class DaemonProcess:
    """A daemon with its own data directory below `home`, started, killed and started again at will."""

    home: Path
    campus_url: str
    campus_token: str
    #: further lines of settings.toml by section: {"engine": "concurrency = 2"}
    extra: Mapping[str, str] = field(default_factory=dict)
    #: further environment variables of daemon and commands
    variables: Mapping[str, str] = field(default_factory=dict)
    #: address of the store; a file below `home` where empty
    store_url: str = ""
    process: subprocess.Popen[bytes] | None = None
    #: beside the daemon, where the tests run with workers: it is started, killed and stopped with it
    worker: subprocess.Popen[bytes] | None = None
    token: str = ""
    url: str = ""

    @property
    def has_worker(self) -> bool:
        return has_workers() and not self.store_url

    @property
    def settings(self) -> Path:
        return self.home / "settings.toml"

    @property
    def archive(self) -> Path:
        return self.home / "archive"

    @property
    def log(self) -> Path:
        return self.home / "daemon.log"

    def write_settings(self) -> None:
        """Write settings.toml: everything below `home`, one integration named `main`."""
        self.home.mkdir(parents=True, exist_ok=True)
        sections = {
            "daemon": f'host = "127.0.0.1"\nport = 0\ndata_dir = "{self.home}/data"\nlog_format = "json"',
            "store": f'url = "{self.store_address}"',
            "archive": f'url = "file://{self.archive}"\norganization = "Example University"',
            "engine": 'kind = "procrastinate"' if self.has_worker else "",
            "integrations.main": (
                f'connector = "canvas"\nbase_url = "{self.campus_url}"\ntoken = {{ env = "CAMPUS_TOKEN" }}'
            ),
        }
        names = [*sections, *(name for name in self.extra if name not in sections)]
        text = "\n\n".join(f"[{name}]\n{sections.get(name, '')}\n{self.extra.get(name, '')}" for name in names)
        self.settings.write_text(text, encoding="utf-8")

    @property
    def store_address(self) -> str:
        return self.store_url or store_of(self.home)

    @property
    def environment(self) -> dict[str, str]:
        clean = {key: value for key, value in os.environ.items() if not key.startswith("COURSEKEEP_")}
        found = {"COURSEKEEP_URL": self.url, "COURSEKEEP_TOKEN": self.token}
        found = {key: value for key, value in found.items() if value}
        return {**clean, "CAMPUS_TOKEN": self.campus_token, **self.variables, **found}

    def cli(self, *arguments: str, check: bool = True, timeout: float = 120.0) -> subprocess.CompletedProcess[str]:
        """Run `coursekeep` with these settings; fails with its output where `check` and the exit code is not 0."""
        command = [sys.executable, "-m", "coursekeep_daemon", *arguments, "--settings", str(self.settings)]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=timeout, check=False
        )
        assert not check or done.returncode == 0, f"{arguments} gave {done.returncode}:\n{done.stdout}\n{done.stderr}"
        return done

    def start(self) -> None:
        """Start the daemon and wait until it is ready; makes settings, schema and a token the first time."""
        if not self.settings.exists():
            self.write_settings()
        if not self.token:
            self.token = asyncio.run(self._first_token())
        self.url = ""
        known = self.home / "data" / "daemon.json"
        known.unlink(missing_ok=True)
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "coursekeep_daemon", "serve", "--settings", str(self.settings)],
                env=self.environment,
                stdout=log,
                stderr=log,
            )
        self.url = wait_for("the daemon to be ready", lambda: self._ready(known), seconds=180)
        if self.has_worker:
            self._start_worker()

    def _start_worker(self) -> None:
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "coursekeep_daemon", "worker", "--settings", str(self.settings)]
            self.worker = subprocess.Popen(command, env=self.environment, stdout=log, stderr=log)
        wait_for("the worker to be known", lambda: self.get("/workers")["items"], seconds=180)

    async def _first_token(self) -> str:
        """Make the database and a token in this process: commands of their own would each take a second or more."""
        url = self.store_address
        (self.home / "data").mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(Store.upgrade, url)
        store = Store(url)
        await store.start()
        try:
            return (await store.create_token("test", "admin"))[1]
        finally:
            await store.stop()

    def _ready(self, known: Path) -> str | None:
        assert self.process is not None
        assert self.process.poll() is None, f"the daemon ended:\n{self.log.read_text()[-4000:]}"
        try:
            url: str = json.loads(known.read_text())["url"]
            return url if httpx.get(f"{url}/api/v1/ready").status_code == 200 else None
        except (OSError, ValueError, KeyError, httpx.TransportError):
            return None

    def lose_store(self) -> None:
        """Have the store and all else in the data directory gone, while the daemon does not run."""
        forget_store(self.home)
        self.token = ""
        self.write_settings()

    def pid(self) -> int:
        """Return the process id of the running daemon."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Send the daemon a signal."""
        os.kill(self.pid(), number)

    def exit_code(self, *, seconds: float = 60.0) -> int:
        """Wait until the daemon has ended, and return its exit code."""
        assert self.process is not None
        return self.process.wait(seconds)

    def events(self, event: str) -> list[dict[str, Any]]:
        """Return the log's events of one name."""
        lines = self.log.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines if line.startswith("{")]
        return [line for line in found if line.get("event") == event]

    def hold(self, run: int, level: str, *, seconds: float = 60.0) -> dict[str, Any]:
        """Wait until something of this level holds a run, and return it."""

        def held() -> dict[str, Any] | None:
            found: dict[str, Any] | None = self.get(f"/runs/{run}")["hold"]
            return found if found and found["level"] == level else None

        result: dict[str, Any] = wait_for(f"run {run} to be held by {level}", held, seconds=seconds)
        return result

    def kill(self) -> None:
        """End the daemon as a power cut would: SIGKILL, no farewell."""
        assert self.process is not None
        for process in (self.process, self.worker):
            if process is not None:
                process.kill()
                process.wait()

    def stop(self) -> int:
        """Ask the daemon to end; return its exit code."""
        assert self.process is not None
        if self.worker is not None:
            stop_process(self.worker)
        return stop_process(self.process)

    @contextmanager
    def running(self) -> Iterator[DaemonProcess]:
        """Start, and stop at the end if still alive."""
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def call(self, method: str, path: str, **keywords: Any) -> httpx.Response:
        """Ask the control API; `path` is below /api/v1."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.request(method, f"{self.url}/api/v1{path}", headers=headers, timeout=60.0, **keywords)

    def get(self, path: str, **params: Any) -> Any:
        """GET JSON, failing with the body where the answer is not good."""
        answer = self.call("GET", path, params=params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def start_run(self, source: str, params: Mapping[str, Any], **more: Any) -> int:
        """Start a run and return its id."""
        answer = self.call("POST", "/runs", json={"integration": "main", "source": source, "params": params, **more})
        assert answer.status_code == 202, answer.text
        return int(answer.json()["id"])

    def finished(self, run: int, *, seconds: float = 300.0) -> dict[str, Any]:
        """Wait until a run has ended and return it."""

        def ended() -> dict[str, Any] | None:
            found: dict[str, Any] = self.get(f"/runs/{run}")
            return found if found["finished_at"] else None

        result: dict[str, Any] = wait_for(f"run {run} to end", ended, seconds=seconds)
        return result

    def items(self, run: int, **params: Any) -> list[dict[str, Any]]:
        """Return all items of a run, following the pages."""
        found: list[dict[str, Any]] = []
        path: str | None = f"/runs/{run}/items"
        params = {"limit": 200, **params}
        while path:
            answer = self.call("GET", path, params=params)
            assert answer.status_code == 200, answer.text
            found += answer.json()["items"]
            following = answer.links.get("next", {}).get("url")
            path, params = (following.split("/api/v1", 1)[1], {}) if following else (None, {})
        return found
