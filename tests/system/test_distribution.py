"""The wheel that institutions install, which tests in a checkout cannot see."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from the sdist, as a release would be."""
    out = tmp_path_factory.mktemp("dist")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", out], cwd=ROOT, check=True)
    (sdist,) = out.glob("*.tar.gz")
    subprocess.run(["tar", "-xzf", sdist, "-C", out], check=True)
    unpacked = out / sdist.name.removesuffix(".tar.gz")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", out], cwd=unpacked, check=True)
    (built,) = out.glob("*.whl")
    return built


def test_the_wheel_holds_every_module_of_the_checkout(wheel: Path) -> None:
    """Nothing of the three packages is left out, data files neither; and nothing else is in."""
    packages = ("plugins/coursekeep", "connectors/coursekeep_connectors", "daemon/coursekeep_daemon")
    expected = {
        path.relative_to((ROOT / package).parent).as_posix()
        for package in packages
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert held == expected


def test_the_installed_wheel_runs(wheel: Path, tmp_path: Path) -> None:
    """Installed apart from the checkout, the program starts, finds its plugins and makes its database."""
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    program = "import sys; sys.path.insert(0, sys.argv.pop(1)); from coursekeep_daemon.cli import main; main()"
    settings = tmp_path / "settings.toml"
    settings.write_text(
        f'[daemon]\ndata_dir = "{tmp_path}/data"\n'
        f'[store]\nurl = "sqlite:///{tmp_path}/data/store.db"\n'
        f'[archive]\nurl = "file://{tmp_path}/archive"\n'
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", program, str(site), "db", "upgrade", "--settings", str(settings)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "store.db").exists()
