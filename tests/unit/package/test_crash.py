"""A process that dies at any step of a commit leaves the old head or the new one, and nothing that is neither."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import fakes.package_kit as kit
import pytest

from coursekeep import ALWAYS
from coursekeep_daemon.package import Archive, PackageDamaged, Step, verify_path

TESTS = Path(__file__).parents[2]

#: writes a version, and dies without any clean-up behind the named step
PROGRAM = """
import os, signal, sys
from dataclasses import replace
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import fakes.package_kit as kit
from coursekeep import ALWAYS
from coursekeep_daemon.package import Archive

def die(step):
    if step == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)

archive = Archive(Path(sys.argv[2]), organization="Example University", clock=lambda: kit.NOW)
with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
    kit.feed(writer, kit.parts(grade=float(sys.argv[4])))
    die("fed")
    writer.commit(on_step=die)
"""


def killed(archive: Archive, step: str, grade: float) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, TESTS, archive.root, step, str(grade)], capture_output=True, check=False
    )
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()


def check(archive: Archive, tmp_path: Path, object_id: str, version: int, *, judged: bool = True) -> None:
    """The object is at this version, and every judge finds it whole; the independent ones take seconds."""
    head = archive.head(object_id)
    assert head is not None
    assert head.version == version
    assert archive.verify(object_id).valid
    assert verify_path(archive.root).valid
    assert not (archive.root / "extensions" / "coursekeep-staging").exists()
    if judged:
        kit.judge_at_once(archive.root / head.path)
        archive.extract(object_id, None, tmp_path / "bag")
        kit.judge_bag(tmp_path / "bag")


STEPS_OF_A_FIRST_VERSION = ["fed", Step.BUILT, Step.SYNCED, Step.MOVED]
STEPS_OF_A_FURTHER_VERSION = ["fed", *Step]


@pytest.mark.parametrize("step", STEPS_OF_A_FIRST_VERSION)
def test_a_new_package_is_whole_or_not_there(tmp_path: Path, step: str) -> None:
    """A kill during the first commit leaves no object, or the whole of it; the next capture goes on from there."""
    archive = kit.new_archive(tmp_path / "archive")
    object_id = Archive.object_id("main", "101")

    killed(archive, step, 81.5)
    archive.prepare()

    head = archive.head(object_id)
    assert (head is None) == (step != Step.MOVED)
    if head is None:
        assert {path.name for path in archive.root.iterdir()} == {
            "0=ocfl_1.1", "README.txt", "extensions", "ocfl_layout.json",
        }  # fmt: skip
    assert kit.write(archive).version == 1
    check(archive, tmp_path, object_id, 1)


@pytest.mark.parametrize("step", STEPS_OF_A_FURTHER_VERSION)
@pytest.mark.parametrize("by", ["prepare", "head", "writer"])
def test_a_further_version_is_the_head_or_was_never_there(tmp_path: Path, step: str, by: str) -> None:
    """A kill before the version is in its place takes it back, one behind it finishes it, whoever comes next."""
    archive = kit.new_archive(tmp_path / "archive")
    done = kit.write(archive)

    killed(archive, step, 90.0)
    if by == "prepare":
        archive.prepare()
    elif by == "head":
        archive.head(done.object_id)
        archive.prepare()
    else:
        with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS):
            pass

    version = 1 if step in ("fed", Step.BUILT, Step.SYNCED) else 2
    check(archive, tmp_path, done.object_id, version, judged=by == "prepare")
    again = kit.write(archive, kit.parts(grade=90.0))
    assert again.version == 2


def test_work_of_a_living_process_is_left_alone(tmp_path: Path) -> None:
    """Preparing the archive while another writer is at work does not touch what that one has staged."""
    archive = kit.new_archive(tmp_path / "archive")
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts())
        kit.new_archive(archive.root)

        assert writer.commit().version == 1


def test_a_version_that_is_not_whole_is_set_aside_not_deleted(tmp_path: Path) -> None:
    """A version directory that no interruption of ours explains goes to quarantine, and the old head stays."""
    archive = kit.new_archive(tmp_path / "archive")
    done = kit.write(archive)
    killed(archive, Step.MOVED, 90.0)
    directory = archive.root / done.path
    (directory / "v2/content/data/records/grades.jsonl").write_bytes(b"half")

    archive.prepare()

    check(archive, tmp_path, done.object_id, 1)
    (aside,) = (archive.root / "extensions" / "coursekeep-quarantine").iterdir()
    assert (aside / "content/data/records/grades.jsonl").read_bytes() == b"half"


def test_a_damaged_inventory_is_left_alone(tmp_path: Path) -> None:
    """An inventory that no interrupted commit explains raises, and nothing is changed or written over."""
    archive = kit.new_archive(tmp_path / "archive")
    done = kit.write(archive)
    other = kit.write(archive, course=replace(kit.COURSE, id="102"))
    path = archive.root / done.path / "inventory.json"
    data = json.loads(path.read_bytes())
    data["versions"]["v1"]["message"] = "changed"
    path.write_text(json.dumps(data))
    before = kit.stored(archive.root / done.path)

    with pytest.raises(PackageDamaged, match="Restore"):
        archive.head(done.object_id)
    with pytest.raises(PackageDamaged, match="Restore"):
        kit.write(archive)
    archive.prepare()

    assert kit.stored(archive.root / done.path) == before
    assert archive.head(other.object_id) is not None


def test_a_log_line_cut_by_a_crash_spoils_no_other(tmp_path: Path) -> None:
    """A line that was half written stays by itself; the next one begins on a new line."""
    archive = kit.new_archive(tmp_path / "archive")
    done = kit.write(archive)
    archive.log_event(done.object_id, "fixity", {"valid": True})
    log = archive.root / done.path / "logs/fixity.jsonl"
    with log.open("ab") as file:
        file.write(b'{"at":"20')

    archive.log_event(done.object_id, "fixity", {"valid": False})

    lines = log.read_text().splitlines()
    assert [json.loads(lines[0])["valid"], json.loads(lines[2])["valid"]] == [True, False]
    assert os.stat(log).st_size == sum(len(line) + 1 for line in lines)
