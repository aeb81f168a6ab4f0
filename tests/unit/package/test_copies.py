"""Replicas hold the same bytes, and each copy mends the other."""

from __future__ import annotations

import errno
import os
import shutil
from dataclasses import replace
from pathlib import Path

import fakes.package_kit as kit
import pytest

from coursekeep_daemon.package import Archive, NoSuchPackage, PackageDamaged, StorageUnavailable, verify_path

OBJECT_ID = Archive.object_id("main", "101")


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """An archive of two versions with a replica that has both."""
    replica = kit.new_archive(tmp_path / "replica")
    archive = kit.new_archive(tmp_path / "archive")
    archive = Archive(archive.root, organization="Example University", clock=lambda: kit.NOW, replicas=[replica])
    kit.write(archive)
    kit.write(archive, kit.parts(grade=90.0))
    assert archive.replicate(OBJECT_ID, replica) == [1, 2]
    return archive


def object_in(archive: Archive) -> Path:
    return archive.place(OBJECT_ID).target.root / archive.place(OBJECT_ID).path  # type: ignore[attr-defined,no-any-return]


def both(archive: Archive) -> tuple[Path, Path]:
    return object_in(archive), object_in(archive.replicas[0])


def whole(archive: Archive) -> bool:
    one, two = both(archive)
    logs = {"logs/fixity.jsonl", "logs/captures.jsonl"}
    same = {k: v for k, v in kit.stored(one).items() if k not in logs} == kit.stored(two)
    return same and all(verify_path(each).valid for each in (one, two, archive.root, archive.replicas[0].root))


def test_a_replica_holds_the_same_bytes(archive: Archive) -> None:
    """Every version is copied byte for byte, one after the other; what is there already is not copied again."""
    assert whole(archive)
    kit.judge_root(archive.replicas[0].root)
    assert archive.is_behind(OBJECT_ID, archive.replicas[0]) is False
    assert archive.replicate(OBJECT_ID, archive.replicas[0]) == []

    kit.write(archive, kit.parts(grade=70.0))

    assert archive.is_behind(OBJECT_ID, archive.replicas[0]) is True
    assert archive.replicate(OBJECT_ID, archive.replicas[0]) == [3]
    assert whole(archive)


def test_damage_is_not_copied(archive: Archive) -> None:
    """A version whose bytes do not match its inventory is not copied, and the replica stays as it was."""
    kit.write(archive, kit.parts(grade=70.0))
    (object_in(archive) / "v3/content/data/records/grades.jsonl").write_bytes(b"rotten")

    with pytest.raises(PackageDamaged, match="does not match its checksum"):
        archive.replicate(OBJECT_ID, archive.replicas[0])

    assert archive.replicas[0].head(OBJECT_ID).version == 2  # type: ignore[union-attr]
    assert archive.replicas[0].verify(OBJECT_ID).valid


def test_another_history_is_no_copy(archive: Archive) -> None:
    """A replica that holds other versions is left alone by copying and by repair, with words that say so."""
    shutil.rmtree(archive.replicas[0].root)
    archive.replicas[0].prepare()
    kit.write(archive.replicas[0], kit.parts(grade=1.0))
    before = kit.stored(archive.replicas[0].root)

    with pytest.raises(PackageDamaged, match="another history"):
        archive.replicate(OBJECT_ID, archive.replicas[0])
    with pytest.raises(PackageDamaged, match="different histories"):
        archive.repair(OBJECT_ID)

    assert kit.stored(archive.replicas[0].root) == before


DAMAGE = {
    "a flipped bit": "v1/content/data/records/people.jsonl",
    "a root inventory": "inventory.json",
    "a sidecar": "inventory.json.sha512",
    "an older inventory": "v1/inventory.json",
    "the newest inventory": "v2/inventory.json",
    "the declaration": "0=ocfl_object_1.1",
}


@pytest.mark.parametrize("what", DAMAGE)
@pytest.mark.parametrize(("side", "how"), [(0, "changed"), (1, "gone")])
def test_each_copy_mends_the_other(archive: Archive, what: str, how: str, side: int) -> None:
    """Whatever file is changed or gone, in the archive or in its replica, comes back from the other, byte for byte."""
    path = both(archive)[side] / DAMAGE[what]
    before = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(before[:-1] + b"X")

    report = archive.repair(OBJECT_ID)

    assert report.whole
    assert DAMAGE[what] in {each.path for each in report.mended}
    assert report.mended[0].at == (archive, archive.replicas[0])[side].address
    assert path.read_bytes() == before
    assert whole(archive)
    if how == "changed" and what != "a sidecar":  # that one follows from the inventory
        kept = list((archive, archive.replicas[0])[side].root.glob("extensions/coursekeep-quarantine/*"))
        assert before[:-1] + b"X" in [each.read_bytes() for each in kept]


def test_damage_in_both_is_mended_crosswise(archive: Archive) -> None:
    """Where each copy has damage of its own, both become whole."""
    one, two = both(archive)
    (one / "v1/content/data/records/people.jsonl").write_bytes(b"x")
    (two / "v1/content/data/course.json").unlink()
    shutil.rmtree(two / "v2")

    report = archive.repair(OBJECT_ID)

    assert report.whole
    assert report.checked_bytes > 0
    assert whole(archive)


def test_what_no_copy_has_is_named_and_left_alone(archive: Archive) -> None:
    """A file that is damaged everywhere is lost: it is named, nothing is made up, and the rest is mended."""
    for each in both(archive):
        (each / "v1/content/data/records/people.jsonl").write_bytes(b"rotten")
    (object_in(archive) / "v1/content/bagit.txt").unlink()

    report = archive.repair(OBJECT_ID)

    assert not report.repaired
    assert report.detail == "files mended: 1; lost in every copy: v1/content/data/records/people.jsonl"
    assert [each.path for each in report.lost] == ["v1/content/data/records/people.jsonl"]
    assert [each.path for each in report.mended] == ["v1/content/bagit.txt"]
    assert report.to_json()["lost"][0]["what"] == "it is damaged or missing in every copy"
    assert (object_in(archive) / "v1/content/data/records/people.jsonl").read_bytes() == b"rotten"


def test_what_the_inventory_does_not_know_is_named_and_left_alone(archive: Archive) -> None:
    """Files and folders that verification reports beside a whole package are named with their place, and stay."""
    one, two = both(archive)
    strays = [one / "v1/content/stray.txt", one / "v1/notes.txt", one / "letter.txt", two / "v7/inventory.json"]
    for each in strays:
        each.parent.mkdir(exist_ok=True)
        each.write_bytes(b"who knows")
    (one / "v2/content/data/link").symlink_to("/nowhere")
    (two / "v1/content/bagit.txt").unlink()

    report = archive.repair(OBJECT_ID)

    assert [each.path for each in report.mended] == ["v1/content/bagit.txt"]
    names = ["letter.txt", "v1/notes.txt", "v2/content/data/link", "v1/content/stray.txt"]
    here, there = archive.address, archive.replicas[0].address
    assert [(each.at, each.path) for each in report.surplus] == [*((here, name) for name in names), (there, "v7")]
    assert {each.path for each in archive.verify(OBJECT_ID).problems} == set(names)
    assert (report.whole, report.repaired) == (False, True)
    assert "not in the inventory, left alone: letter.txt, v1/notes.txt" in report.detail
    assert [each["path"] for each in report.to_json()["surplus"]] == [*names, "v7"]
    assert all(each.read_bytes() == b"who knows" for each in strays)


def test_a_package_that_is_gone_comes_back_as_a_whole(archive: Archive) -> None:
    """An archive that lost a package, or was restored from an older copy, gets every version from its replica."""
    shutil.rmtree(object_in(archive))

    report = archive.repair(OBJECT_ID)

    assert [each.path for each in report.mended] == ["v1", "v2"]
    assert archive.versions(OBJECT_ID) == archive.replicas[0].versions(OBJECT_ID)
    assert whole(archive)


def test_nothing_is_guessed_without_an_inventory(archive: Archive) -> None:
    """Without any inventory that matches its checksum nothing is changed; a package that is nowhere is no package."""
    for each in both(archive):
        (each / "inventory.json").write_bytes(b"{}")
    before = kit.stored(object_in(archive))

    with pytest.raises(PackageDamaged, match="No copy"):
        archive.repair(OBJECT_ID)
    with pytest.raises(NoSuchPackage):
        archive.repair(Archive.object_id("main", "404"))

    assert kit.stored(object_in(archive)) == before


def test_a_replica_that_is_away_is_named(archive: Archive, tmp_path: Path) -> None:
    """A repair does what it can with the copies that it reaches, and says which it did not; copying says so too."""
    os.rename(archive.replicas[0].root, tmp_path / "away")
    (object_in(archive) / "v1/content/data/records/people.jsonl").write_bytes(b"x")

    report = archive.repair(OBJECT_ID)

    assert not report.whole
    assert list(report.unreached) == [archive.replicas[0].address]
    with pytest.raises(StorageUnavailable, match="Check that its disk is mounted"):
        archive.replicate(OBJECT_ID, archive.replicas[0])
    assert not archive.replicas[0].root.exists()


def test_a_disk_that_fails_is_away(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where not even the root can be looked at, the storage is said to be away, as with any other of its faults."""

    def stale(path: Path) -> bool:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    with monkeypatch.context() as failing:
        failing.setattr(Path, "is_file", stale)
        with pytest.raises(StorageUnavailable, match="Stale file handle"):
            _ = archive.exists


def test_packages_of_other_courses_are_left_alone(archive: Archive) -> None:
    """A repair touches the one package that it is asked for."""
    other = kit.write(archive, course=replace(kit.COURSE, id="102"))
    damaged = archive.root / other.path / "v1/content/bagit.txt"
    damaged.write_bytes(b"x")

    assert archive.repair(OBJECT_ID).mended == []
    assert damaged.read_bytes() == b"x"
