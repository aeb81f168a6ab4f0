"""Copy versions from one archive target to another, byte for byte."""

from __future__ import annotations

from enum import StrEnum

from coursekeep_daemon.package.errors import PackageBusy, PackageDamaged
from coursekeep_daemon.package.ocfl import INVENTORY, SIDECAR, Inventory
from coursekeep_daemon.package.storage import BLOCK, HashedFile, Staged, Staging, storage_errors
from coursekeep_daemon.package.targets.base import NewVersion, Place

__all__ = ["bring_up", "fetch", "is_behind"]


def is_behind(source: Place, copy: Place) -> bool:
    """Tell whether a copy differs from its source. Reads two small files, which hold the inventories' checksums.

    Raises `PackageDamaged` where the source has none: nothing can be said of the copy then.
    """
    with storage_errors(source.address):
        wanted = _checksum(source)
    if wanted is None:
        raise PackageDamaged(f"There is no {SIDECAR} at {source.address}. Mend it with `coursekeep package repair`.")
    with storage_errors(copy.address):
        return _checksum(copy) != wanted


def bring_up(source: Place, copy: Place, staging: Staging) -> list[int]:
    """Write the versions that a copy lacks, one after the other; return their numbers. Needs the copy's lock.

    Every byte is checked against the source's inventory on its way. A crash leaves the copy at one of the versions.
    Raises `PackageDamaged` where the source is damaged, or the copy has another history.
    """
    with storage_errors(source.address):
        inventory, unfinished = source.load()
    if unfinished:
        raise PackageBusy(f"A commit is under way at {source.address}. Try again later.")
    with storage_errors(copy.address):
        have = copy.recover(staging)
    if inventory is None:
        return []
    _check_history(source, inventory, copy, have)
    missing = list(range(have.head + 1 if have else 1, inventory.head + 1))
    known = {path for paths in have.manifest.values() for path in paths} if have else set()
    for number in missing:
        version = _fetched(source, inventory, number, known, staging)
        known |= version.stored.keys()
        with storage_errors(copy.address):
            copy.target.commit(copy.path, staging, version, _nothing)
    return missing


def fetch(source: Place, path: str, digest: str, staging: Staging) -> Staged:
    """Bring a stored file into a staging area. Raises `PackageDamaged` where its bytes are not those of its digest."""
    where = f"{source.address}/{path}"
    with HashedFile(staging.new_path()) as file:
        with storage_errors(where), source.open(path) as opened:
            while block := opened.file.read(BLOCK):
                file.write(block)
        staged = file.finish()
        if staged.sha512 != digest.lower():
            raise PackageDamaged(f"The stored file {where} does not match its checksum; it was not copied.")
    return staged


def _checksum(place: Place) -> bytes | None:
    try:
        return place.read(SIDECAR)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _check_history(source: Place, inventory: Inventory, copy: Place, have: Inventory | None) -> None:
    if have is None:
        return
    same = {number: version for number, version in inventory.versions.items() if number <= have.head}
    if have.id != inventory.id or have.versions != same:
        raise PackageDamaged(
            f"The copy at {copy.address} tells another history than {source.address}: it is no copy of it, or one of "
            "them was changed. Nothing was copied."
        )


def _fetched(source: Place, inventory: Inventory, number: int, known: set[str], staging: Staging) -> NewVersion:
    """Bring one version into the staging area."""
    staging.clear()
    staging.prepare()
    with storage_errors(source.address):
        data = source.read(f"v{number}/{INVENTORY}")
    version = Inventory.parse(data)
    if version.versions != {n: each for n, each in inventory.versions.items() if n <= number}:
        raise PackageDamaged(f"v{number}/{INVENTORY} at {source.address} tells another history than its package.")
    new = {path: digest for digest, paths in version.manifest.items() for path in paths if path not in known}
    return NewVersion(
        inventory=version,
        data=data,
        stored={path: path for path in new},
        staged={path: fetch(source, path, digest, staging) for path, digest in new.items()},
        private=False,
    )


def _nothing(step: StrEnum) -> None:
    return None
