"""An archive target in an object store that speaks S3. Versions are built on a disk of this machine."""

from __future__ import annotations

import hashlib
import shutil
import uuid
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from coursekeep_daemon.package import guide
from coursekeep_daemon.package.errors import PackageBusy, PackageDamaged, PackageError, StorageUnavailable
from coursekeep_daemon.package.ocfl import (
    INVENTORY,
    LAYOUT_FILES,
    OBJECT_DECLARATION,
    ROOT_DECLARATION,
    SIDECAR,
    Inventory,
)
from coursekeep_daemon.package.storage import Staged, Staging, names_in, storage_errors
from coursekeep_daemon.package.targets import s3_commit
from coursekeep_daemon.package.targets.base import Found, Listing, NewVersion, OnStep, Opened
from coursekeep_daemon.package.targets.s3_client import S3Client, S3Options

__all__ = ["S3"]

#: inside of `extensions/` OCFL looks for no objects
_QUARANTINE = "extensions/coursekeep-quarantine"
_PROBES = "extensions/coursekeep-staging"
_HARMLESS = ("extensions/", "README.txt", "ocfl_layout.json")
#: parts of an object's path, by the layout
_DEPTH = 4
_TRIES = 20
#: seconds that a commit gets which may still be under way elsewhere, before another ends it
_GRACE = 2.0


class S3:
    """A prefix of a bucket."""

    def __init__(self, bucket: str, prefix: str, work: Path, options: S3Options) -> None:
        """Take an address, and the directory of this machine in which versions are built. Asks nobody."""
        self.client = S3Client(bucket, prefix, options)
        self._work = work
        # one directory may serve an archive and its replica
        self._area = work / hashlib.sha256(self.address.encode()).hexdigest()[:12]

    @property
    def address(self) -> str:
        return self.client.address

    @property
    def remedy(self) -> str:
        return "Check archive.url."

    @property
    def exists(self) -> bool:
        # read, not asked for its head: only so a missing bucket is told from a missing object
        return self.client.find(ROOT_DECLARATION[0]) is not None

    def prepare(self) -> bool:
        new = not self.exists
        self._check_conditions()
        if new:
            self._create()
        self._check_root()
        return new

    def probe(self) -> int:
        key = f"{_PROBES}/probe-{uuid.uuid4().hex}"
        self.client.put(key, b"Coursekeep can write here.\n")
        self.client.delete([key])
        return self.space()[0]

    def space(self) -> tuple[int, int]:
        with storage_errors(self._work):
            self._work.mkdir(parents=True, exist_ok=True)
            usage = shutil.disk_usage(self._work)
            return usage.free, usage.total

    def staging(self, name: str) -> Staging:
        with storage_errors(self._work):
            self._work.mkdir(parents=True, exist_ok=True)
        return Staging(self._area, name)

    def staging_names(self) -> list[str]:
        return names_in(self._area)

    def read(self, path: str) -> bytes:
        return self.client.get(path).data

    def open(self, path: str) -> Opened:
        return self.client.open(path)

    def listing(self, path: str) -> Listing:
        below = f"{path}/" if path else ""
        files = frozenset(about.key.removeprefix(below) for about in self.client.list(path))
        folders = {parent for file in files for parent in _parents(file)}
        return Listing(files=files, folders=frozenset(folders), complete=False)

    def survey(self) -> Iterator[Found]:
        objects: set[str] = set()
        others: dict[str, str] = {}
        for about in self.client.list(""):
            parts = about.key.split("/")
            path = "/".join(parts[:_DEPTH])
            if len(parts) == 1 or parts[0] == "extensions" or path in objects:
                continue
            if parts[_DEPTH:] == [OBJECT_DECLARATION[0]]:
                objects.add(path)
                yield Found(path=path)
            else:
                others.setdefault(path, about.key)
        for path, key in sorted(others.items()):
            if path not in objects:
                yield Found(path=key, problem="a file that belongs to no object, or an unfinished upload")

    def load(self, path: str) -> tuple[Inventory | None, bool]:
        return s3_commit.load(self.client, path)

    def recover(self, path: str, staging: Staging) -> Inventory | None:
        # we hold the lock of who left a note, so that writer is dead; others may be at work on other machines
        inventory = s3_commit.recover(self.client, path, _QUARANTINE, grace=0 if staging.left else _GRACE)
        if staging.left:
            keys = [about.key for about in self.client.list(f"{path}/{staging.left}")]
            with suppress(PackageBusy):  # whoever ends that commit removes what is left of others
                s3_commit.drop(self.client, path, keys)
            staging.forget_note()
        return inventory

    def content_folder(self, staging: Staging, number: int) -> str:
        attempt = uuid.uuid4().hex[:16]
        staging.leave_note(f"v{number}/content/{attempt}")
        return f"{attempt}/"

    def commit(self, path: str, staging: Staging, version: NewVersion, on_step: OnStep) -> None:
        try:
            with storage_errors(staging.directory):
                s3_commit.commit(self.client, path, version, on_step)
        except PackageError:
            staging.keep_note()
            raise

    def append(self, path: str, line: bytes) -> None:
        for _ in range(_TRIES):
            before = self.client.find(path)
            if self.client.put_if(path, (before.data if before else b"") + line, before):
                return
        raise PackageBusy(f"Others write to {self.address}/{path} all the time. Try again later.")

    def replace(self, path: str, staged: Staged, *, aside: str) -> None:
        key = f"{_QUARANTINE}/{aside}-{uuid.uuid4().hex[:8]}"
        with suppress(FileNotFoundError):
            self.client.copy(path, key)
        with storage_errors(staged.path):
            if not path.endswith((INVENTORY, SIDECAR)):
                s3_commit.upload(self.client, {path: staged})
            elif not self.client.put_if(path, staged.path.read_bytes(), self.client.find(path)):
                raise PackageBusy(f"Another writer is at work on {self.address}/{path}. Try again later.")

    def clean(self, older_than: timedelta) -> list[str]:
        until = datetime.now(UTC) - older_than
        removed: list[str] = []
        below, keys = "", list[str]()
        for about in self.client.list(""):
            if about.modified >= until:
                continue
            if about.key.startswith(f"{_PROBES}/"):
                self.client.delete([about.key])
                removed.append(about.key)
                continue
            path = "/".join(about.key.split("/")[:_DEPTH])
            if not _is_content(about.key.removeprefix(f"{path}/")):
                continue
            if path != below:
                removed += self._drop(below, keys)
                below, keys = path, []
            keys.append(about.key)
        return removed + self._drop(below, keys)

    def _drop(self, path: str, keys: list[str]) -> list[str]:
        try:
            return s3_commit.drop(self.client, path, keys) if keys else []
        except (PackageBusy, PackageDamaged):  # a commit under way, or a package that a person has to look at
            return []

    def _check_conditions(self) -> None:
        """Refuse a store that takes conditions for decoration: two writers would overwrite each other there."""
        key = f"{_PROBES}/probe-{uuid.uuid4().hex}"
        try:
            created = self.client.put_if(key, b"one\n", None)
            first = self.client.get(key)
            again = self.client.put_if(key, b"two\n", None)
            changed = self.client.put_if(key, b"three\n", first)
            stale = self.client.put_if(key, b"four\n", first)
        finally:
            self.client.delete([key])
        if not created or again or not changed or stale:
            raise StorageUnavailable(
                f"The object store at {self.address} does not obey If-None-Match and If-Match when objects are "
                "written, without which an archive in it is not safe. Choose another store, or update this one."
            )

    def _create(self) -> None:
        for about in self.client.list(""):
            if not about.key.startswith(_HARMLESS):
                raise StorageUnavailable(
                    f"{self.address} is no archive, and not empty: it holds {about.key}. "
                    "Choose an empty or new prefix for archive.url."
                )
        for path, content in {**LAYOUT_FILES, "README.txt": guide.root_readme()}.items():
            self.client.put_if(path, content, None)
        name, text = ROOT_DECLARATION
        self.client.put_if(name, text, None)  # last: with it the root counts as one

    def _check_root(self) -> None:
        """Refuse a storage root that other software has laid out in another way."""
        for path, content in (*LAYOUT_FILES.items(), ROOT_DECLARATION):
            found = self.client.find(path)
            if found is None or found.data != content:
                raise StorageUnavailable(
                    f"The archive at {self.address} is not laid out as Coursekeep does it: {path} is missing or "
                    "different. Restore that object from a copy, or choose another prefix for archive.url."
                )


def _is_content(below: str) -> bool:
    """Tell whether a key below an object is one of uploaded content."""
    return below.startswith("v") and below.split("/")[1:2] == ["content"]


def _parents(path: str) -> Iterator[str]:
    while "/" in path:
        path = path.rpartition("/")[0]
        yield path
