"""`coursekeep new-connector`: what it makes is green from the first minute, and the daemon finds it."""

from __future__ import annotations

import json
import tomllib
from importlib.metadata import version
from pathlib import Path

import pytest
from fakes.daemon_process import DaemonProcess
from fakes.new_connector import Made, installed, run_in

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("new_connector")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A new connector, installed."""
    home = tmp_path_factory.mktemp("author")
    done = run_in(home, "coursekeep_daemon", "new-connector", "green_field", "--title", "Greenfield College", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["directory"] == str(home / "coursekeep-green-field")
    return installed(Path(told["directory"]), home / "site")


def test_its_tests_pass(made: Made) -> None:
    """All of its tests pass, `ConnectorContract` among them, with every warning an error."""
    done = run_in(made.folder, "pytest", "-q", "-p", "no:cacheprovider", **made.variables)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "failed" not in done.stdout


@pytest.mark.parametrize(
    "command",
    [("ruff", "check", "."), ("ruff", "format", "--check", "."), ("mypy",)],
    ids=["ruff", "format", "mypy"],
)
def test_its_linters_are_content(made: Made, command: tuple[str, ...]) -> None:
    """Linter, formatter and the strict type checker find nothing, with the configuration that it brings."""
    done = run_in(made.folder, *command, **({} if command[0] == "mypy" else made.variables))

    assert done.returncode == 0, done.stdout + done.stderr


def test_its_conformance_tests_are_found(made: Made) -> None:
    """The entry point of the group `coursekeep.conformance` names a module whose tests run where it is installed."""
    project = tomllib.loads((made.folder / "pyproject.toml").read_text())["project"]
    module = project["entry-points"]["coursekeep.conformance"]["green_field"]
    done = run_in(made.site, "pytest", "-q", "-p", "no:cacheprovider", "--pyargs", module, **made.variables)

    assert module == "coursekeep_green_field.conformance"
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_daemon_lists_it(made: Made, tmp_path: Path) -> None:
    """`coursekeep plugins` shows the connector, enabled, once it is installed beside the daemon."""
    daemon = DaemonProcess(tmp_path, "http://127.0.0.1:9", "made-up", variables=made.variables)
    with daemon.running():
        listed = json.loads(daemon.cli("plugins", "--json").stdout)["items"]

    (plugin,) = [each for each in listed if each["name"] == "green_field"]
    assert (plugin["state"], plugin["connectors"]) == ("enabled", ["green_field"])
    assert plugin["distribution"] == "coursekeep-green-field"


def test_its_name_is_taken(made: Made, tmp_path: Path) -> None:
    """Where it is installed, another connector of its name is refused, and nothing is made."""
    again = run_in(tmp_path, "coursekeep_daemon", "new-connector", "green_field", **made.variables)

    assert again.returncode == 2
    assert "there is a connector 'green_field' already" in again.stderr
    assert list(tmp_path.iterdir()) == []


def test_it_asks_for_this_release(made: Made) -> None:
    """The distribution depends on releases of Coursekeep with the same plugin API as the one that made it."""
    project = tomllib.loads((made.folder / "pyproject.toml").read_text())["project"]
    major, minor = version("coursekeep").split(".")[:2]

    assert project["dependencies"] == [f"coursekeep>={major}.{minor},<{major}.{int(minor) + 1}"]
    assert project["name"] == "coursekeep-green-field"
