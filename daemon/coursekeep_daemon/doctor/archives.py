"""The archive and its replicas: whether they are there, can be reached and written, and their room. Writes nothing."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from coursekeep import CoursekeepError
from coursekeep_daemon.archives import open_archive, work_directory
from coursekeep_daemon.doctor.finding import Finding, failed, ok, warning
from coursekeep_daemon.package import Archive
from coursekeep_daemon.secrets import without_credentials
from coursekeep_daemon.settings import Settings

__all__ = ["look"]

_NONE = "mount its disk, or correct archive.url; the first start of a daemon makes one"


def look(settings: Settings) -> Iterator[Finding]:
    """Yield what is found; where the settings name no archive, only that."""
    try:
        archive = open_archive(settings)
    except CoursekeepError as error:
        yield failed("archive", str(error), "correct [archive]")
        return
    yield from _archive(settings, archive)
    for replica in archive.replicas:
        yield _replica(replica)


def _archive(settings: Settings, archive: Archive) -> Iterator[Finding]:
    address, in_bucket = without_credentials(settings.archive.url), settings.archive.url.startswith("s3://")
    try:
        exists = archive.exists
    except (CoursekeepError, OSError) as error:
        remedy = "look after the object store, or correct [archive.s3]" if in_bucket else "mount the archive"
        yield failed("bucket" if in_bucket else "archive", str(error), f"{remedy}, or correct archive.url")
        return
    if in_bucket:
        yield ok("bucket", f"it answers at {address}, and may be read")
    if not exists:
        yield warning("archive", f"there is no archive at {address}", _NONE)
        return
    if not in_bucket and not os.access(archive.root, os.W_OK):
        said = f"{archive.root} cannot be written"
        yield failed("archive", said, "give it to the daemon's user; mount it read-write")
        return
    yield ok("archive", f"{address} is there")
    yield _room(_existing(work_directory(settings) if in_bucket else archive.root), settings.archive.min_free)


def _existing(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that is there: what is missing is made by the daemon's user."""
    return next(each for each in (folder, *folder.absolute().parents) if each.is_dir())


def _room(folder: Path, least: int) -> Finding:
    usage = shutil.disk_usage(folder)
    said = f"{usage.free:,} of {usage.total:,} bytes are free"
    if usage.free < least:
        return failed(
            "archive room", f"{said}, less than archive.min_free", "make room: no course begins until there is"
        )
    if usage.free < 10 * least:
        remedy = "it is soon less than archive.min_free, where archiving stops: make room"
        return warning("archive room", said, remedy)
    return ok("archive room", said)


def _replica(replica: Archive) -> Finding:
    address = without_credentials(replica.address)
    step = f"replica {address}"
    try:
        if replica.exists:
            return ok(step, "it is there")
    except (CoursekeepError, OSError) as error:
        return failed(step, str(error), "look after it: nothing is copied to it meanwhile, and then all that it lacks")
    remedy = f"{replica.target.remedy} Make a new one with `coursekeep package replicate`."
    return failed(step, "there is no archive", remedy)
