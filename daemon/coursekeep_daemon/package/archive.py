"""The archive: a storage root with one package per course."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, BinaryIO

import structlog

from coursekeep import Course, Redaction
from coursekeep_daemon.package import copying, export, guide, objects, reading, repair, verify
from coursekeep_daemon.package.context import Head, PackageContext
from coursekeep_daemon.package.errors import NoSuchPackage, PackageBusy, PackageDamaged, StorageFull, StorageUnavailable
from coursekeep_daemon.package.jsontext import to_line
from coursekeep_daemon.package.names import safe_id
from coursekeep_daemon.package.ocfl import ROOT_DECLARATION, Inventory, object_path
from coursekeep_daemon.package.repair import RepairReport
from coursekeep_daemon.package.report import Pace, VerifyReport
from coursekeep_daemon.package.storage import Staging, storage_errors
from coursekeep_daemon.package.targets import Disk, Place, S3Options, Target, open_target
from coursekeep_daemon.package.writer import PackageWriter

__all__ = ["Archive"]

log = structlog.get_logger(__name__)

#: namespace of our object ids; never changes
_NAMESPACE = uuid.UUID("6f9d4a52-27f1-5c0e-9b3a-8a1f2f6f7a10")
#: seconds to wait for another process's commit, which takes milliseconds
_PATIENCE = 5.0


class Archive:
    """All packages at one place. Synchronous: callers in asyncio use threads. Holds no open files."""

    def __init__(
        self,
        target: Target | Path,
        *,
        organization: str,
        clock: Callable[[], datetime] | None = None,
        replicas: Sequence[Archive] = (),
    ) -> None:
        self.target: Target = Disk(target) if isinstance(target, Path) else target
        self.organization = organization
        #: copies of this archive, which `repair` uses
        self.replicas = tuple(replicas)
        self._clock = clock or (lambda: datetime.now(UTC).replace(microsecond=0))

    @classmethod
    def open(
        cls,
        url: str,
        *,
        organization: str,
        clock: Callable[[], datetime] | None = None,
        work: Path | None = None,
        s3: S3Options | None = None,
        replicas: Sequence[Archive] = (),
        key: str = "archive.url",
    ) -> Archive:
        """Return the archive at `file://path` or `s3://bucket/prefix`; a relative path counts from the working
        directory. In S3, versions are built in `work`, a directory of this machine.

        Touches nothing. Raises `SettingsError` for other addresses, naming the setting `key`.
        """
        target = open_target(url, work, s3 or S3Options(), key=key)
        return cls(target, organization=organization, clock=clock, replicas=replicas)

    @staticmethod
    def object_id(integration_id: str, course_id: str) -> str:
        """Return the id of a course's package: always the same for one course of one integration."""
        name = to_line([integration_id, course_id]).decode().strip()
        return f"urn:uuid:{uuid.uuid5(_NAMESPACE, name)}"

    @property
    def address(self) -> str:
        """Return what people call this archive: its directory, or `s3://bucket/prefix`."""
        return self.target.address

    @property
    def root(self) -> Path:
        """Return the directory of an archive on a disk; `ValueError` for others, which have none."""
        if not isinstance(self.target, Disk):
            raise ValueError(f"the archive at {self.address} has no directory")
        return self.target.root

    @property
    def exists(self) -> bool:
        """Tell whether there is a storage root. A caller that knows of packages where there is none has the wrong
        place, perhaps the empty mount point of a disk that is away. Raises `StorageUnavailable`."""
        with storage_errors(self.address):
            return self.target.exists

    def prepare(self) -> bool:
        """Create the storage root or check it, finish interrupted commits and clear what was left half done.

        Work that another process has in progress is left alone. Returns True where the root was created.
        Raises `StorageUnavailable`, `StorageFull`.
        """
        with storage_errors(self.address):
            new = self.target.prepare()
            for name in self.target.staging_names():
                self._clear_one(name)
            return new

    def check_writable(self) -> int:
        """Write and remove something small; return the free bytes. Raises `StorageFull`, `StorageUnavailable`.

        Of an archive in S3, the free bytes are those of the disk on which packages are built.
        """
        self.check_present()
        with storage_errors(self.address):
            return self.target.probe()

    def space(self) -> tuple[int, int]:
        """Return the free bytes, and those of the whole file system; writes nothing. Raises `StorageUnavailable`."""
        if isinstance(self.target, Disk):  # a store would be asked anew for every page that shows the disk
            self.check_present()
        with storage_errors(self.address):
            return self.target.space()

    def require_space(self, minimum: int) -> int:
        """Return the free bytes as `check_writable`. Raises `StorageFull` where there are fewer than `minimum`."""
        free = self.check_writable()
        if free < minimum:
            raise StorageFull(
                f"The archive at {self.address} has {guide.human_size(free)} left, less than the "
                f"{guide.human_size(minimum)} of archive.min_free. Make room, or give the archive more."
            )
        return free

    def head(self, object_id: str) -> Head | None:
        """Return the newest version of a package, None where there is none. Finishes an interrupted commit first.

        Raises `PackageDamaged`, `StorageUnavailable`, `PackageBusy`.
        """
        inventory = self._inventory(object_id)
        with storage_errors(self.place(object_id).address):
            return objects.head(self.place(object_id), inventory) if inventory is not None else None

    def versions(self, object_id: str) -> list[Head]:
        """Return every version of a package, the oldest first. Raises as `head`, and `NoSuchPackage`."""
        inventory = self._existing(object_id)
        place = self.place(object_id)
        with storage_errors(place.address):
            return [objects.head(place, inventory, number) for number in sorted(inventory.versions)]

    def objects(self) -> Iterator[str]:
        """Yield the ids of all packages. One that cannot be read is left out; `verify_path` tells about it."""
        self.check_present()
        with storage_errors(self.address):
            for found in self.target.survey():
                if found.problem is None:
                    object_id = objects.object_id(Place(target=self.target, path=found.path))
                    if object_id is not None:
                        yield object_id

    def writer(self, course: Course, context: PackageContext, redactions: Sequence[Redaction] = ()) -> PackageWriter:
        """Return a writer for the next version of a course's package; it takes the lock when it is entered."""
        object_id = self.object_id(context.integration, course.id)
        place, staging = self.place(object_id), self.staging(object_id)
        return PackageWriter(place, staging, object_id, course, context, redactions, self._clock)

    def verify(self, object_id: str, version: int | None = None, *, pace: Pace | None = None) -> VerifyReport:
        """Check a package's stored bytes, and one version's bag. Raises `NoSuchPackage` and what storage raises.

        `pace` is called with the size of each block that was read; what it raises breaks the check off.
        """
        self._existing(object_id).version(version)
        return verify.verify_object(self.place(object_id), version, pace)

    def completeness(self, object_id: str, version: int | None = None) -> reading.StatedCompleteness:
        """Return what a version says of its completeness. Raises `PackageDamaged`, `NoSuchPackage` and as `head`."""
        inventory = self._existing(object_id)
        return reading.read_completeness(self.place(object_id), inventory, inventory.version(version))

    def gaps(self, object_id: str, version: int | None = None, *, limit: int = 500) -> reading.NamedGaps:
        """Return the first gaps of a version, and how many it has. Raises as `completeness`."""
        inventory = self._existing(object_id)
        return reading.read_gaps(self.place(object_id), inventory, inventory.version(version), limit)

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
        return export.iter_zip(self.place(object_id), inventory, inventory.version(version))

    def extract(self, object_id: str, version: int | None, directory: Path) -> None:
        """Write a version as a bag into a new or empty directory."""
        inventory = self._existing(object_id)
        export.extract(self.place(object_id), inventory, inventory.version(version), directory)

    def log_event(self, object_id: str, kind: str, data: Mapping[str, Any]) -> None:
        """Append a line to ``logs/<kind>.jsonl`` of a package, with the time. Never makes a version."""
        self._existing(object_id)
        objects.append_log(self.place(object_id), kind, {"at": self._clock(), **data})

    def is_behind(self, object_id: str, replica: Archive) -> bool:
        """Tell whether a replica lacks a version of a package.

        Raises `StorageUnavailable`, and `PackageDamaged` where the package is missing here.
        """
        try:
            return copying.is_behind(self.place(object_id), replica.place(object_id))
        except PackageDamaged:
            self.check_present()  # else it is the whole archive that is missing
            raise

    def replicate(self, object_id: str, replica: Archive) -> list[int]:
        """Copy the versions that a replica lacks, and return their numbers.

        Raises `PackageBusy`, `PackageDamaged`, `StorageFull`, `StorageUnavailable`; the replica is then at one of the
        package's versions, as after a crash.
        """
        replica.check_present()
        with replica.staging(object_id) as staging:
            copied = copying.bring_up(self.place(object_id), replica.place(object_id), staging)
        if not copied and self.is_behind(object_id, replica):
            raise PackageDamaged(
                f"Package {object_id} has the same versions in {self.address} and {replica.address}, but other "
                "checksums. Mend it with `coursekeep package repair`."
            )
        return copied

    def repair(self, object_id: str) -> RepairReport:
        """Check a package here and in all replicas, and mend what one of them has whole, in either direction.

        What no copy has is named in the report, and nothing of it is changed. Raises `NoSuchPackage`, `PackageBusy`,
        `StorageUnavailable`, and `PackageDamaged` where no inventory can be trusted.
        """
        everywhere = [self, *self.replicas]
        return repair.repair(object_id, [(each.place(object_id), each.staging(object_id)) for each in everywhere])

    def clean(self, older_than: timedelta = timedelta(days=1)) -> list[str]:
        """Remove what dead writers have uploaded for no version, if it is old enough; return what it was.

        Nothing that an inventory names is ever removed. Of an archive on a disk there is nothing to remove.
        """
        with storage_errors(self.address):
            return self.target.clean(older_than)

    def place(self, object_id: str) -> Place:
        """Return where a package lies, or would lie."""
        return Place(target=self.target, path=object_path(object_id))

    def staging(self, object_id: str) -> Staging:
        """Return a package's part of the staging area, with its lock, not yet taken."""
        return self.target.staging(safe_id(object_id.removeprefix("urn:uuid:")))

    def _existing(self, object_id: str) -> Inventory:
        inventory = self._inventory(object_id)
        if inventory is None:
            raise NoSuchPackage(f"The archive at {self.address} holds no package {object_id}.")
        return inventory

    def _inventory(self, object_id: str) -> Inventory | None:
        place = self.place(object_id)
        until = time.monotonic() + _PATIENCE
        while True:
            with storage_errors(place.address):
                inventory, unfinished = place.load()
            if not unfinished:
                if inventory is None:
                    self.check_present()
                return inventory
            try:
                with self.staging(object_id) as staging:
                    return place.recover(staging)
            except PackageBusy:
                # most likely a commit at its last steps
                if time.monotonic() > until:
                    raise
                time.sleep(0.02)

    def check_present(self) -> None:
        """Refuse to take an unmounted disk for an archive without packages. Raises `StorageUnavailable`."""
        with storage_errors(self.address):
            if not self.target.exists:
                raise StorageUnavailable(
                    f"There is no archive at {self.address} ({ROOT_DECLARATION[0]} is missing). {self.target.remedy}"
                )

    def _clear_one(self, name: str) -> None:
        object_id = f"urn:uuid:{name}"
        try:
            with self.staging(object_id) as staging:
                self.place(object_id).recover(staging)
        except PackageBusy:
            return  # another process is at work on it
        except PackageDamaged as error:
            # one damaged package must not keep all others from being served
            log.error("package_damaged", package=object_id, reason=str(error))
