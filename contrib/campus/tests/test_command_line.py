"""The campus as a program of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

COMMAND = [sys.executable, "-m", "coursekeep_campus"]


@pytest.fixture
def launch() -> Iterator[Callable[..., tuple[subprocess.Popen[str], dict[str, Any]]]]:
    """Start the program and read its one line."""
    started: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, text=True)
        started.append(process)
        assert process.stdout is not None
        return process, json.loads(process.stdout.readline())

    yield run
    for process in started:
        process.kill()
        process.communicate()


def test_one_line_and_service(launch: Callable[..., Any]) -> None:
    """One JSON line says where, with which tokens, and which courses; SIGTERM ends it well."""
    process, line = launch("--courses", "8", "--now", "2026-03-15T12:00:00Z", "--max-per-page", "2")
    headers = {"Authorization": f"Bearer {line['tokens']['admin']}"}
    courses = httpx.get(f"{line['url']}/api/v1/accounts/self/courses?per_page=50", headers=headers).json()
    process.send_signal(signal.SIGTERM)
    rest, _ = process.communicate(timeout=10)

    assert set(line) == {"url", "files_url", "tokens", "courses"}
    assert set(line["tokens"]) == {"admin", "expired", "revoked", "scoped", "teacher"}
    assert len(courses) == 2
    assert courses[0]["id"] == line["courses"]["ended"][0]
    assert (process.returncode, rest) == (0, "")


def test_as_a_moodle(launch: Callable[..., Any]) -> None:
    """With `--moodle` the program answers as a Moodle; what belongs to Canvas is refused with it."""
    _, line = launch("--moodle", "--courses", "3")
    form = {"wstoken": line["tokens"]["archive"], "wsfunction": "core_webservice_get_site_info"}
    answer = httpx.post(f"{line['url']}/webservice/rest/server.php", data={**form, "moodlewsrestformat": "json"}).json()
    done = subprocess.run([*COMMAND, "--moodle", "--oulad", "x"], capture_output=True, text=True, check=False)

    assert (answer["siteurl"], len(line["courses"]["ended"])) == (line["url"], 2)
    assert done.returncode == 2
    assert "leave out --oulad" in done.stderr


def test_interrupt(launch: Callable[..., Any]) -> None:
    """SIGINT ends it as well."""
    process, _ = launch("--courses", "5")
    process.send_signal(signal.SIGINT)

    assert process.wait(timeout=10) == 0


def test_real_data(launch: Callable[..., Any], shared: Path) -> None:
    """Beside real data the generated campus is left out, unless it is asked for."""
    _, line = launch("--cartridges", str(shared / "cartridges"))
    _, both = launch("--cartridges", str(shared / "cartridges"), "--oulad", str(shared / "oulad"), "--courses", "5")

    assert len(line["courses"]["ended"]) == 14
    assert len(both["courses"]["ended"]) == 14 + 22 + 1


def test_port_in_use(launch: Callable[..., Any]) -> None:
    """A port that is taken is a sentence on standard error and status 2."""
    _, line = launch("--courses", "5")
    port = line["url"].rpartition(":")[2]
    arguments = [*COMMAND, "--courses", "5", "--port", port]
    ended = subprocess.run(arguments, capture_output=True, text=True, timeout=30, check=False)

    assert ended.returncode == 2
    assert f"cannot listen on 127.0.0.1, ports {port}" in ended.stderr


def test_bad_folder() -> None:
    """A folder that does not exist is a sentence on standard error and status 2."""
    ended = subprocess.run([*COMMAND, "--oulad", "/nowhere"], capture_output=True, text=True, timeout=30, check=False)

    assert ended.returncode == 2
    assert ended.stdout == ""
    assert "/nowhere" in ended.stderr
    assert "Traceback" not in ended.stderr
