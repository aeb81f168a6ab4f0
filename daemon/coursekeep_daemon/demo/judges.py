"""Who judges the packages: our own verifier, and two strangers where they are installed, bagit and ocfl-py."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from coursekeep_daemon.cli.client import ApiClient

__all__ = ["Verdicts", "judge"]

BAGIT = "bagit.py"
OCFL = "ocfl-validate.py"
#: packages that ocfl-py is given at once
_BATCH = 10


@dataclass(kw_only=True)
class Verdicts:
    """What the judges say of each package."""

    #: judge -> packages they find valid; None where the judge is not installed
    valid: dict[str, int | None] = field(default_factory=dict)
    total: int = 0
    #: what is wrong, one line each
    problems: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether every judge who is here finds every package valid."""
        return not self.problems and all(count in (None, self.total) for count in self.valid.values())


def judge(
    client: ApiClient, archive: Path, packages: Sequence[Mapping[str, Any]], advance: Callable[[], None]
) -> Verdicts:
    """Have every package judged, calling `advance` after each."""
    bagit, ocfl = _find(BAGIT), _find(OCFL)
    verdicts = Verdicts(total=len(packages))
    verdicts.valid = {"coursekeep": 0, "bagit": 0 if bagit else None, "ocfl-py": 0 if ocfl else None}
    for start in range(0, len(packages), _BATCH):
        batch = packages[start : start + _BATCH]
        if ocfl:
            for package, problem in _by_ocfl(ocfl, archive, batch):
                _note(verdicts, "ocfl-py", package, problem)
        for package in batch:
            _note(verdicts, "coursekeep", package, _ours(client, package))
            if bagit:
                _note(verdicts, "bagit", package, _by_bagit(bagit, client, package))
            advance()
    return verdicts


def _note(verdicts: Verdicts, name: str, package: Mapping[str, Any], problem: str) -> None:
    if problem:
        verdicts.problems.append(f"{name}: {package['package_id']} v{package['version']}: {problem}")
    else:
        verdicts.valid[name] = (verdicts.valid[name] or 0) + 1


def _ours(client: ApiClient, package: Mapping[str, Any]) -> str:
    report = client.post(f"/packages/{package['package_id']}/verify")
    return "" if report["valid"] else "; ".join(f"{each['path']}: {each['what']}" for each in report["problems"][:3])


def _by_bagit(bagit: str, client: ApiClient, package: Mapping[str, Any]) -> str:
    """Download the newest version as anybody would, unpack it, and let bagit validate every byte."""
    with TemporaryDirectory(prefix="coursekeep-bag-") as folder:
        bag = Path(folder) / "bag.zip"
        address = f"/packages/{package['package_id']}/versions/{package['version']}/download"
        with client.download(address) as response, bag.open("wb") as out:
            for piece in response.iter_raw():
                out.write(piece)
        with zipfile.ZipFile(bag) as opened:
            opened.extractall(folder)
        bag.unlink()
        tops = list(Path(folder).iterdir())
        if len(tops) != 1:
            return f"the zip holds {len(tops)} top folders instead of one"
        return _run([sys.executable, bagit, "--validate", "--quiet", str(tops[0])])


def _by_ocfl(
    ocfl: str, archive: Path, packages: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], str]]:
    """Have packages judged together, since ocfl-py takes longer to start than to judge; each alone where one is bad."""
    paths = [str(archive / package["path"]) for package in packages]
    good = not _run([sys.executable, ocfl, *paths])
    for package, path in zip(packages, paths, strict=True):
        yield package, "" if good else _run([sys.executable, ocfl, path])


def _find(script: str) -> str | None:
    """Find a script beside our Python first: that is where pip puts it."""
    beside = Path(sys.executable).with_name(script)
    return str(beside) if beside.exists() else shutil.which(script)


def _run(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True)  # noqa: S603  # our own commands
    if done.returncode == 0:
        return ""
    said = (done.stdout + done.stderr).strip().splitlines()
    return said[-1] if said else f"exit code {done.returncode}"
