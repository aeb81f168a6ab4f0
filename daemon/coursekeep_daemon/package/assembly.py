"""Turn a draft into the files of a version: sorted, counted, described, and listed in a bag's manifests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any

from coursekeep import SCHEMA_VERSION, Course, Gap, GapReason, Kind
from coursekeep_daemon.package import bag, crate, guide, preview
from coursekeep_daemon.package.completeness import ANNOUNCED, Completeness, Tally, total, unexplained
from coursekeep_daemon.package.context import PackageContext
from coursekeep_daemon.package.draft import GAPS, Draft, records_file
from coursekeep_daemon.package.jsontext import pretty
from coursekeep_daemon.package.ocfl import Inventory
from coursekeep_daemon.package.provenance import Removals, events
from coursekeep_daemon.package.redact import Removal
from coursekeep_daemon.package.schemas import schema
from coursekeep_daemon.package.spool import Line
from coursekeep_daemon.package.storage import HashedFile, Staged

__all__ = ["Assembly", "comparable"]

#: below data/: differs between two captures of the same course, so it does not make a version
_VOLATILE = ("README.txt", "ro-crate-metadata.json", "ro-crate-preview.html", "provenance/")


def comparable(files: dict[str, str]) -> dict[str, str]:
    """Return those logical paths, with their digests, by which two captures of a course are compared."""
    return {
        path: digest
        for path, digest in files.items()
        if path.startswith("data/") and not path.removeprefix("data/").startswith(_VOLATILE)
    }


class Assembly:
    """The files of one version on their way from a draft into the object."""

    def __init__(self, draft: Draft, course: Course, context: PackageContext, object_id: str) -> None:
        #: logical path -> bytes
        self.files: dict[str, Staged] = {}
        self.completeness: Completeness
        self.context = context
        self.object_id = object_id
        self.course: dict[str, Any] = {}
        self._draft = draft
        self._source = course
        self._captured: dict[Kind, int] = {}
        self._removals = Removals()

    def content(self) -> dict[str, str]:
        """Write what the LMS said, and return the digests by which this capture is compared with an earlier one."""
        self._records()
        self._native()
        self._named_gaps()
        self._describe()
        for stored in self._draft.stored.values():
            self.files[f"data/{stored.path}"] = stored.staged
        return comparable(self.digests())

    def finish(self, version: int, head: Inventory | None, created: datetime) -> None:
        """Write what describes this version: provenance, README, RO-Crate, preview, and the bag's own files."""
        name = f"{self.object_id} v{version}"
        described = crate.Described(
            course=self.course,
            completeness=self.completeness,
            organization=self.context.organization,
            software=self.context.software,
            version=version,
            created=created,
            object_id=self.object_id,
        )
        self._put(
            "provenance/events.jsonl",
            events(
                self.context,
                name,
                gap_times=self._draft.gap_times,
                removals=self._removals,
                files=len(self.files),
                finished=created,
            ),
        )
        self._put("provenance/redactions.json", [pretty(self._removals.to_json(self._draft.redactor.rules))])
        self._put("README.txt", [guide.package_readme(described, head)])
        sizes = {path.removeprefix("data/"): staged.size for path, staged in self.files.items()}
        self._put("ro-crate-metadata.json", crate.metadata(described, sizes, self._stored_files))
        self._put("ro-crate-preview.html", preview.page(described, sizes, self._stored_files, self._gaps))
        self._bag(version, created)

    def digests(self) -> dict[str, str]:
        """Return the logical paths with their digests."""
        return {path: staged.sha512 for path, staged in self.files.items()}

    def payload(self) -> tuple[int, int]:
        """Return bytes and number of the files below data/."""
        sizes = [staged.size for path, staged in self.files.items() if path.startswith("data/")]
        return sum(sizes), len(sizes)

    def _put(self, path: str, lines: Iterable[bytes], *, below: str = "data/") -> None:
        with HashedFile(self._draft.staging.new_path()) as target:
            for line in lines:
                target.write(line)
            self.files[below + path] = target.finish()

    def _records(self) -> None:
        waiting = set(self._draft.spool.files())
        for kind in Kind:
            file = records_file(kind)
            if file not in waiting:
                continue
            found = 0

            def counted(lines: Iterable[Line]) -> Iterator[bytes]:
                nonlocal found
                for line in lines:
                    found += 1
                    yield self._kept(file, line)  # noqa: B023  # used up before the loop goes on

            self._put(file, counted(_last_of_each(self._draft.spool.lines(file), self._conflict(kind))))
            self._put(f"schemas/{kind}.schema.json", [schema(kind)])
            self._captured[kind] = self._draft.captured(kind) if kind in ANNOUNCED else found

    def _native(self) -> None:
        for file in self._draft.spool.files():
            if file.startswith("native/api/"):
                lines = _last_of_each(self._draft.spool.lines(file), None)
                self._put(file, (self._kept(file, line) for line in lines))

    def _named_gaps(self) -> None:
        """Name what the numbers miss, and write all gaps."""
        for kind in Kind:
            tally = self._draft.tallies.get(kind, Tally())
            missing = unexplained(kind, tally, self._captured.get(kind, 0))
            if missing is not None:
                self._draft.gap(missing)
        self._put(GAPS, (self._kept(GAPS, line) for line in self._draft.spool.lines(GAPS)))

    def _describe(self) -> None:
        self.completeness = total(self._draft.tallies, self._captured, self._draft.gaps)
        self._put("completeness.json", [pretty(self.completeness.to_json())])
        removed: list[Removal] = []
        self.course = self._draft.redactor.redact(self._course(), removed)
        self._removals.add("course.json", json.dumps(removed))
        self._put("course.json", [pretty(self.course)])

    def _course(self) -> dict[str, Any]:
        course = self._source
        return {
            "id": course.id,
            "name": course.name,
            "code": course.code,
            "sis_id": course.sis_id,
            "term": {"id": course.term_id, "name": course.term_name, "end_at": course.term_end_at},
            "account": {"id": course.account_id, "name": course.account_name},
            "state": course.state,
            "start_at": course.start_at,
            "end_at": course.end_at,
            "ended": course.ended,
            "ended_at": course.ended_at,
            "url": course.url,
            "source": dict(self.context.source),
            "integration": self.context.integration,
            "package": self.object_id,
            "completeness": str(self.completeness.status),
            "gaps": self.completeness.gaps,
            "schema_version": SCHEMA_VERSION,
        }

    def _kept(self, file: str, line: Line) -> bytes:
        self._removals.add(file, line.removed)
        return line.text

    def _conflict(self, kind: Kind) -> Callable[[bytes], None] | None:
        if kind in ANNOUNCED:  # a file that was missing first and arrived later; conflicts of bytes are named before
            return None

        def conflict(text: bytes) -> None:
            detail = "The LMS gave two different records of this id; the one that came last is kept."
            self._draft.gap(
                Gap(kind=kind, id=json.loads(text)["id"], reason=GapReason.MALFORMED, detail=detail, count=0)
            )

        return conflict

    def _stored_files(self) -> Iterator[dict[str, Any]]:
        """Yield the records of files and native exports, each with the path it has."""
        for kind in (Kind.FILES, Kind.NATIVE_EXPORTS):
            staged = self.files.get(f"data/{records_file(kind)}")
            if staged is not None:
                yield from _json_lines(staged)

    def _gaps(self) -> Iterator[dict[str, Any]]:
        yield from _json_lines(self.files[f"data/{GAPS}"])

    def _bag(self, version: int, created: datetime) -> None:
        payload = {path: digest for path, digest in self.digests().items() if path.startswith("data/")}
        self._put(bag.MANIFEST, bag.manifest(payload), below="")
        self._put("bagit.txt", [bag.BAGIT_TXT], below="")
        self._put("bag-info.txt", [bag.bag_info(self._bag_fields(version, created))], below="")
        tags = {path: digest for path, digest in self.digests().items() if not path.startswith("data/")}
        self._put(bag.TAG_MANIFEST, bag.manifest(tags), below="")

    def _bag_fields(self, version: int, created: datetime) -> list[tuple[str, str]]:
        octets, streams = self.payload()
        course, context = self.course, self.context
        named = " ".join(filter(None, [course["code"], course["name"], course["term"]["name"]]))
        return [
            ("Source-Organization", context.organization),
            ("External-Description", f"Course archived from a learning management system: {named}"),
            ("External-Identifier", course["url"] or ""),
            ("External-Identifier", course["id"]),
            ("Bag-Group-Identifier", self.object_id),
            ("Internal-Sender-Identifier", f"{self.object_id} v{version}"),
            ("Bagging-Date", created.date().isoformat()),
            ("Bag-Size", guide.human_size(octets)),
            ("Payload-Oxum", f"{octets}.{streams}"),
            ("Bag-Software-Agent", context.software),
            ("X-Coursekeep-Version", str(version)),
            ("X-Coursekeep-Integration", context.integration),
            ("X-Coursekeep-Run", str(context.run_id)),
            ("X-Coursekeep-Item", str(context.item_id)),
            ("X-Coursekeep-Completeness", str(self.completeness.status)),
            ("X-Coursekeep-Gaps", str(self.completeness.gaps)),
        ]


def _last_of_each(lines: Iterable[Line], conflict: Callable[[bytes], None] | None) -> Iterator[Line]:
    """Yield of lines with equal keys the one that came last; report those that differ. Lines without id all stay."""
    held: Line | None = None
    for line in lines:
        if held is not None and (line.key != held.key or line.key[:1] == b"2"):
            yield held
        elif held is not None and conflict is not None and line.text != held.text:
            conflict(line.text)
        held = line
    if held is not None:
        yield held


def _json_lines(staged: Staged) -> Iterator[dict[str, Any]]:
    with staged.path.open("rb") as file:
        for line in file:
            yield json.loads(line)
