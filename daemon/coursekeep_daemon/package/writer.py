"""Write one version of one course into the archive."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from types import TracebackType
from typing import Any, Self

import structlog

from coursekeep import Course, Expected, Gap, GapReason, NativeExport, RawPage, Record, Redaction, RemoteFile
from coursekeep_daemon.package import objects
from coursekeep_daemon.package.assembly import Assembly, comparable
from coursekeep_daemon.package.context import Committed, Head, PackageContext
from coursekeep_daemon.package.draft import Draft
from coursekeep_daemon.package.errors import OtherSource, PackageError
from coursekeep_daemon.package.ocfl import Inventory
from coursekeep_daemon.package.redact import Redactor
from coursekeep_daemon.package.sink import FileSink
from coursekeep_daemon.package.storage import Staging
from coursekeep_daemon.package.targets.base import NewVersion, OnStep, Place

__all__ = ["PackageWriter"]

log = structlog.get_logger(__name__)


def _nothing(step: StrEnum) -> None:
    return None


class PackageWriter:
    """One version of one course. Use it as a context manager; what is not committed leaves nothing behind.

    Parts may come in any order and from any thread. Memory stays flat: records wait in a file, bytes go to the
    staging area at once. The package's lock is held from `__enter__` to `__exit__`.
    """

    def __init__(
        self,
        place: Place,
        staging: Staging,
        object_id: str,
        course: Course,
        context: PackageContext,
        redactions: Sequence[Redaction],
        clock: Callable[[], datetime],
    ) -> None:
        self.course = course
        self.context = context
        self._place = place
        self._object_id = object_id
        self._redactor = Redactor(redactions)
        self._clock = clock
        self._staging = staging
        self._before: Inventory | None = None
        self._entered: Draft | None = None

    def __enter__(self) -> Self:
        """Take the package's lock. Raises `PackageBusy`, `OtherSource`, `PackageDamaged`, `StorageUnavailable`."""
        self._staging.__enter__()
        try:
            self._before = self._place.recover(self._staging)
            self._check_source()
            self._staging.prepare()
            self._entered = Draft(self._staging, self._redactor, self._clock)
        except BaseException:
            self._staging.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._entered is not None:
            self._entered.close()
            self._entered = None
        self._staging.__exit__(kind, error, trace)

    def record(self, record: Record) -> None:
        """Take a record. Raises ValueError naming kind, id and field where it does not fit its model.

        An equal twin is ignored; of unequal twins the last is kept, and the conflict becomes a gap.
        """
        self._draft.record(record)

    def raw(self, page: RawPage) -> None:
        """Take an answer of the LMS. Raises ValueError where its endpoint is no name or its body no JSON."""
        self._draft.raw(page)

    def expect(self, expected: Expected) -> None:
        """Take a number that the LMS stated."""
        self._draft.expect(expected)

    def gap(self, gap: Gap) -> None:
        """Take a gap."""
        self._draft.gap(gap)

    def begin_file(self, file: RemoteFile) -> FileSink:
        """Return where a file's bytes go. Of two with one id, equal bytes are one file; else the last is kept."""
        return self._draft.begin_file(file)

    def begin_export(self, export: NativeExport) -> FileSink:
        """Return where the bytes of the LMS's own export go."""
        return self._draft.begin_export(export)

    def missing(self, file: RemoteFile | NativeExport, reason: GapReason, detail: str = "") -> None:
        """Record a file whose bytes could not be had: its description, and a gap that accounts for it."""
        self._draft.missing(file, reason, detail)

    @property
    def gaps(self) -> int:
        """Return how many gaps are named so far."""
        return self._draft.gaps

    def counts(self) -> dict[str, dict[str, Any]]:
        """Return `{kind: {"expected", "captured", "gaps", "status"}}` for what was said so far."""
        return self._draft.counts()

    def commit(self, *, on_step: OnStep = _nothing) -> Committed:
        """Write the version, or nothing where the course is the same as in the newest one.

        A crash at any moment leaves the old head or the new one. Raises `StorageFull`, `StorageUnavailable`;
        `on_step` is called behind each step, for tests.
        """
        draft = self._draft
        if draft.open_sinks():
            raise PackageError(f"{draft.open_sinks()} files are neither finished nor aborted; nothing was written.")
        assembly = Assembly(draft, self.course, self.context, self._object_id)
        content = assembly.content()
        before = self._before
        if before is not None and content == comparable(before.files(before.head)):
            return self._unchanged(before)
        created = self._clock()
        inventory = before or Inventory(id=self._object_id, head=0, manifest={}, versions={})
        assembly.finish(inventory.head + 1, before, created)
        inventory, stored = inventory.next(
            assembly.digests(),
            created=created,
            message=self._message(),
            user={"name": self.context.organization},
            folder=self._place.target.content_folder(self._staging, inventory.head + 1),
        )
        version = NewVersion(inventory=inventory, data=inventory.to_bytes(), stored=stored, staged=assembly.files)
        self._place.target.commit(self._place.path, self._staging, version, on_step)
        octets, streams = assembly.payload()
        return Committed(
            object_id=inventory.id,
            version=inventory.head,
            path=self._place.path,
            changed=True,
            created_at=created,
            gaps=assembly.completeness.gaps,
            completeness=str(assembly.completeness.status),
            payload_bytes=octets,
            payload_files=streams,
        )

    @property
    def _draft(self) -> Draft:
        if self._entered is None:
            raise PackageError("The writer is used outside of its `with` block.")
        return self._entered

    def _message(self) -> str:
        what = "First capture" if self._before is None else "The course had changed"
        return f"{what}; run {self.context.run_id}, item {self.context.item_id}"

    def _head(self, inventory: Inventory) -> Head:
        return objects.head(self._place, inventory)

    def _check_source(self) -> None:
        """Refuse to write a course of one LMS over that of another, for instance where an integration was renamed."""
        if self._before is None:
            return
        found = self._head(self._before).source
        for key in ("connector", "base_url"):
            was, now = (str(source.get(key, "")).rstrip("/") for source in (found, self.context.source))
            if was != now:
                raise OtherSource(
                    f"Package {self._object_id} holds a course of {key} {was!r}, but integration "
                    f"{self.context.integration!r} now has {now!r}. Give the other LMS an integration of its own name."
                )

    def _unchanged(self, inventory: Inventory) -> Committed:
        head = self._head(inventory)
        objects.append_log(
            self._place,
            "captures",
            {
                "at": self._clock(),
                "outcome": "unchanged",
                "version": head.version,
                "run": self.context.run_id,
                "item": self.context.item_id,
            },
        )
        return Committed(
            object_id=head.object_id,
            version=head.version,
            path=head.path,
            changed=False,
            created_at=head.created_at,
            gaps=head.gaps,
            completeness=head.completeness,
            payload_bytes=head.payload_bytes,
            payload_files=head.payload_files,
        )
