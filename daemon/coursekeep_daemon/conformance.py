"""Run the conformance suite against an installed distribution, in a process of its own.

A distribution names the modules that hold its suites by entry points of the group `coursekeep.conformance`. pytest runs
them apart from whatever lies in the current folder: no settings, plugins or conftest of the user's have a say.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from coursekeep import CoursekeepError

if TYPE_CHECKING:
    from coursekeep.testing.scorecard import Scorecard

__all__ = ["GROUP", "ConformanceError", "conformance_modules", "run_suite"]

#: entry points that name modules with subclasses of `coursekeep.testing.ConnectorContract`
GROUP = "coursekeep.conformance"
#: pytest: some failed; nothing was collected, which the scorecard shows too
_RAN = frozenset({0, 1, 5})
#: lines of pytest's own words that are shown where it could not run
_LINES = 15
#: what a test run of one's own may have set, and would change this one
_VARIABLES = frozenset({"PYTEST_ADDOPTS", "PYTEST_PLUGINS"})
_SETTINGS = """[pytest]
addopts =
python_files = *.py
python_classes = *
python_functions = test_*
xfail_strict = true
"""


class ConformanceError(CoursekeepError):
    """The suite could not be run."""


def conformance_modules(distribution: str) -> list[str]:
    """Return the modules that hold a distribution's suites.

    Raises `ConformanceError` where it is not installed or names none, or pytest is missing.
    """
    if importlib.util.find_spec("pytest") is None:
        raise ConformanceError("the suite needs pytest; install it with `pip install 'coursekeep[testing]'`")
    try:
        found = importlib.metadata.distribution(distribution)
    except (importlib.metadata.PackageNotFoundError, ValueError):
        message = f"no distribution {distribution!r} is installed beside Coursekeep; `pip install` it into {sys.prefix}"
        raise ConformanceError(message) from None
    modules = sorted({each.module for each in found.entry_points if each.group == GROUP})
    if not modules:
        message = f"{found.name} {found.version} names no conformance suite; add to its pyproject.toml:\n"
        message += f'[project.entry-points."{GROUP}"]\nNAME = "package.conformance"'
        raise ConformanceError(message)
    return modules


def run_suite(modules: Sequence[str], *, seconds: float) -> Scorecard:
    """Run the suites of modules and return their scorecard.

    Raises `ConformanceError` where a module cannot be imported, holds no suite, or does not end in time.
    """
    from coursekeep.testing.scorecard import scorecard

    with tempfile.TemporaryDirectory(prefix="coursekeep-conformance-") as folder:
        done = _pytest(Path(folder), modules, seconds)
        try:
            card = scorecard(json.loads((Path(folder) / "scorecard.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, KeyError) as error:
            raise ConformanceError(f"pytest could not run the suite:\n{_last(done)}") from error
    if done.returncode not in _RAN:
        raise ConformanceError(f"the suite could not be run:\n{_last(done)}")
    if not card.marks:
        message = f"no test was run: {', '.join(modules)} holds no subclass of coursekeep.testing.ConnectorContract"
        raise ConformanceError(message)
    return card


def _pytest(folder: Path, modules: Sequence[str], seconds: float) -> subprocess.CompletedProcess[str]:
    settings = folder / "pytest.ini"
    settings.write_text(_SETTINGS, encoding="utf-8")
    kept = {name: value for name, value in os.environ.items() if name not in _VARIABLES}
    options = [
        *("-c", str(settings), "--rootdir", str(folder), "--noconftest", "--import-mode=importlib"),
        *("-p", "no:cacheprovider", "-p", "coursekeep.testing.collecting"),
        *("--scorecard", str(folder / "scorecard.json"), "--tb=short", "-q", "--color=no", "--pyargs", *modules),
    ]
    try:
        return subprocess.run(  # noqa: S603  # our own interpreter, and modules of installed entry points
            [sys.executable, "-m", "pytest", *options],
            cwd=folder,
            env={**kept, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        message = f"the suite did not end within {seconds:g} seconds; give it longer, or look for what hangs"
        raise ConformanceError(message) from None


def _last(done: subprocess.CompletedProcess[str]) -> str:
    lines = [line for line in (done.stdout + done.stderr).splitlines() if line.strip()]
    return "\n".join(lines[-_LINES:])
