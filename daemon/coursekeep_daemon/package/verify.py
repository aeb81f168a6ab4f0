"""Check what is stored: a whole archive, one package, or an exported bag; needs neither daemon nor settings."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

from coursekeep_daemon.package.errors import PackageError
from coursekeep_daemon.package.ocfl import OBJECT_DECLARATION, ROOT_DECLARATION, object_path
from coursekeep_daemon.package.report import Pace, VerifyReport
from coursekeep_daemon.package.storage import storage_errors
from coursekeep_daemon.package.targets import Disk, Place, S3Options, Target, open_target
from coursekeep_daemon.package.trees import DirectoryTree, ZipTree
from coursekeep_daemon.package.verify_bag import check_bag
from coursekeep_daemon.package.verify_object import check_object

__all__ = ["verify_address", "verify_object", "verify_path", "verify_root"]


def verify_path(path: Path) -> VerifyReport:
    """Check what lies at `path`: an OCFL storage root, an object, a bag's directory or a bag's zip.

    Returns a report whose `valid` says the result. Raises `PackageError` where it could not be checked: nothing is
    there, it cannot be read, or it is none of these.
    """
    with storage_errors(path):
        if path.is_dir():
            names = set(os.listdir(path))
            if any(name.startswith("0=ocfl_object_") for name in names):
                return verify_object(Place(target=Disk(path), path=""))
            if any(name.startswith("0=ocfl_") for name in names):
                return verify_root(Disk(path))
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


def verify_address(url: str, work: Path, options: S3Options) -> VerifyReport:
    """Check what lies at `s3://bucket/prefix`: a storage root, or an object; without fetching it to a disk.

    Raises `PackageError` as `verify_path`, and `SettingsError` for an address that is none.
    """
    target = open_target(url, work, options, key="address")
    with storage_errors(url):
        if _read(target, ROOT_DECLARATION[0]):
            return verify_root(target)
        if _read(target, OBJECT_DECLARATION[0]):
            return verify_object(Place(target=target, path=""))
    raise PackageError(
        f"{url} is no package that can be checked. It must be an archive (0=ocfl_1.1 in it) or a package "
        "(0=ocfl_object_1.1)."
    )


def verify_object(place: Place, version: int | None = None, pace: Pace | None = None) -> VerifyReport:
    """Check an OCFL object, and the bag of a version (None: the newest). Raises `PackageError` as `verify_path`."""
    report = VerifyReport("object", place.address, pace=pace)
    check_object(place, version, report)
    return report


def verify_root(target: Target) -> VerifyReport:
    """Check a storage root with all its objects. Raises `PackageError` as `verify_path`."""
    report = VerifyReport("storage root", target.address)
    with storage_errors(target.address):
        name, text = ROOT_DECLARATION
        if _read(target, name) != text:
            report.problem(name, "it is missing or has other content than OCFL 1.1 demands")
        for found in target.survey():
            if found.problem is not None:
                report.problem(found.path, found.problem)
            else:
                _verify_below(Place(target=target, path=found.path), report)
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


def _read(target: Target, path: str) -> bytes:
    try:
        return target.read(path)
    except FileNotFoundError:
        return b""


def _verify_below(place: Place, report: VerifyReport) -> None:
    before = len(report.objects)
    check_object(place, None, report, f"{place.path}/")
    for found in report.objects[before:]:
        if object_path(found["id"]) != place.path:
            report.problem(place.path, f"the object {found['id']} does not belong at this place")
