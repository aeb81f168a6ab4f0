"""The demo, as a newcomer runs it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import httpx
import psutil
import pytest

pytestmark = pytest.mark.slow


def _start(*arguments: str, tmp_path: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "coursekeep_daemon", "demo", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        # where the tests run in the background of a shell, SIGINT is ignored, and that is inherited
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def test_the_demo_shows_every_fate_and_valid_packages(tmp_path: Path) -> None:
    """The demo ends with 0: every fate of a course and gaps are seen, and every judge finds all packages valid."""
    process = _start("--json", "--dir", str(tmp_path / "demo"), tmp_path=tmp_path)
    out, err = process.communicate(timeout=1800)

    assert process.returncode == 0, out + err
    report = json.loads(out.splitlines()[-1])
    assert report["problems"] == []
    counts = [each["run"]["counts"] for each in report["runs"]]
    for fate in ("completed", "skipped", "not_found", "failed"):
        assert sum(count[fate] for count in counts) > 0, fate
    assert sum(each["run"]["gaps"] for each in report["runs"]) > 0
    assert report["packages"] > 0
    assert report["valid"] == dict.fromkeys(("coursekeep", "bagit", "ocfl-py"), report["packages"])
    assert (tmp_path / "demo" / "archive" / "README.txt").exists()


def test_the_demo_opens_a_console(tmp_path: Path) -> None:
    """The demo says at once where the console is, and the name and password that it prints open it."""
    process = _start("--serve", tmp_path=tmp_path)
    assert process.stdout is not None
    said = next(line for line in process.stdout if line.startswith("Console: "))
    found = re.fullmatch(r"Console: (\S+)\s+sign in as (\S+) with the password (\S+)\n", said)
    assert found, said
    with httpx.Client(base_url=found[1], trust_env=False, timeout=60) as browser:
        token = re.search(r'name="form_token" value="([^"]+)"', browser.get("/sign-in").text)
        assert token
        fields = {"form_token": token[1], "name": found[2], "password": found[3], "next": "/"}
        page = browser.post("/sign-in", data=fields, follow_redirects=True)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=300)

    assert (page.status_code, "campus" in page.text, "New import" in page.text) == (200, True, True)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_demo_that_is_broken_off_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    """A signal stops the campus and the daemon, and removes the temporary folder."""
    process = _start(tmp_path=tmp_path)
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("run 1 "):
            break
    children = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(number)
    process.communicate(timeout=300)

    assert process.returncode == 130
    assert len(children) >= 2
    assert not [child for child in children if child.is_running() and child.status() != psutil.STATUS_ZOMBIE]
    assert list(tmp_path.glob("coursekeep-demo-*")) == []


def test_a_folder_that_is_not_empty_is_left_alone(tmp_path: Path) -> None:
    """The demo does not write into a folder that holds something."""
    (tmp_path / "mine").write_text("x")
    process = _start("--dir", str(tmp_path), tmp_path=tmp_path)
    _, err = process.communicate(timeout=120)

    assert process.returncode == 2
    assert "is not an empty folder" in err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
