"""What the demo starts and stops: a campus and a daemon, each a process of its own on a free loopback port."""

from __future__ import annotations

import importlib.util
import json
import os
import secrets
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from coursekeep_daemon.cli.call import ADDRESS_FILE
from coursekeep_daemon.cli.client import ApiClient
from coursekeep_daemon.cli.errors import CliError

__all__ = ["USER", "Campus", "House", "house"]

#: seconds that each process gets to be ready, and to stop
_START = 120.0
_STOP = 60.0
#: the first administrator
USER = "demo"
_TOKEN_VARIABLE = "DEMO_LMS_TOKEN"  # noqa: S105  # the variable's name


@dataclass(frozen=True, kw_only=True)
class Campus:
    """The made-up LMS: where it is, and which of its courses are special."""

    url: str
    token: str
    courses: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class House:
    """Everything that runs."""

    campus: Campus
    url: str
    token: str
    #: of the administrator who signs in to the console
    password: str
    folder: Path
    processes: Mapping[str, subprocess.Popen[str]]

    @property
    def archive(self) -> Path:
        """Root of the archive."""
        return self.folder / "archive"

    def client(self) -> ApiClient:
        """Return a client of the daemon."""
        return ApiClient(self.url, self.token)

    def dead(self) -> str | None:
        """Return which process is gone, if any."""
        return next((name for name, process in self.processes.items() if process.poll() is not None), None)


@contextmanager
def house(folder: Path, oulad: Path | None) -> Iterator[House]:
    """Start campus and daemon, and stop them, by pid and in mirrored order, however it ends."""
    if importlib.util.find_spec("coursekeep_campus") is None:
        raise CliError("the demo needs the distribution coursekeep-campus. Install it: pip install coursekeep-campus.")
    with ExitStack() as stack:
        process, campus = _start_campus(stack, folder, oulad)
        settings = _write_settings(folder, campus)
        password = secrets.token_urlsafe(12)
        token = _prepare_store(settings, password)
        daemon, url = _start_daemon(stack, folder, settings, campus)
        yield House(
            campus=campus,
            url=url,
            token=token,
            password=password,
            folder=folder,
            processes={"campus": process, "daemon": daemon},
        )


def _start_campus(stack: ExitStack, folder: Path, oulad: Path | None) -> tuple[subprocess.Popen[str], Campus]:
    command = [sys.executable, "-m", "coursekeep_campus", "--port", "0", "--files-port", "0"]
    if oulad is not None:
        command += ["--oulad", str(oulad)]
    process = stack.enter_context(_process("campus", command, folder, {}))
    told = json.loads(_first_line(process, "campus", folder))
    return process, Campus(url=told["url"], token=told["tokens"]["admin"], courses=told["courses"])


def _start_daemon(stack: ExitStack, folder: Path, settings: Path, campus: Campus) -> tuple[subprocess.Popen[str], str]:
    command = [sys.executable, "-m", "coursekeep_daemon", "serve", "--settings", str(settings)]
    process = stack.enter_context(_process("daemon", command, folder, {_TOKEN_VARIABLE: campus.token}))
    _first_line(process, "daemon", folder)  # it says so when it is ready
    told = json.loads((folder / "data" / ADDRESS_FILE).read_text())
    return process, str(told["url"])


def _write_settings(folder: Path, campus: Campus) -> Path:
    path = folder / "settings.toml"
    path.write_text(
        "# Made by `coursekeep demo`.\n"
        "[daemon]\n"
        "port = 0\n"
        'data_dir = "data"\n\n'
        "[archive]\n"
        'url = "file://./archive"\n'
        'organization = "Example University"\n'
        'min_free = "100MB"\n\n'
        "[integrations.campus]\n"
        'connector = "canvas"\n'
        f'base_url = "{campus.url}"\n'
        f'token = {{ env = "{_TOKEN_VARIABLE}" }}\n\n'
        "# Courses are archived half a year after their end, and looked at again after a year.\n"
        "[schedules.archive]\n"
        'integration = "campus"\n'
        'cron = "0 3 15 * *"\n'
        'ended_for = "6 months"\n\n'
        "[schedules.refresh]\n"
        'integration = "campus"\n'
        'cron = "0 3 1 * *"\n'
        'ended_for = "12 months"\n'
        'on_existing = "refresh"\n',
        encoding="utf-8",
    )
    return path


def _prepare_store(settings: Path, password: str) -> str:
    """Make the database, the first administrator and a token of theirs, with the commands that an operator uses."""
    base = [sys.executable, "-m", "coursekeep_daemon"]
    common = ["--settings", str(settings), "--json"]
    _call([*base, "db", "upgrade", *common])
    _call([*base, "user", "add", USER, "--role", "administrator", "--password-stdin", *common], said=password)
    made = json.loads(_call([*base, "token", "create", USER, "--scope", "admin", *common]))
    return str(made["token"])


def _call(command: Sequence[str], *, said: str = "") -> str:
    environment = _environment({_TOKEN_VARIABLE: "-"})
    done = subprocess.run(  # noqa: S603  # our own program
        command, capture_output=True, text=True, env=environment, input=said
    )
    if done.returncode:
        raise CliError(f"{' '.join(command[1:])}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def _process(
    name: str, command: Sequence[str], folder: Path, variables: Mapping[str, str]
) -> Iterator[subprocess.Popen[str]]:
    """Run a process in a session of its own: Ctrl-C reaches us alone, and we stop it in our order."""
    with (folder / f"{name}.log").open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603  # our own commands
            command,
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            text=True,
            env=_environment(variables),
            start_new_session=True,
        )
    try:
        yield process
    finally:
        _stop(process)


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(_STOP)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    finally:
        assert process.stdout is not None
        process.stdout.close()


def _first_line(process: subprocess.Popen[str], name: str, folder: Path) -> str:
    """Wait for the line with which a process says that it is ready."""
    assert process.stdout is not None
    deadline = time.monotonic() + _START
    while time.monotonic() < deadline:
        ready, _, _ = select.select([process.stdout], [], [], 0.2)
        if ready and (line := process.stdout.readline()):
            return line
        if process.poll() is not None:
            raise CliError(f"the {name} ended with code {process.returncode}: {_tail(folder / f'{name}.log')}")
    raise CliError(f"the {name} was not ready within {_START:.0f} s: {_tail(folder / f'{name}.log')}")


def _tail(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return " | ".join(lines[-5:]) or "it wrote nothing"


def _environment(variables: Mapping[str, str]) -> dict[str, str]:
    """Return our environment without the operator's own Coursekeep, which the demo must not touch."""
    own = {name: value for name, value in os.environ.items() if not name.upper().startswith("COURSEKEEP_")}
    return own | dict(variables)
