"""The archive: a storage root with one package per course."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import unquote

import structlog

from coursekeep import Course, Redaction, SettingsError
from coursekeep_daemon.package import export, guide, objects, reading, verify
from coursekeep_daemon.package.commit import load, recover
from coursekeep_daemon.package.context import Head, PackageContext
from coursekeep_daemon.package.errors import NoSuchPackage, PackageBusy, PackageDamaged, StorageFull, StorageUnavailable
from coursekeep_daemon.package.jsontext import to_line
from coursekeep_daemon.package.names import safe_id
from coursekeep_daemon.package.ocfl import LAYOUT_FILES, ROOT_DECLARATION, Inventory, object_path
from coursekeep_daemon.package.report import Pace, VerifyReport
from coursekeep_daemon.package.storage import Staging, storage_errors, sync_directory, sync_file
from coursekeep_daemon.package.writer import PackageWriter, Place

__all__ = ["Archive"]

log = structlog.get_logger(__name__)

#: namespace of our object ids; never changes
_NAMESPACE = uuid.UUID("6f9d4a52-27f1-5c0e-9b3a-8a1f2f6f7a10")
#: inside of `extensions/` OCFL looks for no objects, and it is on the archive's own file system (decision 004)
_STAGING = "extensions/coursekeep-staging"
_QUARANTINE = "extensions/coursekeep-quarantine"
#: what may lie in a directory that becomes an archive
_HARMLESS = frozenset({"lost+found", "extensions", "README.txt", "ocfl_layout.json"})
#: seconds to wait for another process's commit, which takes milliseconds
_PATIENCE = 5.0


class Archive:
    """All packages at one place. Synchronous: callers in asyncio use threads. Holds no open files."""

    def __init__(self, root: Path, *, organization: str, clock: Callable[[], datetime] | None = None) -> None:
        self.root = root
        self.organization = organization
        self._clock = clock or (lambda: datetime.now(UTC).replace(microsecond=0))
        self._area = root / _STAGING

    @classmethod
    def open(cls, url: str, *, organization: str, clock: Callable[[], datetime] | None = None) -> Archive:
        """Return the archive at `file://path`; a relative path counts from the working directory.

        Touches nothing. Raises `SettingsError` for other addresses.
        """
        scheme, separator, path = url.partition("://")
        if scheme != "file" or not separator or not path:
            raise SettingsError(
                f"archive.url: {url!r} is no place for an archive. Use file:// with a path, such as file://./archive "
                "or file:///srv/archive."
            )
        return cls(Path(unquote(path)).absolute(), organization=organization, clock=clock)

    @staticmethod
    def object_id(integration_id: str, course_id: str) -> str:
        """Return the id of a course's package: always the same for one course of one integration."""
        name = to_line([integration_id, course_id]).decode().strip()
        return f"urn:uuid:{uuid.uuid5(_NAMESPACE, name)}"

    @property
    def exists(self) -> bool:
        """Tell whether there is a storage root. A caller that knows of packages where there is none has the wrong
        directory, perhaps the empty mount point of a disk that is away."""
        return (self.root / ROOT_DECLARATION[0]).is_file()

    def prepare(self) -> bool:
        """Create the storage root or check it, finish interrupted commits and clear what was left half done.

        Work that another process has in progress is left alone. Returns True where the root was created.
        Raises `StorageUnavailable`, `StorageFull`.
        """
        with storage_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            new = not self.exists
            if new:
                self._create()
            self._check_root()
            self._clear_staging()
            return new

    def check_writable(self) -> int:
        """Write, sync and remove a small file; return the free bytes. Raises `StorageFull`, `StorageUnavailable`."""
        self._check_present()
        with storage_errors(self.root), Staging(self._area, f"probe-{uuid.uuid4().hex}") as probe:
            probe.prepare()
            sync_file(probe.write(b"Coursekeep can write here.\n" * 1000).path)
            return shutil.disk_usage(self.root).free

    def space(self) -> tuple[int, int]:
        """Return the free bytes, and those of the whole file system; writes nothing. Raises `StorageUnavailable`."""
        self._check_present()
        with storage_errors(self.root):
            usage = shutil.disk_usage(self.root)
            return usage.free, usage.total

    def require_space(self, minimum: int) -> int:
        """Return the free bytes as `check_writable`. Raises `StorageFull` where there are fewer than `minimum`."""
        free = self.check_writable()
        if free < minimum:
            raise StorageFull(
                f"The archive at {self.root} has {guide.human_size(free)} left, less than the "
                f"{guide.human_size(minimum)} of archive.min_free. Make room, or give the archive more."
            )
        return free

    def head(self, object_id: str) -> Head | None:
        """Return the newest version of a package, None where there is none. Finishes an interrupted commit first.

        Raises `PackageDamaged`, `StorageUnavailable`, `PackageBusy`.
        """
        inventory = self._inventory(object_id)
        place = self._place(object_id)
        with storage_errors(place.directory):
            return objects.head(place.directory, place.path, inventory) if inventory is not None else None

    def versions(self, object_id: str) -> list[Head]:
        """Return every version of a package, the oldest first. Raises as `head`, and `NoSuchPackage`."""
        inventory = self._existing(object_id)
        place = self._place(object_id)
        with storage_errors(place.directory):
            return [
                objects.head(place.directory, place.path, inventory, number) for number in sorted(inventory.versions)
            ]

    def objects(self) -> Iterator[str]:
        """Yield the ids of all packages. One that cannot be read is left out; `verify_path` tells about it."""
        self._check_present()
        with storage_errors(self.root):
            for directory in objects.object_directories(self.root):
                object_id = objects.object_id(directory)
                if object_id is not None:
                    yield object_id

    def writer(self, course: Course, context: PackageContext, redactions: Sequence[Redaction] = ()) -> PackageWriter:
        """Return a writer for the next version of a course's package; it takes the lock when it is entered."""
        place = self._place(self.object_id(context.integration, course.id))
        return PackageWriter(place, course, context, redactions, self._clock)

    def verify(self, object_id: str, version: int | None = None, *, pace: Pace | None = None) -> VerifyReport:
        """Check a package's stored bytes, and one version's bag. Raises `NoSuchPackage` and what storage raises.

        `pace` is called with the size of each block that was read; what it raises breaks the check off.
        """
        self._existing(object_id).version(version)
        return verify.verify_object(self._place(object_id).directory, version, pace)

    def completeness(self, object_id: str, version: int | None = None) -> reading.StatedCompleteness:
        """Return what a version says of its completeness. Raises `PackageDamaged`, `NoSuchPackage` and as `head`."""
        inventory = self._existing(object_id)
        return reading.read_completeness(self._place(object_id).directory, inventory, inventory.version(version))

    def gaps(self, object_id: str, version: int | None = None, *, limit: int = 500) -> reading.NamedGaps:
        """Return the first gaps of a version, and how many it has. Raises as `completeness`."""
        inventory = self._existing(object_id)
        return reading.read_gaps(self._place(object_id).directory, inventory, inventory.version(version), limit)

    def bag_name(self, object_id: str, version: int | None = None) -> str:
        """Return the name of a version's directory when it is exported; a zip is best named like it."""
        return export.bag_name(object_id, self._existing(object_id).version(version))

    def export_zip(self, object_id: str, version: int | None, out: BinaryIO | Path) -> int:
        """Write a version as a zip that holds one bag; return its size in bytes."""
        if isinstance(out, Path):
            with storage_errors(out), out.open("wb") as file:
                return self.export_zip(object_id, version, file)
        size = 0
        for block in self.iter_zip(object_id, version):
            out.write(block)
            size += len(block)
        return size

    def iter_zip(self, object_id: str, version: int | None = None) -> Iterator[bytes]:
        """Yield the zip piece by piece, without a temporary file. Raises `PackageDamaged` at the first wrong byte."""
        inventory = self._existing(object_id)
        return export.iter_zip(self._place(object_id).directory, inventory, inventory.version(version))

    def extract(self, object_id: str, version: int | None, directory: Path) -> None:
        """Write a version as a bag into a new or empty directory."""
        inventory = self._existing(object_id)
        export.extract(self._place(object_id).directory, inventory, inventory.version(version), directory)

    def log_event(self, object_id: str, kind: str, data: Mapping[str, Any]) -> None:
        """Append a line to ``logs/<kind>.jsonl`` of a package, with the time. Never makes a version."""
        self._existing(object_id)
        objects.append_log(self._place(object_id).directory, kind, {"at": self._clock(), **data})

    def _place(self, object_id: str) -> Place:
        return Place(
            object_id=object_id,
            root=self.root,
            path=object_path(object_id),
            staging_area=self._area,
            staging_name=safe_id(object_id.removeprefix("urn:uuid:")),
            quarantine=self.root / _QUARANTINE,
        )

    def _existing(self, object_id: str) -> Inventory:
        inventory = self._inventory(object_id)
        if inventory is None:
            raise NoSuchPackage(f"The archive at {self.root} holds no package {object_id}.")
        return inventory

    def _inventory(self, object_id: str) -> Inventory | None:
        place = self._place(object_id)
        until = time.monotonic() + _PATIENCE
        while True:
            inventory, unfinished = load(place.directory)
            if inventory is None:
                self._check_present()
            if not unfinished:
                return inventory
            try:
                with place.staging() as staging:
                    return recover(place.directory, staging, place.quarantine)
            except PackageBusy:
                # most likely a commit at its last steps
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def _check_present(self) -> None:
        """Refuse to take an unmounted disk for an archive without packages."""
        if not self.exists:
            name = ROOT_DECLARATION[0]
            raise StorageUnavailable(
                f"There is no archive at {self.root} ({name} is missing). Check that its disk is mounted."
            )

    def _create(self) -> None:
        others = sorted({entry.name for entry in self.root.iterdir()} - _HARMLESS)
        if others:
            raise StorageUnavailable(
                f"The directory {self.root} is no archive, and not empty: it holds {', '.join(others[:3])}. "
                "Choose an empty or new directory for archive.url."
            )
        files = {**LAYOUT_FILES, "README.txt": guide.root_readme()}
        name, text = ROOT_DECLARATION
        files[name] = text  # last: with it the root counts as one
        for path, content in files.items():
            target = self.root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            sync_file(target)
            sync_directory(target.parent)
        sync_directory(self.root)

    def _check_root(self) -> None:
        """Refuse a storage root that other software has laid out in another way."""
        for path, content in (*LAYOUT_FILES.items(), ROOT_DECLARATION):
            target = self.root / path
            if not target.is_file() or target.read_bytes() != content:
                raise StorageUnavailable(
                    f"The archive at {self.root} is not laid out as Coursekeep does it: {path} is missing or "
                    "different. Restore that file from a copy, or choose another directory for archive.url."
                )

    def _clear_staging(self) -> None:
        if self._area.is_dir():
            # a directory beside its lock, or one of the two alone
            for name in sorted({entry.removesuffix(".lock") for entry in os.listdir(self._area)}):
                self._clear_one(name)

    def _clear_one(self, name: str) -> None:
        place = self._place(f"urn:uuid:{name}")
        try:
            with Staging(self._area, name) as staging:
                recover(place.directory, staging, place.quarantine)
        except PackageBusy:
            return  # another process is at work on it
        except PackageDamaged as error:
            # one damaged package must not keep all others from being served
            log.error("package_damaged", package=place.object_id, reason=str(error))
