"""The units of deploy/systemd: what systemd says of them, and that they fit the guide and the program."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest
import typer.main

from coursekeep_daemon.cli.app import make_app
from coursekeep_daemon.settings import DaemonSettings

ROOT = Path(__file__).resolve().parents[3]
UNITS = sorted((ROOT / "deploy" / "systemd").glob("*.service"))
EVERY = pytest.mark.parametrize("path", UNITS, ids=lambda path: path.name)
ANALYZE = shutil.which("systemd-analyze")
JUDGED = pytest.mark.skipif(ANALYZE is None, reason="there is no systemd-analyze on this machine")


def lines(path: Path) -> dict[str, list[str]]:
    """Return the settings of a unit's [Service], each with all its values."""
    found: dict[str, list[str]] = {}
    _, _, service = path.read_text(encoding="utf-8").partition("[Service]")
    for name, value in re.findall(r"^(\w+)=(.*)$", service.partition("[Install]")[0], re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@EVERY
@JUDGED
def test_systemd_understands_every_line(path: Path, tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say, where the program is installed."""
    unit = tmp_path / path.name.replace("@", "@1")
    text = path.read_text(encoding="utf-8").replace("/opt/coursekeep/bin/coursekeep", "/bin/true")
    unit.write_text(text, encoding="utf-8")
    done = subprocess.run(
        [str(ANALYZE), "verify", "--man=no", unit], capture_output=True, text=True, check=False, timeout=60
    )

    assert [line for line in done.stderr.splitlines() if unit.name in line] == []


@EVERY
@JUDGED
def test_systemd_calls_the_exposure_small(path: Path) -> None:
    """`systemd-analyze security` gives at most 1.5 of 10: what is left is the network, which it is there for."""
    done = subprocess.run(
        [str(ANALYZE), "security", "--offline=true", "--threshold=15", "--no-pager", path],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr


@EVERY
def test_a_unit_starts_a_command_that_there_is_and_gives_it_time_to_end(path: Path) -> None:
    """ExecStart is accepted by the program; it may take longer to stop than courses get; it tells when it is ready."""
    service = lines(path)
    program, *words = service["ExecStart"][0].split()
    command = typer.main.get_command(make_app())
    while hasattr(command, "commands"):
        command = command.commands[words.pop(0)]

    command.make_context("x", words)
    assert program == "/opt/coursekeep/bin/coursekeep"
    assert service["Type"] == ["notify"]
    assert int(service["WatchdogSec"][0]) >= 30
    assert float(service["TimeoutStopSec"][0]) > 2 * DaemonSettings().shutdown_timeout  # type: ignore[call-arg]  # defaults
    assert service["User"] == ["coursekeep"]


def test_daemon_and_workers_are_hardened_alike() -> None:
    """A worker's unit differs from the daemon's in what it starts only."""
    daemon, worker = (
        lines(ROOT / "deploy/systemd" / name) for name in ("coursekeep.service", "coursekeep-worker@.service")
    )
    differing = {name for name in daemon.keys() | worker.keys() if daemon.get(name) != worker.get(name)}

    assert differing <= {"ExecStart", "TimeoutStartSec"}


def test_the_guide_names_the_units_and_repeats_none() -> None:
    """The files are the one truth: the guide installs them, and shows no unit of its own."""
    guide = (ROOT / "docs/how-to/run-as-a-service.md").read_text(encoding="utf-8")
    settings = ConfigParser(strict=False)

    assert "```ini" not in guide
    for path in UNITS:
        assert f"deploy/systemd/{path.name}" in guide
        settings.read_string(path.read_text(encoding="utf-8"))
        assert settings.sections()[:3] == ["Unit", "Service", "Install"]
