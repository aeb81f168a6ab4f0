"""What a connector has yielded of one course so far: lines in a spool, bytes in the staging area, and numbers."""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any

from coursekeep import Expected, Gap, GapReason, Kind, NativeExport, RawPage, Record, RemoteFile
from coursekeep_daemon.package.completeness import ANNOUNCED, Tally, add_up
from coursekeep_daemon.package.jsontext import NotJson, finite, to_line
from coursekeep_daemon.package.names import safe_id, safe_name
from coursekeep_daemon.package.provenance import GapTimes
from coursekeep_daemon.package.redact import Redactor, Removal
from coursekeep_daemon.package.schemas import RecordRefused, normalise
from coursekeep_daemon.package.sink import FileSink, parse_digest
from coursekeep_daemon.package.spool import Spool, id_key, line_key
from coursekeep_daemon.package.storage import HashedFile, Staged, Staging

__all__ = ["GAPS", "Draft", "StoredBytes", "records_file"]

GAPS = "gaps.jsonl"
_ENDPOINT = re.compile(r"[A-Za-z0-9_]{1,80}")


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredBytes:
    """A file of the LMS in the staging area, with the path below data/ that it will have."""

    path: str
    staged: Staged


def records_file(kind: Kind) -> str:
    """Return the path below data/ of a kind's records."""
    return f"records/{kind}.jsonl"


class Draft:
    """Everything yielded so far. Any thread may call any method."""

    def __init__(self, staging: Staging, redactor: Redactor, clock: Callable[[], datetime]) -> None:
        self.staging = staging
        self.redactor = redactor
        self.spool = Spool(staging.path("spool.db"))
        self.tallies: dict[Kind, Tally] = {}
        self.gap_times = GapTimes()
        #: bytes by kind and id
        self.stored: dict[tuple[Kind, str], StoredBytes] = {}
        self.gaps = 0
        self._clock = clock
        self._lock = threading.RLock()
        self._seen_gaps: set[bytes] = set()
        self._missing: set[tuple[Kind, str]] = set()
        self._endpoints: dict[str, str] = {}
        self._export_paths: dict[str, str] = {}
        self._sinks: list[FileSink] = []

    def record(self, record: Record) -> None:
        """Take a normalised record. Raises `RecordRefused` (a ValueError) naming kind, id and field."""
        kind = Kind(record.kind)
        if kind in ANNOUNCED:
            raise RecordRefused(f"{kind} {record.id}: the framework writes these itself; yield the file instead.")
        self._record(kind, record.id, dict(record.data))

    def raw(self, page: RawPage) -> None:
        """Take what the LMS answered. Raises ValueError where the endpoint is no name or the body no JSON."""
        file = self._endpoint_file(page.endpoint)
        for item in page.body if isinstance(page.body, list) else [page.body]:
            removed: list[Removal] = []
            try:
                line = self._line(self.redactor.redact(item, removed))
            except NotJson as error:
                raise ValueError(f"raw page {page.number} of {page.endpoint}: {error}") from error
            self._add(file, _raw_key(item, line), line, removed)

    def expect(self, expected: Expected) -> None:
        """Take a number that the LMS stated."""
        with self._lock:
            self._tally(Kind(expected.kind)).expect(expected)

    def gap(self, gap: Gap) -> None:
        """Take a gap. One of the same object and words counts once."""
        removed: list[Removal] = []
        line = self._line(
            self.redactor.redact(
                {
                    "kind": str(Kind(gap.kind)),
                    "id": gap.id,
                    "reason": str(GapReason(gap.reason)),
                    "detail": gap.detail,
                    "count": gap.count,
                },
                removed,
            )
        )
        digest = hashlib.blake2b(line, digest_size=16).digest()
        with self._lock:
            if gap.id is not None:
                if digest in self._seen_gaps:
                    return
                self._seen_gaps.add(digest)
            self._tally(Kind(gap.kind)).miss(gap)
            self.gap_times.met(str(gap.kind), str(gap.reason), self._clock())
            self.gaps += 1
            self._add(GAPS, _gap_key(gap, line), line, removed)

    def begin_file(self, file: RemoteFile) -> FileSink:
        """Return where the bytes of a file go."""
        name = safe_name(self._clean(file.name))
        path = f"files/{safe_id(file.group)}/{safe_id(file.id)}/{name}"
        return self._sink(
            file.name,
            file.size,
            file.digest,
            lambda staged: self._store(Kind.FILES, file.id, path, staged, _file_record(file)),
        )

    def begin_export(self, export: NativeExport) -> FileSink:
        """Return where the bytes of the LMS's own export go."""
        path = self._export_path(export)
        return self._sink(
            export.name,
            export.size,
            None,
            lambda staged: self._store(
                Kind.NATIVE_EXPORTS, _export_id(export), path, staged, {"name": export.name, "format": export.format}
            ),
        )

    def missing(self, file: RemoteFile | NativeExport, reason: GapReason, detail: str) -> None:
        """Record a file whose bytes could not be had: its description without a path, and a gap."""
        if isinstance(file, RemoteFile):
            kind, file_id, fields = Kind.FILES, file.id, _file_record(file)
        else:
            kind, file_id = Kind.NATIVE_EXPORTS, _export_id(file)
            fields = {"name": file.name, "format": file.format}
        with self._lock:
            known = (kind, file_id) in self.stored or (kind, file_id) in self._missing
            if not known:
                self._missing.add((kind, file_id))
                self._record(kind, file_id, fields)
            # a file that is here in spite of it, or was named missing before, is not missing once more
            self.gap(Gap(kind=kind, id=file_id, reason=reason, detail=detail, count=0 if known else 1))

    def counts(self) -> dict[str, dict[str, Any]]:
        """Return expected, captured, gaps and status of every kind that something was said about."""
        with self._lock:
            found = {kind: self.captured(kind) for kind in Kind}
            counts = {kind: add_up(kind, self.tallies.get(kind, Tally()), number) for kind, number in found.items()}
        return {
            str(kind): {
                "expected": count.expected,
                "captured": count.captured,
                "gaps": count.gaps,
                "status": str(count.status),
            }
            for kind, count in counts.items()
            if count.captured or kind in self.tallies
        }

    def captured(self, kind: Kind) -> int:
        """Count the records of a kind; of files only those whose bytes are here."""
        if kind in ANNOUNCED:
            return sum(1 for stored_kind, _ in self.stored if stored_kind is kind)
        return self.spool.count(records_file(kind))

    def open_sinks(self) -> int:
        """Count the files that are neither finished nor aborted."""
        return sum(sink.open for sink in self._sinks)

    def close(self) -> None:
        """Give up what is open. The staging area itself is its owner's."""
        for sink in self._sinks:
            sink.abort()
        self.spool.close()

    def _record(self, kind: Kind, record_id: str, data: Mapping[str, Any]) -> None:
        removed: list[Removal] = []
        try:
            values = normalise(kind, record_id, self.redactor.redact(data, removed))
            try:
                line = to_line(values)
            except NotJson:
                line = self._odd_line(kind, record_id, values)
        except NotJson as error:
            raise RecordRefused(f"{kind} {record_id}: {error}") from error
        self._add(records_file(kind), id_key(record_id), line, removed)

    def _odd_line(self, kind: Kind, record_id: str, values: dict[str, Any]) -> bytes:
        """Write a record with NaN or an infinity in it: as text where the model allows that, else null with a gap."""
        for name, value in values.items():
            replaced = finite(value)
            if isinstance(value, float) and isinstance(replaced, str):
                detail = f"The LMS gave {replaced} as {name}; it stands as null."
                self.gap(Gap(kind=kind, id=record_id, reason=GapReason.MALFORMED, detail=detail, count=0))
                replaced = None
            values[name] = replaced
        return to_line(values)

    def _line(self, value: Any) -> bytes:
        try:
            return to_line(value)
        except NotJson:
            return to_line(finite(value))

    def _add(self, file: str, key: bytes, line: bytes, removed: list[Removal]) -> None:
        with self._lock:
            self.spool.add(file, key, line, json.dumps(removed) if removed else None)

    def _tally(self, kind: Kind) -> Tally:
        return self.tallies.setdefault(kind, Tally())

    def _clean(self, text: str) -> str:
        return self.redactor.text(text, [])

    def _endpoint_file(self, endpoint: str) -> str:
        if not _ENDPOINT.fullmatch(endpoint):
            raise ValueError(f"raw page: {endpoint!r} is no endpoint name; use letters, digits and _ only.")
        with self._lock:
            if self._endpoints.setdefault(endpoint.lower(), endpoint) != endpoint:
                raise ValueError(f"raw page: the endpoint {endpoint!r} differs from another in case only.")
        return f"native/api/{safe_name(endpoint + '.jsonl')}"

    def _export_path(self, export: NativeExport) -> str:
        """Return a path that no other export has, also where case is ignored."""
        name = safe_name(self._clean(export.name))
        export_id = _export_id(export)
        with self._lock:
            if self._export_paths.setdefault(name.casefold(), export_id) != export_id:
                digest = hashlib.sha256(export_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
                path = PurePosixPath(safe_name(name, limit=100))
                name = f"{path.stem}.{digest}{path.suffix}"
        return f"native/export/{name}"

    def _sink(self, name: str, size: int | None, digest: str | None, done: Callable[[Staged], None]) -> FileSink:
        promised = parse_digest(digest)
        also = promised[0] if promised and promised[0] != "sha512" else None
        with self._lock:
            path = self.staging.new_path()
            self._sinks = [sink for sink in self._sinks if sink.open]
        sink = FileSink(HashedFile(path, also), name=name, size=size, digest=promised, done=done)
        with self._lock:
            self._sinks.append(sink)
        return sink

    def _store(self, kind: Kind, file_id: str, path: str, staged: Staged, fields: Mapping[str, Any]) -> None:
        with self._lock:
            before = self.stored.get((kind, file_id))
            if before is not None:
                if before.staged.sha512 == staged.sha512:
                    staged.path.unlink()
                    return
                before.staged.path.unlink()
                detail = "The LMS gave two different files of this id; the one that came last is kept."
                self.gap(Gap(kind=kind, id=file_id, reason=GapReason.MALFORMED, detail=detail, count=0))
            self.stored[kind, file_id] = StoredBytes(path=path, staged=staged)
            self._record(kind, file_id, {**fields, "path": path, "size": staged.size, "sha512": staged.sha512})


def _file_record(file: RemoteFile) -> dict[str, Any]:
    return {
        "group": file.group,
        "name": file.name,
        "content_type": file.content_type,
        "folder": file.folder,
        "created_at": file.created_at,
        "updated_at": file.updated_at,
        "person_id": file.person_id,
        "extra": dict(file.extra),
    }


def _export_id(export: NativeExport) -> str:
    return f"{export.format}:{export.name}" if export.format else export.name


def _raw_key(item: Any, line: bytes) -> bytes:
    source_id = item.get("id") if isinstance(item, dict) else None
    if isinstance(source_id, bool) or not isinstance(source_id, int | str):
        return line_key(line)
    return id_key(str(source_id)) + b"\0" + hashlib.blake2b(line, digest_size=16).digest()


def _gap_key(gap: Gap, line: bytes) -> bytes:
    return str(gap.kind).encode() + b"\0" + (id_key(gap.id) if gap.id is not None else b"") + b"\0" + line_key(line)
