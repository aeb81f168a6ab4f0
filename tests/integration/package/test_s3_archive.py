"""An archive in an object store: the same packages, valid for every judge, whatever dies and whoever comes first."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import fakes.package_kit as kit
import obstore
import pytest
from fakes.daemon_process import wait_for
from fakes.s3_archive import download, keys, options, s3_archive
from fakes.s3_server import S3Server

from coursekeep import ALWAYS, RemoteFile
from coursekeep_daemon.package import Archive, PackageBusy, PackageDamaged, StorageUnavailable
from coursekeep_daemon.package.targets import S3, S3Step, s3_commit

TESTS = Path(__file__).parents[2]
OBJECT_ID = Archive.object_id("main", "101")

pytestmark = pytest.mark.xdist_group("s3")


@pytest.fixture
def prefix(request: pytest.FixtureRequest) -> str:
    """A prefix of the test's own, with a blank and a letter that must be escaped."""
    return f"courses é/{abs(hash(request.node.nodeid)):x}"


@pytest.fixture
def archive(server: S3Server, prefix: str, tmp_path: Path) -> Archive:
    return s3_archive(server, prefix, tmp_path / "work")


def test_packages_in_s3_are_those_of_a_disk(archive: Archive, server: S3Server, prefix: str, tmp_path: Path) -> None:
    """Versions, heads, gaps, logs, exports and verification are as on a disk, and the judges find all of it valid."""
    disk = kit.new_archive(tmp_path / "disk")
    for each in (archive, disk):
        assert each.prepare() is False
        assert [kit.write(each).version, kit.write(each, kit.parts(grade=90.0)).version] == [1, 2]
        assert kit.write(each, kit.parts(grade=90.0)).changed is False
        each.log_event(OBJECT_ID, "fixity", {"valid": True})

    assert archive.versions(OBJECT_ID) == disk.versions(OBJECT_ID)
    assert archive.head(OBJECT_ID) == disk.head(OBJECT_ID)
    assert archive.head(Archive.object_id("main", "none")) is None
    assert archive.completeness(OBJECT_ID) == disk.completeness(OBJECT_ID)
    assert archive.gaps(OBJECT_ID, 1) == disk.gaps(OBJECT_ID, 1)
    assert list(archive.objects()) == [OBJECT_ID]
    assert b"".join(archive.iter_zip(OBJECT_ID, 1)) == b"".join(disk.iter_zip(OBJECT_ID, 1))
    archive.extract(OBJECT_ID, None, tmp_path / "bag")
    kit.judge_bag(tmp_path / "bag")
    assert archive.verify(OBJECT_ID).problems == []
    assert archive.verify(OBJECT_ID, 1).checked_bytes == disk.verify(OBJECT_ID, 1).checked_bytes
    assert archive.check_writable() > 0

    folder = download(server, prefix, tmp_path / "downloaded")
    kit.judge_root(folder)
    (first,) = (folder / disk.head(OBJECT_ID).path).glob("v1/content/*")  # type: ignore[union-attr]
    kit.judge_bag(first)
    log = folder / disk.head(OBJECT_ID).path / "logs"  # type: ignore[union-attr]
    assert json.loads((log / "captures.jsonl").read_text())["outcome"] == "unchanged"
    assert not any((tmp_path / "work").rglob("*.lock"))


#: writes a version, and dies without any clean-up behind the named step
PROGRAM = """
import json, os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import fakes.package_kit as kit
from coursekeep import ALWAYS, RemoteFile
from coursekeep_daemon.package import Archive
from coursekeep_daemon.package.targets import S3Options

url, work, access, step, grade = json.loads(sys.argv[2])

def die(reached):
    if reached == step:
        os.kill(os.getpid(), signal.SIGKILL)

archive = Archive.open(url, organization="Example University", clock=lambda: kit.NOW, work=Path(work),
                       s3=S3Options(**access))
with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
    kit.feed(writer, kit.parts(grade=grade))
    writer.commit(on_step=die)
"""


def access_to(server: S3Server) -> dict[str, str]:
    known = options(server)
    return {name: getattr(known, name) for name in ("endpoint", "region", "access_key_id", "secret_access_key")}


def killed(server: S3Server, archive: Archive, work: Path, step: str, grade: float) -> None:
    told = json.dumps([archive.address, str(work), access_to(server), step, grade])
    result = subprocess.run([sys.executable, "-c", PROGRAM, TESTS, told], capture_output=True, check=False)
    assert result.returncode == -signal.SIGKILL, result.stderr.decode()


@pytest.mark.parametrize("step", S3Step)
def test_a_kill_leaves_the_old_head_or_the_new_one(
    archive: Archive, server: S3Server, prefix: str, tmp_path: Path, step: S3Step
) -> None:
    """A process that dies before its version is decided leaves none; behind that, the version is the head. What it
    had uploaded for nothing is gone when the next comes to the same package."""
    if step not in (S3Step.UPLOADED, S3Step.DECIDED):
        kit.write(archive)  # so that the first version is tried with the others
    before = archive.head(OBJECT_ID)

    killed(server, archive, tmp_path / "work", step, 90.0)
    archive.prepare()

    head = archive.head(OBJECT_ID)
    if step is S3Step.UPLOADED:
        assert head is None
        assert [key for key in keys(server, prefix) if "content" in key] == []
        assert kit.write(archive, kit.parts(grade=90.0)).version == 1
    else:
        assert head is not None
        assert head.version == (before.version if before else 0) + 1
    assert kit.write(archive, kit.parts(grade=90.0)).changed is False
    assert archive.verify(OBJECT_ID).problems == []
    kit.judge_at_once(download(server, prefix, tmp_path / "downloaded") / archive.head(OBJECT_ID).path)  # type: ignore[union-attr]


def test_a_commit_removes_what_dead_writers_of_other_machines_have_uploaded(
    archive: Archive, server: S3Server, prefix: str, tmp_path: Path
) -> None:
    """A machine that never comes back has left half an upload: the version that is written instead is valid."""
    for grade in (80.0, 90.0):
        killed(server, archive, tmp_path / "lost machine", S3Step.UPLOADED, grade)
        shutil.rmtree(tmp_path / "lost machine")
        left = [key for key in keys(server, prefix) if "content" in key]
        path = kit.write(archive, kit.parts(grade=grade)).path

        assert left
        assert archive.verify(OBJECT_ID).problems == []
        kit.judge_at_once(download(server, prefix, tmp_path / f"downloaded {grade}") / path)


def test_a_process_that_dies_while_it_clears_away_leaves_that_to_the_next(
    archive: Archive, server: S3Server, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a dead writer has uploaded stays known until it is removed, whoever is interrupted meanwhile."""

    class Died(BaseException):
        pass

    def die(*_: object) -> None:
        raise Died

    killed(server, archive, tmp_path / "work", S3Step.UPLOADED, 90.0)
    with monkeypatch.context() as patched:
        patched.setattr(s3_commit, "drop", die)
        with pytest.raises(Died):
            archive.prepare()
    assert [key for key in keys(server, prefix) if "content" in key]
    archive.prepare()

    assert [key for key in keys(server, prefix) if "content" in key] == []


def test_of_two_writers_exactly_one_wins(archive: Archive, server: S3Server, prefix: str, tmp_path: Path) -> None:
    """Two machines that write one package do not see each other; the first that decides wins, the other is told, and
    nothing of the loser stays."""
    kit.write(archive)
    other = s3_archive(server, prefix, tmp_path / "another machine")
    with (
        archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as one,
        other.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as two,
    ):
        kit.feed(one, kit.parts(grade=90.0))
        kit.feed(two, kit.parts(grade=70.0))

        def first(step: object) -> None:
            if step == S3Step.UPLOADED:  # both have uploaded everything
                assert two.commit().version == 2

        with pytest.raises(PackageBusy, match="first with v2"):
            one.commit(on_step=first)

    assert archive.verify(OBJECT_ID).problems == []
    inventory, _ = archive.target.load(archive.head(OBJECT_ID).path)  # type: ignore[union-attr]
    named = {path for paths in inventory.manifest.values() for path in paths}  # type: ignore[union-attr]
    stored = {key.split("/", 4)[4] for key in keys(server, prefix) if "/content/" in key}
    assert stored == named


def test_whoever_meets_a_decided_version_ends_its_commit(
    archive: Archive, server: S3Server, prefix: str, tmp_path: Path
) -> None:
    """A writer that is held up between two steps finds its version finished by another, and ends as if it were it."""
    kit.write(archive)
    other = s3_archive(server, prefix, tmp_path / "another machine")
    ended = []

    def meanwhile(step: object) -> None:
        if step == S3Step.DECIDED:
            ended.append(other.head(OBJECT_ID).version)  # type: ignore[union-attr]
            ended.append(kit.write(other, kit.parts(grade=70.0)).version)

    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts(grade=90.0))
        assert writer.commit(on_step=meanwhile).version == 2

    assert ended == [2, 3]
    assert [head.version for head in archive.versions(OBJECT_ID)] == [1, 2, 3]
    assert archive.verify(OBJECT_ID).problems == []


def test_a_decided_version_whose_files_are_gone_is_set_aside(
    archive: Archive, server: S3Server, prefix: str, tmp_path: Path
) -> None:
    """A version that no interruption explains goes to the quarantine as it is, and the old head stays."""
    path = kit.write(archive).path
    killed(server, archive, tmp_path / "work", S3Step.DECIDED, 90.0)
    (lost,) = [key for key in keys(server, f"{prefix}/{path}/v2") if key.endswith("grades.jsonl")]
    server.delete(f"{prefix}/{path}/v2/{lost}")

    archive.prepare()

    assert archive.head(OBJECT_ID).version == 1  # type: ignore[union-attr]
    assert [key for key in keys(server, f"{prefix}/{path}") if key.startswith("v2")] == []
    assert "inventory.json" in " ".join(keys(server, f"{prefix}/extensions/coursekeep-quarantine"))
    assert kit.write(archive, kit.parts(grade=90.0)).version == 2
    assert archive.verify(OBJECT_ID).problems == []


def test_an_answer_that_is_lost_is_not_taken_for_another_writer(archive: Archive) -> None:
    """A conditional write that is repeated finds its own bytes, and counts as done; other bytes do not."""
    assert isinstance(archive.target, S3)
    client = archive.target.client
    assert client.put_if("extensions/x", b"mine", None) is True
    assert client.put_if("extensions/x", b"mine", None) is True
    assert client.put_if("extensions/x", b"yours", None) is False
    before = client.get("extensions/x")
    assert client.put_if("extensions/x", b"newer", before) is True
    assert client.put_if("extensions/x", b"newer", before) is True
    assert client.put_if("extensions/x", b"newest", before) is False
    assert client.put_if("extensions/absent", b"newest", before) is False


@pytest.mark.parametrize(
    ("what", "where"),
    [("flip", "data/course.json"), ("delete", "data/course.json"), ("flip", "inventory.json"), ("add", "v1/content/x")],
)
def test_damage_in_the_store_is_found_and_named(
    archive: Archive, server: S3Server, prefix: str, what: str, where: str
) -> None:
    """Verification streams every object, and names what is changed, missing or too much; an export stops."""
    path = kit.write(archive).path
    key = next((key for key in keys(server, f"{prefix}/{path}") if key.endswith(where)), where)
    if what == "delete":
        server.delete(f"{prefix}/{path}/{key}")
    else:
        server.put(f"{prefix}/{path}/{key}", b"damaged")

    if key == "inventory.json":
        with pytest.raises(PackageDamaged):
            archive.verify(OBJECT_ID)
        return
    assert key in {problem.path for problem in archive.verify(OBJECT_ID).problems}
    if what == "flip":
        with pytest.raises(PackageDamaged):
            list(archive.iter_zip(OBJECT_ID))


def test_an_archive_that_is_not_there_is_unavailable_not_empty(
    server: S3Server, tmp_path: Path, archive: Archive, prefix: str
) -> None:
    """A missing bucket, a prefix that holds other things, a key of others and a store that is down are told apart."""
    for where, said in {
        "s3://nowhere/x": "bucket nowhere does not exist",
        f"s3://{server.bucket}/x": "no archive",
    }.items():
        wrong = Archive.open(where, organization="", work=tmp_path, s3=options(server))
        with pytest.raises(StorageUnavailable, match=said):
            wrong.head(OBJECT_ID)
    stranger = options(server, access_key_id=server.stranger.key, secret_access_key=server.stranger.secret)
    for access, said in (
        (stranger, "does not allow it"),
        (options(server, secret_access_key="wrong"), "refuses the credentials"),
        (options(server, endpoint="http://127.0.0.1:9", retries=0), "cannot be reached"),
    ):
        wrong = Archive.open(archive.address, organization="", work=tmp_path, s3=access)
        with pytest.raises(StorageUnavailable, match=said) as caught:
            wrong.check_writable()
        assert "made-up-secret" not in str(caught.value)
    server.put(f"{prefix}-other/thesis.doc", b"x")
    with pytest.raises(StorageUnavailable, match=r"thesis\.doc"):
        s3_archive(server, f"{prefix}-other", tmp_path)


def test_a_store_that_dies_in_an_upload_leaves_the_old_head(
    archive: Archive, server: S3Server, prefix: str, tmp_path: Path
) -> None:
    """A store that is killed while a large file is on its way makes the commit fail as unavailable; when it is back,
    the old head is whole and the next attempt succeeds."""
    kit.write(archive)
    with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
        kit.feed(writer, kit.parts(grade=90.0))
        sink = writer.begin_file(RemoteFile(group="course", id="99", name="large.bin", url="https://x"))
        for _ in range(60):
            sink.write(os.urandom(1 << 20))
        sink.finish()
        # small files are stored at once, so the large one is under way when they are there
        killer = threading.Thread(target=lambda: (wait_for("an upload", under_way), server.kill()))

        def under_way() -> bool:
            return any("/v2/content/" in key for key in keys(server, prefix))

        killer.start()
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            writer.commit()
        killer.join()
    server.start()

    assert archive.head(OBJECT_ID).version == 1  # type: ignore[union-attr]
    assert archive.verify(OBJECT_ID, 1).valid is True or "v2" in str(archive.verify(OBJECT_ID).problems)
    assert archive.clean() == []  # nothing is a day old
    removed = archive.clean(timedelta(0))
    assert all("/v2/content/" in key for key in removed)
    assert archive.verify(OBJECT_ID).problems == []
    assert kit.write(archive, kit.parts(grade=90.0)).version == 2
    assert archive.verify(OBJECT_ID).problems == []


def test_copies_mend_each_other_across_stores(server: S3Server, prefix: str, tmp_path: Path) -> None:
    """An archive in S3 has replicas on a disk and in S3; all hold the same bytes, and each mends the others."""
    disk = kit.new_archive(tmp_path / "disk")
    other = s3_archive(server, f"{prefix}-copy", tmp_path / "work")
    archive = s3_archive(server, prefix, tmp_path / "work", replicas=[disk, other])
    path = kit.write(archive).path
    kit.write(archive, kit.parts(grade=90.0))
    for replica in archive.replicas:
        assert archive.replicate(OBJECT_ID, replica) == [1, 2]
        assert replica.verify(OBJECT_ID).valid
    right = kit.stored(disk.root / path)
    people = next(name for name in right if name.endswith("people.jsonl"))

    server.put(f"{prefix}/{path}/{people}", b"damaged")
    (disk.root / path / "v1/inventory.json").unlink()
    server.delete(f"{prefix}-copy/{path}/inventory.json.sha512")
    report = archive.repair(OBJECT_ID)

    assert report.whole
    assert kit.stored(disk.root / path) == right
    for below in (prefix, f"{prefix}-copy"):
        assert kit.stored(download(server, f"{below}/{path}", tmp_path / below)) == right
    assert b"damaged" in [
        bytes(obstore.get(server.store(), f"{prefix}/extensions/coursekeep-quarantine/{key}").bytes())
        for key in keys(server, f"{prefix}/extensions/coursekeep-quarantine")
    ]


def test_memory_stays_flat_while_a_large_file_is_uploaded(server: S3Server, prefix: str, tmp_path: Path) -> None:
    """A file of 300 MB is uploaded, verified and exported without ever being in memory."""
    program = """
import json, resource, sys
from datetime import timedelta
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import fakes.package_kit as kit
from coursekeep import ALWAYS, RemoteFile
from coursekeep_daemon.package import Archive, S3Options

url, work, access = json.loads(sys.argv[2])
archive = Archive.open(url, organization="", clock=lambda: kit.NOW, work=Path(work), s3=S3Options(**access))
archive.prepare()
kit.write(archive, course=kit.COURSE)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with archive.writer(kit.COURSE, kit.CONTEXT, ALWAYS) as writer:
    sink = writer.begin_file(RemoteFile(group="course", id="99", name="large.bin", url="https://x"))
    block = bytes(range(256)) * 4096
    for number in range(300):
        sink.write(number.to_bytes(8, "big") + block[8:])
    sink.finish()
    done = writer.commit()
assert archive.verify(done.object_id).valid
size = sum(len(block) for block in archive.iter_zip(done.object_id))
print(size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""
    told = json.dumps([f"s3://{server.bucket}/{prefix}", str(tmp_path / "work"), access_to(server)])
    done = subprocess.run([sys.executable, "-c", program, TESTS, told], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    size, grown = map(int, done.stdout.split())
    assert size > 300 << 20
    assert grown < 180 * 1024  # KiB
