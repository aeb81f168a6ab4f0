"""Put a version into its place in an object store, without a lock and without renaming anything.

Every attempt uploads its files to keys that no other attempt has (`vN/content/<attempt>/`). Then it creates
`vN/inventory.json`, on condition that there is none: this one request decides whose version it is, for its bytes name
the files of one attempt. What comes behind is the same for everybody, so whoever meets an unfinished commit ends it:
the version's sidecar, the root inventory in the state in which it was read, and the root sidecar, which makes the
version count.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from enum import StrEnum

import structlog

from coursekeep_daemon.package.errors import PackageBusy, PackageDamaged, PackageError, StorageUnavailable
from coursekeep_daemon.package.ocfl import INVENTORY, OBJECT_DECLARATION, SIDECAR, Inventory, sidecar, sidecar_matches
from coursekeep_daemon.package.storage import BLOCK, Staged
from coursekeep_daemon.package.targets.base import NewVersion, OnStep
from coursekeep_daemon.package.targets.s3_client import Kept, S3Client

__all__ = ["S3Step", "commit", "drop", "load", "recover", "upload"]

log = structlog.get_logger(__name__)

#: files that are uploaded at once
_AT_ONCE = 4
_TRIES = 10


class S3Step(StrEnum):
    """What a commit has just done; tests stop the process behind each."""

    UPLOADED = "uploaded"  # every file is stored, and was confirmed
    DECIDED = "decided"  # the version's inventory is there: this version will be the head
    VERSION = "version"  # and so is its sidecar
    INVENTORY = "inventory"  # the root inventory is the new one
    SIDECAR = "sidecar"  # and so is its sidecar: the version counts


def commit(client: S3Client, path: str, version: NewVersion, on_step: OnStep) -> None:
    """Write a version into the object at `path`. Raises `PackageBusy` where another writer was first."""
    keys = {f"{path}/{below}": version.staged[name] for name, below in version.stored.items()}
    try:
        upload(client, keys)
        on_step(S3Step.UPLOADED)
        if not client.put_if(f"{path}/{version.name}/{INVENTORY}", version.data, None):
            raise PackageBusy(f"Another writer was first with {version.name} of {version.inventory.id}. Try later.")
    except PackageError:
        if version.private:
            # best effort: what stays is named by no inventory, and is removed by the next clean-up
            with suppress(PackageError):
                _drop_unless_decided(client, path, version, list(keys))
        raise
    on_step(S3Step.DECIDED)
    _finish(client, path, version.inventory, version.data, on_step)
    _sweep(client, path, version.inventory)


def load(client: S3Client, path: str) -> tuple[Inventory | None, bool]:
    """Return the inventory at `path`, None where there is no object, and whether a commit was left unfinished."""
    beside, root = _root(client, path)
    if root is None:
        return None, beside is not None or client.head(f"{path}/v1/{INVENTORY}") is not None
    if beside is None or not sidecar_matches(root.data, beside.data):
        return None, True
    inventory = Inventory.parse(root.data)
    return inventory, client.head(f"{path}/v{inventory.head + 1}/{INVENTORY}") is not None


def recover(client: S3Client, path: str, quarantine: str, grace: float) -> Inventory | None:
    """End a commit that was interrupted once its version was decided; first give its writer `grace` seconds.

    Where stored files of such a version are gone or damaged, which no interruption of ours leaves behind, the version
    is moved to `quarantine`. Raises `PackageDamaged` where the inventory itself is at fault.
    """
    until = time.monotonic() + grace
    while True:
        inventory, unfinished = load(client, path)
        if not unfinished:
            return inventory
        if time.monotonic() > until:  # nobody is at it any more
            break
        time.sleep(0.1)
    if inventory is None and client.find(f"{path}/{INVENTORY}") is not None:
        newer, data = _trusted(client, path)
    else:
        found = _decided(client, path, inventory)
        if found is None:
            return _take_back(client, path, inventory, quarantine)
        newer, data = found
    _finish(client, path, newer, data, lambda step: None)
    _sweep(client, path, newer)
    log.warning("package_commit_finished", package=newer.id, version=newer.head)
    return newer


def drop(client: S3Client, path: str, keys: Iterable[str]) -> list[str]:
    """Remove those keys below an object that none of its inventories names, and return them."""
    inventory, unfinished = load(client, path)
    if unfinished:
        raise PackageBusy(f"A commit is under way at {client.address}/{path}. Try again later.")
    named = {f"{path}/{below}" for paths in inventory.manifest.values() for below in paths} if inventory else set()
    orphans = [key for key in keys if key not in named]
    client.delete(orphans)
    return orphans


def _drop_unless_decided(client: S3Client, path: str, version: NewVersion, keys: list[str]) -> None:
    decided = client.find(f"{path}/{version.name}/{INVENTORY}")
    if decided is None or decided.data != version.data:  # it was not ours, whatever answer was lost
        client.delete(keys)


def upload(client: S3Client, keys: dict[str, Staged]) -> None:
    """Upload files beside each other, and go on only when the store has confirmed every one."""
    with ThreadPoolExecutor(max_workers=_AT_ONCE, thread_name_prefix="upload") as threads:
        waiting = [threads.submit(_upload_one, client, key, staged) for key, staged in keys.items()]
        try:
            for one in waiting:
                one.result()
        except BaseException:
            threads.shutdown(wait=True, cancel_futures=True)
            raise


def _upload_one(client: S3Client, key: str, staged: Staged) -> None:
    mark = client.upload(key, staged.path, staged.size)
    stored = client.head(key)
    if stored is None or stored.size != staged.size or (mark and stored.e_tag and stored.e_tag != mark):
        raise StorageUnavailable(f"The object store did not keep what was uploaded to {client.address}/{key}.")


def _root(client: S3Client, path: str) -> tuple[Kept | None, Kept | None]:
    """Return root sidecar and root inventory. The sidecar is read first: so it is never the newer of the two, and a
    condition on its state fails where somebody else has gone on."""
    return client.find(f"{path}/{SIDECAR}"), client.find(f"{path}/{INVENTORY}")


def _finish(client: S3Client, path: str, inventory: Inventory, data: bytes, on_step: OnStep) -> None:
    """Make a decided version the head. All who do this write the same bytes."""
    number = inventory.head
    if number == 1:
        name, text = OBJECT_DECLARATION
        client.put_if(f"{path}/{name}", text, None)
    client.put_if(f"{path}/v{number}/{SIDECAR}", sidecar(data), None)
    on_step(S3Step.VERSION)
    for _ in range(_TRIES):
        beside, root = _root(client, path)
        if root is not None and _includes(root.data, inventory):
            return  # somebody has gone on from here already
        if root is None or root.data != data:
            _check_follows(client, path, root, number)
            if not client.put_if(f"{path}/{INVENTORY}", data, root):
                continue
            on_step(S3Step.INVENTORY)
        if beside is not None and beside.data == sidecar(data):
            return
        if client.put_if(f"{path}/{SIDECAR}", sidecar(data), beside):
            on_step(S3Step.SIDECAR)
            return
    raise PackageBusy(f"Others write to {client.address}/{path} all the time. Try again later.")


def _sweep(client: S3Client, path: str, inventory: Inventory) -> None:
    """Remove what others have uploaded for the version that is the head now: theirs can never be it any more.

    Only so is a package valid whose other writers died, on whichever machine. Best effort: the version counts already.
    """
    named = {f"{path}/{below}" for paths in inventory.manifest.values() for below in paths}
    try:
        found = [about.key for about in client.list(f"{path}/v{inventory.head}/content")]
        if orphans := [key for key in found if key not in named]:
            client.delete(orphans)
            log.info("package_uploads_removed", package=inventory.id, version=inventory.head, files=len(orphans))
    except PackageError as error:
        log.warning("package_uploads_not_removed", package=inventory.id, version=inventory.head, reason=str(error))


def _check_follows(client: S3Client, path: str, root: Kept | None, number: int) -> None:
    """Refuse to replace any other root inventory than that of the version before."""
    if (Inventory.parse(root.data).head if root else 0) != number - 1:
        raise _damaged(client, path)


def _includes(data: bytes, inventory: Inventory) -> bool:
    """Tell whether a root inventory is of a later version that has this one in its history."""
    try:
        later = Inventory.parse(data)
    except PackageDamaged:
        return False
    return later.head > inventory.head and later.versions[inventory.head] == inventory.versions[inventory.head]


def _trusted(client: S3Client, path: str) -> tuple[Inventory, bytes]:
    """Return the root inventory whose sidecar is out of date, where its version's own copy vouches for it."""
    root = client.get(f"{path}/{INVENTORY}")
    inventory = Inventory.parse(root.data)
    own = client.find(f"{path}/v{inventory.head}/{INVENTORY}")
    if own is None or own.data != root.data:
        raise _damaged(client, path)
    return inventory, root.data


def _damaged(client: S3Client, path: str) -> PackageDamaged:
    return PackageDamaged(
        f"The inventory at {client.address}/{path} does not match its checksum, and no interrupted write explains it. "
        "Restore the package from a copy; nothing was changed."
    )


def _decided(client: S3Client, path: str, head: Inventory | None) -> tuple[Inventory, bytes] | None:
    """Return the version behind `head` where it is whole: it follows from that one, and all its files are there."""
    number = head.head + 1 if head else 1
    if head is None and (
        client.head(f"{path}/{SIDECAR}") is not None or client.head(f"{path}/v2/{INVENTORY}") is not None
    ):
        raise PackageDamaged(f"The package at {client.address}/{path} has no {INVENTORY}. Restore it from a copy.")
    data = client.get(f"{path}/v{number}/{INVENTORY}").data
    try:
        newer = Inventory.parse(data)
    except PackageDamaged:
        return None
    earlier = {n: version for n, version in newer.versions.items() if n < number}
    if newer.head != number or (head is not None and newer.id != head.id) or earlier != (head.versions if head else {}):
        return None
    new = {(below, digest) for digest, paths in newer.manifest.items() for below in paths}
    new -= {(below, digest) for digest, paths in (head.manifest if head else {}).items() for below in paths}
    return (newer, data) if all(_is_whole(client, f"{path}/{below}", digest) for below, digest in new) else None


def _is_whole(client: S3Client, key: str, digest: str) -> bool:
    found = hashlib.sha512(usedforsecurity=False)
    try:
        with client.open(key) as opened:
            while block := opened.file.read(BLOCK):
                found.update(block)
    except FileNotFoundError:
        return False
    return found.hexdigest() == digest


def _take_back(client: S3Client, path: str, head: Inventory | None, quarantine: str) -> Inventory | None:
    """Copy a version that is not whole to the quarantine, and remove it."""
    name = f"v{head.head + 1 if head else 1}"
    number = 1
    while client.head(to := f"{quarantine}/{path.rpartition('/')[2]}-{name}-{number}/{INVENTORY}") is not None:
        number += 1
    keys = [about.key for about in client.list(f"{path}/{name}")]
    for key in keys:
        client.copy(key, f"{to.removesuffix(f'/{INVENTORY}')}/{key.removeprefix(f'{path}/{name}/')}")
    client.delete(sorted(keys, key=lambda key: key != f"{path}/{name}/{INVENTORY}"))  # what decides goes first
    log.error("package_version_quarantined", package=head and head.id, version=name, moved_to=to)
    return head
