"""An archive in an object store that is busy: what it refuses or breaks off costs time, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fakes.package_kit as kit
import pytest
from fakes.moody_s3 import Mood, MoodyS3, moody_s3
from fakes.s3_archive import options, s3_archive
from fakes.s3_server import S3Server

from coursekeep_daemon.package import Archive, StorageUnavailable

OBJECT_ID = Archive.object_id("main", "101")

pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture
def moody(server: S3Server) -> Iterator[MoodyS3]:
    with moody_s3(server.url) as started:
        yield started


@pytest.fixture
def archive(server: S3Server, moody: MoodyS3, tmp_path: Path, request: pytest.FixtureRequest) -> Archive:
    """An archive that is asked through the proxy."""
    prefix = f"moods/{abs(hash(request.node.nodeid)):x}"
    s3_archive(server, prefix, tmp_path / "work")
    return Archive.open(
        f"s3://{server.bucket}/{prefix}",
        organization="Example University",
        clock=lambda: kit.NOW,
        work=tmp_path / "work",
        s3=options(server, endpoint=moody.url),
    )


def test_a_store_that_asks_to_slow_down_gets_every_byte_in_the_end(archive: Archive, moody: MoodyS3) -> None:
    """Every request is refused once: two versions are written, whole and valid."""
    moody.once_each(Mood.SLOW_DOWN, "GET", "HEAD", "PUT", "POST", "DELETE")

    first = kit.write(archive)
    second = kit.write(archive, kit.parts(grade=90.0))

    assert (first.version, second.version) == (1, 2)
    assert archive.verify(OBJECT_ID).problems == []
    assert moody.shown > 20


def test_a_store_that_refuses_for_long_is_unavailable_and_keeps_its_head(archive: Archive, moody: MoodyS3) -> None:
    """Where it takes no object more, the commit fails and says why; later the same is written as the next version."""
    kit.write(archive)
    moody.always(Mood.SLOW_DOWN, "PUT", "POST")
    with pytest.raises(StorageUnavailable, match="asks to slow down"):
        kit.write(archive, kit.parts(grade=90.0))
    moody.always(Mood.WELL)

    head = archive.head(OBJECT_ID)
    assert head is not None
    assert head.version == 1
    assert archive.verify(OBJECT_ID).problems == []
    assert kit.write(archive, kit.parts(grade=90.0)).version == 2
    assert archive.verify(OBJECT_ID).problems == []


def test_what_a_failed_commit_could_not_remove_is_removed_later(archive: Archive, moody: MoodyS3) -> None:
    """A store that takes files, but neither the inventory nor a removal, is cleared once it is well."""

    def choose(method: str, path: str) -> Mood:
        refused = method in ("POST", "DELETE") or (method == "PUT" and path.endswith("inventory.json"))
        return Mood.SLOW_DOWN if refused else Mood.WELL

    moody.mood = choose
    with pytest.raises(StorageUnavailable, match="asks to slow down"):
        kit.write(archive)
    moody.always(Mood.WELL)
    left = archive.target.listing("").files
    archive.prepare()

    assert [path for path in left if "/content/" in path]
    assert [path for path in archive.target.listing("").files if "/content/" in path] == []


def test_answers_that_break_off_are_taken_up_where_they_broke(archive: Archive, moody: MoodyS3) -> None:
    """What is read in pieces is what was written: verification finds nothing, and an export has the same bytes."""
    kit.write(archive)
    plain = b"".join(archive.iter_zip(OBJECT_ID))
    moody.once_each(Mood.BROKEN_OFF, "GET")

    assert archive.verify(OBJECT_ID).problems == []
    assert b"".join(archive.iter_zip(OBJECT_ID)) == plain
    assert moody.shown > 5


def test_what_cannot_be_read_is_neither_valid_nor_damaged(archive: Archive, moody: MoodyS3) -> None:
    """Where every answer breaks off, verification and export end in an error: nothing is judged by half of it."""
    kit.write(archive)
    moody.always(Mood.BROKEN_OFF, "GET")

    with pytest.raises(StorageUnavailable):
        archive.verify(OBJECT_ID)
    with pytest.raises(StorageUnavailable):
        list(archive.iter_zip(OBJECT_ID))
