"""What deploy/Containerfile installs and starts, without a container engine: its own steps, in folders of a test."""

from __future__ import annotations

import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from fakes.container_file import Instruction, stages
from fakes.daemon_process import stop_process, wait_for

ROOT = Path(__file__).resolve().parents[2]
USER = 10001

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image() -> Iterator[Path]:
    """The folder in which the steps of the first stage were done, with /data and /archive as the second has them.

    The tools of the build are not installed anew: the tests' environment holds what the lock of the build names.
    """
    folder = Path(tempfile.mkdtemp(prefix="ckimage"))  # pytest's own folders are closed to other users
    folder.chmod(0o755)
    _, (build, _) = stages()
    for step in build.instructions:
        if step.name == "WORKDIR":
            Path(here(step.text, folder)).mkdir()
        elif step.name == "COPY":
            *sources, target = step.words
            for source in sources:
                copy(ROOT / source, Path(here(target, folder)), into=target.endswith("/"))
        elif step.name == "RUN" and "/opt/build" not in step.words and "/locks/build.lock" not in step.words:
            run(step, folder)
    yield folder
    shutil.rmtree(folder)


def here(word: str, folder: Path) -> str:
    """Turn a word of the build into one of this machine."""
    if word in ("python", "/opt/build/bin/python"):
        return sys.executable
    if word == "/opt/build/bin/uv":
        return shutil.which("uv") or str(ROOT / ".tools" / "bin" / "uv")
    return f"{folder}{word}" if word.startswith("/") else word


def copy(source: Path, target: Path, *, into: bool) -> None:
    """Copy a file into a folder, or a folder to where it is called so."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        return
    assert into, f"{target} is a folder: its name ends with a /"
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(source, target)


def run(step: Instruction, folder: Path) -> None:
    """Do a step of the build as it is written; only what was fetched before is taken from the cache."""
    words = [here(word, folder) for word in step.text.split() if word != "--no-cache"]
    words = [each for word in words for each in (sorted(glob.glob(word)) if "*" in word else [word])]
    done = subprocess.run(words, cwd=folder / "src", capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"


def confinement(places: list[Path]) -> list[str]:
    """Return what runs a command as another user, with nothing to write to but the places.

    Without root there is neither; what is left of it is no home, and no folder of one's own.
    """
    if os.geteuid() != 0:
        return []
    for place in places:
        os.chown(place, USER, USER)
    binds = " && ".join(f"mount --bind '{place}' '{place}'" for place in places)
    confine = f'{binds} && mount -o remount,bind,ro / && exec "$@"'
    user = f"setpriv --reuid={USER} --regid={USER} --clear-groups --no-new-privs --bounding-set=-all --".split()
    prefix = [shutil.which("unshare") or "unshare", "--mount", "--", "sh", "-c", confine, "sh", *user]
    probe = subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True, text=True, check=False)
    if probe.returncode:
        pytest.skip(f"here is no file system of one's own, or no other user: {probe.stderr.strip()}")
    return prefix


@contextmanager
def container(image: Path, *command: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run a command as the image does: another user, no home, nothing to write to but its own places."""
    places = [image / "places/data", image / "places/archive", image / "tmp"]
    variables = {
        "PATH": f"{image}/opt/coursekeep/bin:/usr/sbin:/usr/bin:/bin",
        "PYTHONDONTWRITEBYTECODE": "1",
        "TMPDIR": str(places[2]),
        "COURSEKEEP_SETTINGS": str(image / "settings.toml"),
    }
    words = [*confinement(places), image / "opt/coursekeep/bin/coursekeep", *command]
    with (image / "log").open("ab") as log:
        process = subprocess.Popen(words, env=variables, cwd="/", stdout=log, stderr=log)
    try:
        yield process
    finally:
        stop_process(process)


def settings(image: Path) -> None:
    """Write the settings of a container that is alone: its store and archive in its own places."""
    (image / "tmp").mkdir()
    (image / "settings.toml").write_text(
        f'[daemon]\nport = 0\ndata_dir = "{image}/places/data"\nlog_format = "json"\n'
        f'[archive]\nurl = "file://{image}/places/archive"\n'
    )


def test_the_daemon_of_the_image_serves_without_root_or_home_on_a_read_only_file_system(image: Path) -> None:
    """From locks and wheel alone `serve` gets ready, `ready` says so, SIGTERM ends it, and nothing else is written."""
    _, (_, last) = stages()
    settings(image)
    site = next((image / "opt/coursekeep/lib").glob("python3*/site-packages"))
    before = {path: path.stat().st_mtime_ns for path in (image / "opt").rglob("*")}
    address = image / "places/data/daemon.json"

    with container(image, *last.only("CMD").words) as daemon:
        wait_for("the daemon", lambda: address.exists() or daemon.poll() is not None)
        assert daemon.poll() is None, (image / "log").read_text()
        url = json.loads(address.read_text())["url"]
        assert httpx.get(f"{url}/api/v1/ready").status_code == 200
        with container(image, "ready") as asked:
            assert asked.wait(60) == 0, (image / "log").read_text()
        owner = (image / "places/data/coursekeep.db").stat().st_uid
        assert stop_process(daemon) == 0

    assert owner == (USER if os.geteuid() == 0 else os.geteuid())
    assert {path: path.stat().st_mtime_ns for path in (image / "opt").rglob("*")} == before
    assert (site / "psycopg").exists()
    assert (site / "opentelemetry" / "sdk").exists()
    assert not (site / "pytest").exists()
    assert list(site.glob("coursekeep_daemon/__pycache__/service.*.pyc"))
