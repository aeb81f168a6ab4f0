"""Verification: finds every kind of damage in archives, packages, bags and zips, and says where."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path

import fakes.package_kit as kit
import pytest

from coursekeep_daemon.package import Archive, NoSuchPackage, PackageError, verify_path


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    archive = kit.new_archive(tmp_path / "archive")
    kit.write(archive)
    kit.write(archive, kit.parts(grade=90.0))
    return archive


OBJECT_ID = Archive.object_id("main", "101")


def object_of(archive: Archive) -> Path:
    head = archive.head(OBJECT_ID)
    assert head is not None
    return archive.root / head.path


def test_what_is_whole_is_valid_in_every_form(archive: Archive, tmp_path: Path) -> None:
    """Storage root, object, extracted bag and zip bag are recognised by what is in them, and valid."""
    archive.extract(OBJECT_ID, None, tmp_path / "bag")
    archive.export_zip(OBJECT_ID, None, tmp_path / "bag.zip")

    reports = [verify_path(path) for path in (archive.root, object_of(archive), tmp_path / "bag", tmp_path / "bag.zip")]

    assert [report.kind for report in reports] == ["storage root", "object", "bag", "zip bag"]
    assert [report.problems for report in reports] == [[], [], [], []]
    stored = [path for path in object_of(archive).rglob("content/**/*") if path.is_file()]
    assert reports[1].checked_files == len(stored)
    assert reports[1].checked_bytes == sum(path.stat().st_size for path in stored)
    assert reports[0].objects == [
        {"id": OBJECT_ID, "path": object_of(archive).relative_to(archive.root).as_posix(), "version": 2}
    ]
    assert json.loads(json.dumps(reports[0].to_json()))["valid"] is True


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (
        lambda o: flip(o / "v1/content/data/records/people.jsonl"),
        "v1/content/data/records/people.jsonl",
    ),
    "a missing file": (lambda o: (o / "v1/content/data/course.json").unlink(), "v1/content/data/course.json"),
    "an extra file": (lambda o: (o / "v1/content/data/x").write_bytes(b""), "v1/content/data/x"),
    "an extra file beside": (lambda o: (o / "notes.txt").write_bytes(b""), "notes.txt"),
    "an extra file in a version": (lambda o: (o / "v2/x").write_bytes(b""), "v2/x"),
    "an extra version": (lambda o: (o / "v3").mkdir(), "v3"),
    "a missing version": (lambda o: shutil.rmtree(o / "v2"), "v2"),
    "a damaged inventory": (lambda o: flip(o / "inventory.json"), "inventory.json"),
    "a missing inventory": (lambda o: (o / "inventory.json").unlink(), "inventory.json"),
    "a damaged sidecar": (lambda o: (o / "inventory.json.sha512").write_bytes(b"0 inventory.json"), "inventory.json"),
    "a missing sidecar": (lambda o: (o / "inventory.json.sha512").unlink(), "inventory.json.sha512"),
    "a damaged old inventory": (lambda o: flip(o / "v1/inventory.json"), "v1/inventory.json"),
    "a link": (lambda o: (o / "v1/content/data/l").symlink_to("/etc/passwd"), "v1/content/data/l"),
    "a wrong declaration": (lambda o: (o / "0=ocfl_object_1.1").write_bytes(b"x"), "0=ocfl_object_1.1"),
    "a damaged tag file": (lambda o: flip(o / "v2/content/bag-info.txt"), "v2/content/bag-info.txt"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damage_is_found_and_named(archive: Archive, damage: str) -> None:
    """Whatever is changed, missing or too much in an object is reported with its path."""
    harm, where = DAMAGE[damage]
    directory = object_of(archive)
    harm(directory)

    report = verify_path(directory)
    in_root = verify_path(archive.root)

    assert not report.valid
    assert where in {problem.path for problem in report.problems}
    assert not in_root.valid
    prefix = directory.relative_to(archive.root).as_posix()
    assert f"{prefix}/{where}" in {problem.path for problem in in_root.problems}


def rewrite(directory: Path, change: Callable[[dict[str, object]], None]) -> None:
    """Change the inventory as an attacker would, with a matching sidecar."""
    for below in (directory, directory / "v2"):
        body = json.loads((below / "inventory.json").read_bytes())
        change(body)
        data = json.dumps(body).encode()
        (below / "inventory.json").write_bytes(data)
        (below / "inventory.json.sha512").write_text(f"{hashlib.sha512(data).hexdigest()} inventory.json\n")


def test_paths_that_lead_out_of_the_package_are_refused(archive: Archive, tmp_path: Path) -> None:
    """An inventory that names `../` is reported, and its extraction writes nothing outside of the target."""

    def escape(body: dict) -> None:  # type: ignore[type-arg]
        for paths in body["versions"]["v2"]["state"].values():
            paths[:] = ["data/../../evil" if path == "data/records/people.jsonl" else path for path in paths]

    directory = object_of(archive)
    rewrite(directory, escape)

    report = verify_path(directory)

    assert any("leads elsewhere" in problem.what for problem in report.problems)
    with pytest.raises(PackageError, match="leads elsewhere"):
        archive.extract(OBJECT_ID, 2, tmp_path / "out" / "bag")
    assert not (tmp_path / "out" / "evil").exists()


def test_an_inventory_that_tells_another_history_is_reported(archive: Archive) -> None:
    """A forged state with a matching sidecar contradicts v1's own inventory and the bag's manifest."""

    def forge(body: dict) -> None:  # type: ignore[type-arg]
        for version in body["versions"].values():
            for digest, paths in list(version["state"].items()):
                if "data/records/people.jsonl" in paths:
                    del version["state"][digest]

    rewrite(object_of(archive), forge)

    said = {problem.path for problem in verify_path(object_of(archive)).problems}

    assert {"v1/inventory.json", "v2:data/records/people.jsonl"} <= said


def test_strays_and_misplaced_objects_in_a_root_are_reported(archive: Archive) -> None:
    """Files outside of objects, empty directories and an object at the wrong place make a root invalid."""
    directory = object_of(archive)
    (directory.parent / "stray.txt").write_bytes(b"")
    (archive.root / "abc").mkdir()
    shutil.copytree(directory, archive.root / "fff" / "copy")

    said = {problem.path: problem.what for problem in verify_path(archive.root).problems}

    assert "empty directory" in said["abc"]
    assert "does not belong at this place" in said["fff/copy"]
    assert f"{directory.parent.relative_to(archive.root).as_posix()}/stray.txt" in said


def test_an_older_version_can_be_asked_for(archive: Archive) -> None:
    """The bag of any version is checked on request; a version that does not exist is an error, not a result."""
    assert archive.verify(OBJECT_ID, 1).objects[0]["version"] == 1
    with pytest.raises(NoSuchPackage, match="no version 3"):
        archive.verify(OBJECT_ID, 3)
    with pytest.raises(NoSuchPackage, match="no package"):
        archive.verify(Archive.object_id("main", "no"))


@pytest.fixture
def bag(archive: Archive, tmp_path: Path) -> Path:
    archive.extract(OBJECT_ID, None, tmp_path / "bag")
    return tmp_path / "bag"


BAG_DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped bit": (lambda b: flip(b / "data/course.json"), "data/course.json"),
    "a missing file": (lambda b: (b / "data/course.json").unlink(), "data/course.json"),
    "an extra file": (lambda b: (b / "data/extra").write_bytes(b""), "data/extra"),
    "no declaration": (lambda b: (b / "bagit.txt").write_bytes(b"x"), "bagit.txt"),
    "no manifest": (lambda b: (b / "manifest-sha512.txt").unlink(), "."),
    "a damaged manifest": (lambda b: flip(b / "manifest-sha512.txt"), "manifest-sha512.txt"),
    "a wrong oxum": (
        lambda b: (b / "bag-info.txt").write_text("Payload-Oxum: 1.1\n"),
        "bag-info.txt",
    ),
    "a file to fetch": (lambda b: (b / "fetch.txt").write_text("https://x - data/later\n"), "data/later"),
    "a path that escapes": (
        lambda b: (b / "manifest-sha512.txt").write_text(
            (b / "manifest-sha512.txt").read_text() + "00  data/../../x\n"
        ),
        "manifest-sha512.txt",
    ),
    "a path listed twice": (
        lambda b: (b / "manifest-sha512.txt").write_text(
            (b / "manifest-sha512.txt").read_text() + f"{'0' * 128}  data/course.json\n"
        ),
        "data/course.json",
    ),
}


@pytest.mark.parametrize("damage", BAG_DAMAGE)
def test_damage_of_a_bag_is_found_in_directory_and_zip(bag: Path, tmp_path: Path, damage: str) -> None:
    """The same problems are found whether the bag lies in a directory or in a zip."""
    harm, where = BAG_DAMAGE[damage]
    harm(bag)
    with zipfile.ZipFile(tmp_path / "bag.zip", "w") as zipped:
        for path in sorted(bag.rglob("*")):
            if path.is_file():
                zipped.write(path, f"bag/{path.relative_to(bag)}")

    reports = [verify_path(tmp_path / "bag.zip")]
    if (bag / "bagit.txt").exists():
        reports.append(verify_path(bag))

    for report in reports:
        assert not report.valid
        assert where in {problem.path for problem in report.problems}, report.problems


def test_bags_of_others_are_checked_by_whatever_digests_they_have(tmp_path: Path) -> None:
    """A bag with MD5 and SHA-256 manifests and encoded line feeds in a name is read by the rules of RFC 8493."""
    (tmp_path / "bag" / "data").mkdir(parents=True)
    (tmp_path / "bag" / "data" / "a\nb%.txt").write_bytes(b"x")
    (tmp_path / "bag" / "bagit.txt").write_text("BagIt-Version: 0.97\nTag-File-Character-Encoding: UTF-8\n")
    for name in ("md5", "sha256"):
        digest = hashlib.new(name, b"x").hexdigest()
        (tmp_path / "bag" / f"manifest-{name}.txt").write_text(f"{digest.upper()} *data/a%0Ab%25.txt\n")

    assert verify_path(tmp_path / "bag").problems == []


@pytest.mark.parametrize("name", ["../evil", "/etc/x", "bag/../../x", "C:\\x", "other/data/x"])
def test_hostile_zip_entries_are_reported(archive: Archive, tmp_path: Path, name: str) -> None:
    """Entries that lead out, or a second directory at the top, make a zip invalid; nothing is unpacked."""
    archive.export_zip(OBJECT_ID, None, tmp_path / "bag.zip")
    with zipfile.ZipFile(tmp_path / "bag.zip", "a") as zipped:
        zipped.writestr(name, b"x")

    assert not verify_path(tmp_path / "bag.zip").valid


def test_links_in_a_zip_are_reported(archive: Archive, tmp_path: Path) -> None:
    """A symbolic link in a zip is refused."""
    archive.export_zip(OBJECT_ID, None, tmp_path / "bag.zip")
    link = zipfile.ZipInfo(f"{archive.bag_name(OBJECT_ID)}/data/link")
    link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "bag.zip", "a") as zipped:
        zipped.writestr(link, "/etc/passwd")

    assert any("link" in problem.what for problem in verify_path(tmp_path / "bag.zip").problems)


def test_a_damaged_zip_is_invalid(archive: Archive, tmp_path: Path) -> None:
    """A flipped bit in the compressed bytes is a problem of that file, not a crash."""
    archive.export_zip(OBJECT_ID, None, tmp_path / "bag.zip")
    flip(tmp_path / "bag.zip")

    assert not verify_path(tmp_path / "bag.zip").valid


@pytest.mark.parametrize("make", ["nothing", "empty", "text"])
def test_what_cannot_be_checked_raises(tmp_path: Path, make: str) -> None:
    """Nothing there, or nothing we know, is neither valid nor invalid: an error that says what is expected."""
    path = tmp_path / make
    if make == "empty":
        path.mkdir()
    elif make == "text":
        path.write_text("hello")

    with pytest.raises(PackageError, match="package"):
        verify_path(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_place_without_permission_raises(archive: Archive) -> None:
    """A file that may not be read means that nothing can be said, not that the package is damaged."""
    path = object_of(archive) / "v1/content/data/course.json"
    path.chmod(0)

    with pytest.raises(PackageError):
        verify_path(archive.root)
