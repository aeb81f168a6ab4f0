"""A made-up course to write packages of, and the independent judges of what was written."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from coursekeep import (
    ALWAYS,
    Course,
    Expected,
    Gap,
    GapReason,
    Kind,
    NativeExport,
    Part,
    RawPage,
    Record,
    RemoteFile,
)
from coursekeep_daemon.package import Archive, Committed, PackageContext, PackageWriter

NOW = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)

COURSE = Course(
    id="101",
    name="Tidal Systems",
    code="OCE-210",
    sis_id="2026-OCE-210",
    term_id="8",
    term_name="Spring 2026",
    account_id="1",
    account_name="School of Oceanography",
    state="completed",
    start_at=datetime(2026, 2, 1, tzinfo=UTC),
    end_at=datetime(2026, 6, 30, 22, tzinfo=UTC),
    ended=True,
    ended_at=datetime(2026, 6, 30, 22, tzinfo=UTC),
    url="https://lms.example.edu/courses/101",
)

CONTEXT = PackageContext(
    integration="main",
    source={"connector": "canvas", "base_url": "https://lms.example.edu"},
    organization="Example University",
    software="Coursekeep/0.1.0",
    run_id=7,
    item_id=70,
    started_at=datetime(2026, 9, 1, 11, 30, tzinfo=UTC),
)

FILES: dict[str, bytes] = {"21": b"%PDF-1.7 tide tables", "22": b"essay on ebb and flow\n", "23": b""}


def parts(*, grade: float = 81.5) -> list[Part]:
    """Return a small course that is complete but for one locked file."""
    return [
        Record(kind=Kind.PEOPLE, id="10", data={"name": "Ada Example", "email": "ada@example.edu"}),
        Record(kind=Kind.PEOPLE, id="9", data={"name": "Ben Example"}),
        Record(kind=Kind.PEOPLE, id="guest", data={"name": "Chloé 🌊 Example"}),
        Expected(kind=Kind.PEOPLE, count=3),
        Record(
            kind=Kind.SUBMISSIONS,
            id="501",
            data={
                "assignment_id": "31",
                "person_id": "9",
                "score": grade,
                "submitted_at": datetime(2026, 3, 1, 10, 0, tzinfo=UTC),
                "body_html": "<p>See https://lms.example.edu/files/22?verifier=x&amp;access_token=SECRET1</p>",
                "file_ids": ["22"],
            },
        ),
        Expected(kind=Kind.SUBMISSIONS, count=1, basis="assignments.submission_count"),
        Record(kind=Kind.GRADES, id="9", data={"person_id": "9", "final_score": grade}),
        Expected(kind=Kind.GRADES, count=1),
        RawPage(
            endpoint="users",
            number=1,
            body=[{"id": 10, "name": "Ada Example", "access_token": "SECRET2"}, {"id": 9, "name": "Ben Example"}],
        ),
        RawPage(endpoint="course", number=1, body={"id": 101, "name": "Tidal Systems"}),
        RemoteFile(group="course", id="21", name="Tide tables: 2026/27.pdf", url="https://x", size=20),
        RemoteFile(group="submissions", id="22", name="essay.txt", url="https://x", person_id="9"),
        RemoteFile(group="course", id="23", name="empty.dat", url="https://x"),
        RemoteFile(group="course", id="24", name="exam.pdf", url="https://x"),
        NativeExport(name="tidal-systems.imscc", url="https://x", format="common_cartridge"),
    ]


def feed(writer: PackageWriter, these: Iterable[Part], files: dict[str, bytes] = FILES) -> None:
    """Give parts to a writer as the archiver does; files that are not known are locked."""
    for part in these:
        if isinstance(part, Record):
            writer.record(part)
        elif isinstance(part, RawPage):
            writer.raw(part)
        elif isinstance(part, Expected):
            writer.expect(part)
        elif isinstance(part, Gap):
            writer.gap(part)
        elif isinstance(part, NativeExport):
            sink = writer.begin_export(part)
            sink.write(b"PK not really a cartridge")
            sink.finish()
        elif part.id in files:
            sink = writer.begin_file(part)
            sink.write(files[part.id])
            sink.finish()
        else:
            writer.missing(part, GapReason.LOCKED, "The LMS withholds this file.")


def new_archive(path: Path, clock: Callable[[], datetime] | None = None) -> Archive:
    """Return a prepared archive whose clock stands still."""
    archive = Archive.open(f"file://{path}", organization="Example University", clock=clock or (lambda: NOW))
    archive.prepare()
    return archive


def write(
    archive: Archive,
    these: Iterable[Part] | None = None,
    *,
    course: Course = COURSE,
    files: dict[str, bytes] = FILES,
    **context: Any,
) -> Committed:
    """Write one version of a course."""
    with archive.writer(course, replace(CONTEXT, **context), ALWAYS) as writer:
        feed(writer, parts() if these is None else these, files)
        return writer.commit()


def shuffled(these: list[Part], seed: int) -> list[Part]:
    """Return the parts in another order."""
    copy = list(these)
    random.Random(seed).shuffle(copy)
    return copy


def content(archive: Archive, committed: Committed, path: str, version: int = 1) -> Path:
    """Return a stored file of a version below its data/."""
    return archive.root / committed.path / f"v{version}" / "content" / "data" / path


def lines(archive: Archive, committed: Committed, path: str, version: int = 1) -> list[Any]:
    """Return the lines of a stored JSON Lines file below data/."""
    return [json.loads(line) for line in content(archive, committed, path, version).read_bytes().splitlines()]


def stored(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory by its path."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes() for path in directory.rglob("*") if path.is_file()
    }


def _judge(*command: str | Path) -> subprocess.CompletedProcess[str]:
    name, *arguments = command
    return subprocess.run(
        [sys.executable, Path(sys.executable).parent / name, *arguments], capture_output=True, text=True, check=False
    )


def judge_bag(directory: Path) -> None:
    """Let the Library of Congress's bagit.py judge a bag."""
    result = _judge("bagit.py", "--validate", directory)
    assert result.returncode == 0, result.stderr


def judge_object(directory: Path) -> str:
    """Let ocfl-py judge an object, and return what it says."""
    result = _judge("ocfl-validate.py", directory)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "is VALID" in result.stdout + result.stderr, result.stdout + result.stderr
    return result.stdout + result.stderr


def judge_at_once(directory: Path) -> None:
    """Let ocfl-py judge an object within this process: its command takes seconds to start."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # from libraries that ocfl-py brings along
        import ocfl

        valid, validator = ocfl.Object().validate(str(directory))
    assert valid, str(validator)


def judge_root(root: Path) -> str:
    """Let ocfl-py judge a storage root with all its objects, and return what it says."""
    result = _judge("ocfl-root.py", "validate", "--root", root, "--validate-objects", "--check-digests", "-v")
    said = result.stdout + result.stderr
    assert result.returncode == 0, said
    assert "INVALID" not in said, said
    assert "is VALID" in said, said
    return said
