"""Storage: a full, missing or foreign place is told apart, and nothing is half done in it."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fakes.package_kit as kit
import pytest

from coursekeep import ALWAYS, Kind, Record, RemoteFile, SettingsError
from coursekeep_daemon.package import (
    Archive,
    PackageBusy,
    PackageError,
    PackageWriter,
    StorageFull,
    StorageUnavailable,
    commit,
)
from coursekeep_daemon.package.storage import Lock, storage_errors


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of one megabyte, where this may be mounted."""
    place = tmp_path / "disk"
    place.mkdir()
    if (
        os.geteuid() != 0
        or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", place], check=False).returncode
    ):
        pytest.skip("a small file system can only be mounted by root")
    yield place
    subprocess.run(["umount", place], check=True)


def fill(writer: PackageWriter, what: str) -> None:
    if what == "file":
        sink = writer.begin_file(RemoteFile(group="course", id="1", name="big", url="u"))
        while True:
            sink.write(bytes(100_000))
    for number in range(100_000):
        writer.record(Record(kind=Kind.PAGES, id=str(number), data={"body_html": "x" * 1000}))


@pytest.mark.parametrize("what", ["file", "records"])
def test_a_full_disk_is_storage_full_and_leaves_the_archive_as_it_was(small_disk: Path, what: str) -> None:
    """No space for a file or for records raises StorageFull; what was there is whole, and there is room again."""
    archive = kit.new_archive(small_disk / "archive")
    done = kit.write(archive)
    free = archive.check_writable()

    with pytest.raises(StorageFull, match="full"), archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        fill(writer, what)

    assert archive.verify(done.object_id).valid
    assert archive.check_writable() == free
    kit.judge_object(archive.root / done.path)


def test_what_did_not_fit_is_not_kept_open(small_disk: Path) -> None:
    """Though an error is remembered, its file is closed and removed: else its place would stay taken."""
    archive = kit.new_archive(small_disk / "archive")
    errors: list[PackageError] = []
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts())
        with suppress_full():
            (small_disk / "filler").write_bytes(bytes(2_000_000))
        for attempt in (archive.check_writable, writer.commit):
            with pytest.raises(StorageFull) as caught:
                attempt()
            errors.append(caught.value)

    targets = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    assert len(errors) == 2
    assert [target for target in targets if target.startswith(str(small_disk))] == []


def test_a_disk_that_fills_up_during_the_commit_takes_the_version_back(small_disk: Path) -> None:
    """No space for the last files of a version raises StorageFull, and the old head stays."""
    archive = kit.new_archive(small_disk / "archive")
    done = kit.write(archive)
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts(grade=90.0))
        with suppress_full():
            (small_disk / "filler").write_bytes(bytes(2_000_000))
        with pytest.raises(StorageFull):
            writer.commit()
    (small_disk / "filler").unlink()

    head = archive.head(done.object_id)
    assert head is not None
    assert head.version == 1
    assert kit.write(archive, kit.parts(grade=90.0)).version == 2
    assert archive.verify(done.object_id).valid


class suppress_full:  # noqa: N801  # reads as a word of the language
    """Lets a write fail for want of space."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return isinstance(error, OSError) and error.errno == errno.ENOSPC


@pytest.mark.parametrize(
    ("number", "error"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EROFS, StorageUnavailable),
        (errno.EACCES, StorageUnavailable),
        (errno.ENOENT, StorageUnavailable),
        (errno.EIO, StorageUnavailable),
        (errno.ESTALE, StorageUnavailable),
        (errno.EFBIG, PackageError),
    ],
)
def test_errors_of_the_system_are_told_apart(number: int, error: type[PackageError]) -> None:
    """Full, unavailable and other faults are different errors, each naming the place."""
    with pytest.raises(error, match="/archive") as caught, storage_errors("/archive"):
        raise OSError(number, os.strerror(number))

    assert type(caught.value) is error


def test_too_little_space_is_said_before_work_begins(tmp_path: Path) -> None:
    """The free space is compared with the operator's minimum, in words that name the setting."""
    archive = kit.new_archive(tmp_path / "archive")

    assert archive.require_space(1) > 0
    with pytest.raises(StorageFull, match=r"archive\.min_free"):
        archive.require_space(1 << 60)


@pytest.mark.parametrize("url", ["s3://bucket", "archive", "", "file://", "http://x/y"])
def test_other_addresses_are_refused_as_settings(url: str) -> None:
    """An address that is no directory is an error of the settings, with an example of a right one."""
    with pytest.raises(SettingsError, match=r"archive\.url"):
        Archive.open(url, organization="Example University")


def test_a_relative_address_counts_from_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`file://./archive` is a directory here, and stays the same when the working directory changes."""
    monkeypatch.chdir(tmp_path)
    archive = Archive.open("file://./my%20archive", organization="Example University")
    monkeypatch.chdir("/")

    assert archive.prepare() is True
    assert archive.prepare() is False
    assert archive.root == tmp_path / "my archive"


def test_a_directory_with_other_things_is_not_made_an_archive(tmp_path: Path) -> None:
    """A non-empty directory is refused, named, and left as it is; a disk's lost+found does not matter."""
    (tmp_path / "thesis.doc").write_bytes(b"x")
    with pytest.raises(StorageUnavailable, match=r"thesis\.doc"):
        kit.new_archive(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.doc"]

    (tmp_path / "disk" / "lost+found").mkdir(parents=True)
    assert kit.new_archive(tmp_path / "disk").check_writable() > 0


def test_an_archive_half_created_is_created_to_the_end(tmp_path: Path) -> None:
    """A root without its declaration, which is written last, is completed at the next start."""
    archive = kit.new_archive(tmp_path / "archive")
    (archive.root / "0=ocfl_1.1").unlink()

    assert archive.prepare() is True
    kit.write(archive)
    kit.judge_root(archive.root)


def test_a_root_of_another_layout_is_refused(tmp_path: Path) -> None:
    """A storage root that other software arranged in another way is not touched."""
    archive = kit.new_archive(tmp_path / "archive")
    (archive.root / "ocfl_layout.json").write_text('{"extension": "0002-flat-direct-storage-layout"}')

    with pytest.raises(StorageUnavailable, match=r"ocfl_layout\.json"):
        archive.prepare()


def test_an_archive_that_is_gone_is_unavailable_not_empty(tmp_path: Path) -> None:
    """An unmounted disk does not look like an archive without packages, and nothing is created in its place."""
    archive = kit.new_archive(tmp_path / "archive")
    done = kit.write(archive)
    shutil.move(archive.root, tmp_path / "elsewhere")
    archive.root.mkdir()

    for call in (
        lambda: archive.head(done.object_id),
        lambda: list(archive.objects()),
        archive.check_writable,
        lambda: kit.write(archive),
        lambda: archive.verify(done.object_id),
    ):
        with pytest.raises(StorageUnavailable):
            call()
    assert list(archive.root.iterdir()) == []


@pytest.mark.parametrize("step", ["_build", "_install"])
def test_nothing_is_written_in_the_place_of_an_archive_that_goes_away_in_a_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    """A disk that is away leaves its empty mount point: there the commit makes no folder, and says what is wrong."""
    archive = kit.new_archive(tmp_path / "archive")
    right = getattr(commit, step)

    def goes_away(*args: Any) -> None:
        archive.root.rename(tmp_path / "elsewhere")
        archive.root.mkdir()
        right(*args)

    monkeypatch.setattr(commit, step, goes_away)
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts())
        with pytest.raises(StorageUnavailable):
            writer.commit()

    assert list(archive.root.iterdir()) == []


def test_a_lock_is_held_once_and_leaves_no_file(tmp_path: Path) -> None:
    """Whoever comes second is told so; when it is released the file is gone and the next may have it."""
    one, other = Lock(tmp_path / "area" / "x.lock"), Lock(tmp_path / "area" / "x.lock")

    assert one.take()
    assert not other.take()
    one.release()
    assert other.take()
    other.release()
    assert list((tmp_path / "area").iterdir()) == []


def test_a_busy_package_can_still_be_read(tmp_path: Path) -> None:
    """While a writer is at work on the next version, the head is read, verified and exported as before."""
    archive = kit.new_archive(tmp_path / "archive")
    done = kit.write(archive)
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts(grade=90.0))

        head = archive.head(done.object_id)
        assert head is not None
        assert head.version == 1
        assert archive.verify(done.object_id).valid
        with pytest.raises(PackageBusy):
            kit.write(archive)
