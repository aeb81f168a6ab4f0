"""A connector made by `coursekeep new-connector`, installed apart from the environment that the tests run in."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Made", "installed", "run_in"]


@dataclass(frozen=True, kw_only=True)
class Made:
    """A distribution on disk, and the folder that it is installed into."""

    folder: Path
    site: Path

    @property
    def variables(self) -> Mapping[str, str]:
        """What makes Python find it."""
        return {"PYTHONPATH": str(self.site)}


def run_in(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a module of this Python in a folder, as an author would; nothing of the tests' own environment is told."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("COURSEKEEP_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**clean, **variables},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def installed(folder: Path, site: Path) -> Made:
    """Build the distribution's wheel and unpack it, which is all that installing one is; no network is needed."""
    out = site.with_name(f"{site.name}-wheel")
    built = run_in(folder, "hatchling", "build", "-t", "wheel", "-d", str(out))
    assert built.returncode == 0, built.stderr
    (wheel,) = out.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    return Made(folder=folder, site=site)
