"""Put a version into its place so that a crash at any moment leaves the old head or the new one.

A new object is built whole in the staging area and appears by one rename. A further version is built there too, and
then: its directory is renamed into the object, the root inventory is replaced, and its sidecar is replaced last. Only
the sidecar makes the version count. `recover` finishes or takes back what was interrupted between these steps.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from coursekeep_daemon.package.errors import PackageDamaged
from coursekeep_daemon.package.ocfl import INVENTORY, OBJECT_DECLARATION, SIDECAR, Inventory, sidecar, sidecar_matches
from coursekeep_daemon.package.storage import BLOCK, Staging, storage_errors, sync_directory, sync_file

if TYPE_CHECKING:
    from coursekeep_daemon.package.targets.base import NewVersion, OnStep

__all__ = ["Step", "commit", "load", "recover"]

log = structlog.get_logger(__name__)


class Step(StrEnum):
    """What a commit has just done; tests stop the process behind each."""

    BUILT = "built"  # everything lies in the staging area
    SYNCED = "synced"  # and is on the disk
    MOVED = "moved"  # the object, or the version's directory, is in its place
    INVENTORY = "inventory"  # the root inventory is the new one
    SIDECAR = "sidecar"  # and so is its sidecar: the version counts


def commit(place: Path, root: Path, staging: Staging, version: NewVersion, *, on_step: OnStep) -> None:
    """Write a version into the object at `place`.

    Raises `StorageFull`, `StorageUnavailable`; then nothing has changed, or `recover` finishes it.
    """
    with storage_errors(place):
        built = staging.path("object")
        _build(built, version)
        on_step(Step.BUILT)
        _sync_tree(built)
        on_step(Step.SYNCED)
        if version.inventory.head == 1:
            _install(built, place, root, staging)
            on_step(Step.MOVED)
            return
        os.rename(built / version.name, place / version.name)
        sync_directory(place)
        on_step(Step.MOVED)
        _switch(built, place, on_step)


def load(place: Path) -> tuple[Inventory | None, bool]:
    """Return the inventory at `place`, None where there is no object, and whether a commit was left unfinished.

    With True the inventory is not to be used before `recover`.
    """
    with storage_errors(place):
        try:
            data = (place / INVENTORY).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            if place.is_dir() and any(place.iterdir()):
                raise PackageDamaged(f"The package at {place} has no {INVENTORY}. Restore it from a copy.") from None
            return None, False
        if not sidecar_matches(data, _read(place / SIDECAR)):
            return None, True
        inventory = Inventory.parse(data)
        return inventory, (place / f"v{inventory.head + 1}").exists()


def recover(place: Path, staging: Staging, quarantine: Path) -> Inventory | None:
    """Bring an interrupted commit to its end, or take it back; needs the object's lock.

    A version directory that is whole is made the head. One that is not, which no interruption of ours leaves behind,
    is moved to `quarantine`, never deleted. Raises `PackageDamaged` where the inventory itself is at fault.
    """
    inventory, unfinished = load(place)
    if not unfinished:
        return inventory
    with storage_errors(place):
        staging.prepare()
        if inventory is None:
            inventory = _trusted(place)
        elif (newer := _whole(place, inventory)) is not None:
            inventory = newer
        else:
            return _take_back(place, inventory, quarantine)
        data = (place / f"v{inventory.head}" / INVENTORY).read_bytes()
        built = staging.path("object")
        built.mkdir(exist_ok=True)
        _write_pair(built, data)
        _sync_tree(built)
        _switch(built, place, lambda step: None)
    log.warning("package_commit_finished", package=inventory.id, version=inventory.head)
    return inventory


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""


def _build(built: Path, new: NewVersion) -> None:
    """Lay out the new version below `built` as it will lie below the object."""
    known: set[Path] = set()
    for logical, path in new.stored.items():
        target = built / path
        if target.parent not in known:
            _make(target.parent, built.parent)
            known.add(target.parent)
        os.rename(new.staged[logical].path, target)
    version = built / new.name
    _make(version, built.parent)
    _write_pair(version, new.data)
    _write_pair(built, new.data)
    if new.inventory.head == 1:
        name, text = OBJECT_DECLARATION
        (built / name).write_bytes(text)


def _make(folder: Path, top: Path) -> None:
    """Make a folder, and those between it and `top`, but never that one: where it is gone the disk is away, and what
    is written in its place would be an empty mount point's."""
    missing = takewhile(lambda each: each != top, (folder, *folder.parents))
    for each in reversed(list(missing)):
        each.mkdir(exist_ok=True)


def _write_pair(directory: Path, inventory: bytes) -> None:
    (directory / INVENTORY).write_bytes(inventory)
    (directory / SIDECAR).write_bytes(sidecar(inventory))


def _sync_tree(top: Path) -> None:
    # all at the end: most bytes have reached the disk by now, so this is far cheaper than a sync per file
    for directory, _, files in os.walk(top, topdown=False):
        for name in files:
            sync_file(Path(directory, name))
        sync_directory(Path(directory))


def _install(built: Path, place: Path, root: Path, staging: Staging) -> None:
    """Rename a new object into the storage root, with those directories above it that are missing.

    OCFL allows no empty directories, so they must appear together with the object.
    """
    tree = staging.path("tree")
    nested = tree / place.relative_to(root)
    _make(nested.parent, tree.parent)
    os.rename(built, nested)
    _sync_up(nested.parent, tree)
    for target in (*reversed(place.relative_to(root).parents[:-1]), place.relative_to(root)):
        if (root / target).exists() and root / target != place:
            continue
        try:
            os.rename(tree / target, root / target)
        except OSError as error:
            if error.errno in (errno.ENOTEMPTY, errno.EEXIST) and root / target != place:
                continue  # another package has made this directory meanwhile
            raise
        sync_directory((root / target).parent)
        return


def _sync_up(directory: Path, top: Path) -> None:
    while directory != top:
        sync_directory(directory)
        directory = directory.parent


def _switch(built: Path, place: Path, on_step: OnStep) -> None:
    """Make the inventory in `built` the object's; its sidecar comes last."""
    os.rename(built / INVENTORY, place / INVENTORY)
    sync_directory(place)
    on_step(Step.INVENTORY)
    os.rename(built / SIDECAR, place / SIDECAR)
    sync_directory(place)
    on_step(Step.SIDECAR)


def _trusted(place: Path) -> Inventory:
    """Return the root inventory whose sidecar is out of date, where its version's own copy vouches for it."""
    data = (place / INVENTORY).read_bytes()
    inventory = Inventory.parse(data)
    version = place / f"v{inventory.head}"
    if _read(version / INVENTORY) != data or not sidecar_matches(data, _read(version / SIDECAR)):
        raise PackageDamaged(
            f"The inventory at {place} does not match its checksum, and no interrupted write explains it. "
            "Restore the package from a copy; nothing was changed."
        )
    return inventory


def _whole(place: Path, head: Inventory) -> Inventory | None:
    """Return the inventory of the version after `head` where that version is whole."""
    name = f"v{head.head + 1}"
    data = _read(place / name / INVENTORY)
    if not sidecar_matches(data, _read(place / name / SIDECAR)):
        return None
    newer = Inventory.parse(data)
    earlier = {number: version for number, version in newer.versions.items() if number <= head.head}
    if newer.id != head.id or newer.head != head.head + 1 or earlier != head.versions:
        return None
    prefix = f"{name}/content/"
    listed = {path: digest for digest, paths in newer.manifest.items() for path in paths if path.startswith(prefix)}
    found = dict(_digests(place, place / name / "content"))
    return newer if found == listed else None


def _digests(place: Path, content: Path) -> Iterator[tuple[str, str]]:
    for directory, _, files in os.walk(content):
        for name in files:
            path = Path(directory, name)
            digest = hashlib.sha512(usedforsecurity=False)
            with path.open("rb") as file:
                while block := file.read(BLOCK):
                    digest.update(block)
            yield path.relative_to(place).as_posix(), digest.hexdigest()


def _take_back(place: Path, inventory: Inventory, quarantine: Path) -> Inventory:
    name = f"v{inventory.head + 1}"
    quarantine.mkdir(parents=True, exist_ok=True)
    number = 1
    while (target := quarantine / f"{place.name}-{name}-{number}").exists():
        number += 1
    os.rename(place / name, target)
    sync_directory(place)
    log.error("package_version_quarantined", package=inventory.id, version=inventory.head + 1, moved_to=str(target))
    return inventory
