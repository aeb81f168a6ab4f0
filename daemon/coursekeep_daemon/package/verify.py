"""Check what is stored: a whole archive, one package, or an exported bag; needs neither daemon nor settings."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from coursekeep_daemon.package.errors import PackageError
from coursekeep_daemon.package.ocfl import OBJECT_DECLARATION, ROOT_DECLARATION, object_path
from coursekeep_daemon.package.report import Pace, VerifyReport
from coursekeep_daemon.package.storage import storage_errors
from coursekeep_daemon.package.trees import DirectoryTree, ZipTree
from coursekeep_daemon.package.verify_bag import check_bag
from coursekeep_daemon.package.verify_object import check_object

__all__ = ["verify_object", "verify_path"]


def verify_path(path: Path) -> VerifyReport:
    """Check what lies at `path`: an OCFL storage root, an object, a bag's directory or a bag's zip.

    Returns a report whose `valid` says the result. Raises `PackageError` where it could not be checked: nothing is
    there, it cannot be read, or it is none of these.
    """
    with storage_errors(path):
        if path.is_dir():
            names = set(os.listdir(path))
            if any(name.startswith("0=ocfl_object_") for name in names):
                return verify_object(path)
            if any(name.startswith("0=ocfl_") for name in names):
                return _verify_root(path)
            if "bagit.txt" in names:
                return _verify_bag(path)
        elif path.is_file() and zipfile.is_zipfile(path):
            return _verify_zip(path)
        elif not path.exists():
            raise PackageError(f"There is nothing at {path}. Give the path of an archive, a package or a bag.")
    raise PackageError(
        f"{path} is no package that can be checked. It must be an archive (0=ocfl_1.1 in it), a package "
        "(0=ocfl_object_1.1), a bag (bagit.txt), or a zip of one bag."
    )


def verify_object(directory: Path, version: int | None = None, pace: Pace | None = None) -> VerifyReport:
    """Check an OCFL object, and the bag of a version (None: the newest). Raises `PackageError` as `verify_path`."""
    report = VerifyReport("object", str(directory), pace=pace)
    check_object(directory, version, report)
    return report


def _verify_bag(directory: Path) -> VerifyReport:
    report = VerifyReport("bag", str(directory))
    check_bag(DirectoryTree(directory, report), report)
    return report


def _verify_zip(path: Path) -> VerifyReport:
    report = VerifyReport("zip bag", str(path))
    try:
        with zipfile.ZipFile(path) as archive:
            check_bag(ZipTree(archive, report), report)
    except zipfile.BadZipFile as error:
        report.problem(".", f"the zip is damaged ({error})")
    return report


def _verify_root(root: Path) -> VerifyReport:
    report = VerifyReport("storage root", str(root))
    name, text = ROOT_DECLARATION
    if not (root / name).is_file() or (root / name).read_bytes() != text:
        report.problem(name, "it is missing or has other content than OCFL 1.1 demands")
    for directory, below, files in os.walk(root):
        here = Path(directory)
        path = here.relative_to(root).as_posix()
        if here == root:
            below[:] = sorted(entry for entry in below if entry not in ("extensions", "lost+found"))
        elif OBJECT_DECLARATION[0] in files:
            below.clear()
            _verify_below(here, path, report)
        else:
            below.sort()
            for file in sorted(files):
                report.problem(f"{path}/{file}", "a file that belongs to no object")
            if not below and not files:
                report.problem(path, "an empty directory, which OCFL does not allow")
    return report


def _verify_below(directory: Path, path: str, report: VerifyReport) -> None:
    before = len(report.objects)
    check_object(directory, None, report, f"{path}/")
    for found in report.objects[before:]:
        if object_path(found["id"]) != path:
            report.problem(path, f"the object {found['id']} does not belong at this place")
