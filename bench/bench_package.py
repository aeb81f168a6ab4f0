"""Ratios of the package room, measured in one run: hashing while writing, and spooling of records."""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from coursekeep import ALWAYS, Course, Expected, Kind, Record
from coursekeep_daemon.package import Archive, PackageContext
from coursekeep_daemon.package.storage import BLOCK, HashedFile

__all__ = ["hash_ratio", "records_per_second"]


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def hash_ratio(directory: Path, blocks: int = 200) -> float:
    """Return how fast a file is written and hashed, against plain writing plus plain hashing of the same bytes."""
    block = os.urandom(BLOCK)

    def plain() -> None:
        digest = hashlib.sha512()
        with (directory / "plain").open("wb") as file:
            for _ in range(blocks):
                file.write(block)
                digest.update(block)

    def sink() -> None:
        file = HashedFile(directory / "hashed")
        for _ in range(blocks):
            file.write(block)
        file.finish()

    return _seconds(plain) / _seconds(sink)


def records_per_second(directory: Path, number: int = 50_000) -> float:
    """Return how many records a second are validated, redacted, sorted, written and committed."""
    archive = Archive(directory / "archive", organization="Example University")
    archive.prepare()
    context = PackageContext(
        integration="main",
        source={"connector": "canvas", "base_url": "https://lms.example.edu"},
        organization="Example University",
        software="Coursekeep",
        run_id=1,
        item_id=1,
        started_at=datetime.now(UTC),
    )

    def work() -> None:
        with archive.writer(Course(id="1", name="Tidal Systems"), context, ALWAYS) as writer:
            writer.expect(Expected(kind=Kind.GRADES, count=number))
            for grade in range(number):
                record_id = str(grade * 7919 % number)
                writer.record(Record(kind=Kind.GRADES, id=record_id, data={"person_id": "1", "final_score": 81.5}))
            writer.commit()

    return number / _seconds(work)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        print(f"write and hash, against both by hand  {hash_ratio(Path(place)):8.2f}")  # noqa: T201
        print(f"records per second, to the commit     {records_per_second(Path(place)):8.0f}")  # noqa: T201
