"""Export: a version as one standard package, streamed, deterministic, and never with wrong bytes."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import fakes.package_kit as kit
import pytest

from coursekeep_daemon.package import Archive, NoSuchPackage, PackageDamaged, PackageError

OBJECT_ID = Archive.object_id("main", "101")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = kit.new_archive(tmp_path / "archive")
    kit.write(archive)
    kit.write(archive, kit.parts(grade=90.0))
    return archive


def test_a_zip_unpacks_to_one_valid_bag(archive: Archive, tmp_path: Path) -> None:
    """Every version, also one whose bytes lie in an earlier one, unzips to a directory that bagit.py accepts."""
    for version in (1, 2):
        size = archive.export_zip(OBJECT_ID, version, tmp_path / f"{version}.zip")
        assert size == (tmp_path / f"{version}.zip").stat().st_size
        with zipfile.ZipFile(tmp_path / f"{version}.zip") as zipped:
            assert zipped.testzip() is None
            zipped.extractall(tmp_path / str(version))

        (top,) = (tmp_path / str(version)).iterdir()
        assert top.name == archive.bag_name(OBJECT_ID, version)
        kit.judge_bag(top)


def test_a_zip_is_streamed_and_always_the_same(archive: Archive) -> None:
    """It can be written where one cannot seek, in pieces, and two exports are equal byte for byte."""
    pieces = list(archive.iter_zip(OBJECT_ID))
    other = io.BytesIO()

    assert archive.export_zip(OBJECT_ID, 2, other) == sum(map(len, pieces))
    assert len(pieces) > 10
    assert other.getvalue() == b"".join(pieces)


def test_damaged_bytes_are_never_handed_out_as_good(archive: Archive, tmp_path: Path) -> None:
    """Export and extraction stop at a stored file that does not match its checksum, naming it."""
    head = archive.head(OBJECT_ID)
    assert head is not None
    path = archive.root / head.path / "v1/content/data/records/people.jsonl"
    path.write_bytes(path.read_bytes().replace(b"Ada", b"Eve"))

    with pytest.raises(PackageDamaged, match=r"people\.jsonl"):
        archive.export_zip(OBJECT_ID, None, io.BytesIO())
    with pytest.raises(PackageDamaged, match=r"people\.jsonl"):
        archive.extract(OBJECT_ID, None, tmp_path / "bag")


def test_extraction_wants_an_empty_place_and_a_version_that_exists(archive: Archive, tmp_path: Path) -> None:
    """Nothing is written over, and an unknown version is named."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_bytes(b"")

    with pytest.raises(PackageError, match="not empty"):
        archive.extract(OBJECT_ID, None, tmp_path / "full")
    with pytest.raises(NoSuchPackage, match="1 to 2"):
        archive.export_zip(OBJECT_ID, 7, io.BytesIO())
