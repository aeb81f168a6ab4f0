"""One attempt at one course: what becomes of it, whatever connector, LMS and storage do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from fakes.scripted_lms import Reply, Script, ScriptedConnector, course, person

from coursekeep import (
    CredentialsNeeded,
    ForeignHost,
    GapReason,
    MalformedAnswer,
    NativeExport,
    NoAccess,
    NotFound,
    Outcome,
    RemoteFile,
    RetryLater,
    Selection,
    StopRun,
)
from coursekeep_daemon.package import Archive, StorageFull
from coursekeep_daemon.runs.archiver import Archiver, Rules
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.downloads import Limits
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.runs.watch import Patience
from coursekeep_daemon.store import Item, ItemResult, Run, StoreError

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
DOWN = RetryLater("the LMS is down")
FILE = RemoteFile(group="course", id="1", name="notes.txt", url="/files/1", size=5)
EXPORT = NativeExport(name="course.imscc", url="/files/1")

RUN = Run(
    id=1,
    integration="main",
    source="ids",
    params={},
    on_existing="skip",
    status=RunStatus.PROCESSING,
    reason=None,
    note=None,
    created_by="tester",
    schedule=None,
    created_at=NOW,
    started_at=NOW,
    finished_at=None,
    counts={},
    total=1,
    gaps=0,
)
ITEM = Item(
    id=11,
    run_id=1,
    integration="main",
    ref="7",
    course_id="7",
    course_name="Course 7",
    course_code="C-7",
    status=ItemStatus.PROCESSING,
    reason=None,
    detail=None,
    attempts=1,
    gaps=0,
    package_id=None,
    package_version=None,
    archived_in_run=None,
    reimported_by=None,
    reimport_of=None,
    not_before=None,
    created_at=NOW,
    started_at=NOW,
    finished_at=None,
)


class Told:
    """Stands in for the watch, and remembers what it was told."""

    def __init__(self) -> None:
        self.trouble: list[str] = []

    def storage_full(self, reason: str) -> None:
        self.trouble.append("storage")

    def lms_down(self, lms: Lms, error: RetryLater) -> None:
        self.trouble.append("lms")

    async def credentials_needed(self, lms: Lms, error: CredentialsNeeded) -> None:
        self.trouble.append("credentials")


class Bench:
    """A real archive, a scripted LMS, and an archiver between them."""

    def __init__(self, folder: Path) -> None:
        self.script = Script()
        self.script.courses["7"] = course()
        self.script.parts = [person()]
        self.told = Told()
        self.root = folder / "archive"
        self.archive = Archive.open(f"file://{self.root}", organization="Example University")
        self.archive.prepare()
        self.lms = Lms(name="main", id="main", connector=ScriptedConnector(self.script), courses_at_once=4)
        self.finds: Selection | Exception = Selection(ref="1")
        self.looked_up: list[str] = []
        self.limits = Limits(wait=Backoff(first=0, longest=0))

    async def find(self, ref: str, lms: Lms) -> Selection:
        """Look up a course as the source `ids` does."""
        self.looked_up.append(ref)
        if isinstance(self.finds, Exception):
            raise self.finds
        return self.finds

    async def attempt(self, item: Item = ITEM, run: Run = RUN) -> ItemResult:
        rules = Rules(
            organization="Example University",
            software="Coursekeep/0",
            max_attempts=5,
            limits=self.limits,
            patience=Patience(),
        )
        archiver = Archiver(self.archive, self.told, rules, lambda: NOW, self.find)  # type: ignore[arg-type]
        return await archiver.archive(item, run, self.lms)

    def result(self, item: Item = ITEM, run: Run = RUN) -> ItemResult:
        return asyncio.run(self.attempt(item, run))

    def path(self) -> Path:
        head = self.archive.head(self.archive.object_id("main", "7"))
        assert head is not None
        return self.root / head.path

    def gaps(self) -> list[dict[str, Any]]:
        newest = max(self.path().glob("v*/content/data/gaps.jsonl"))
        return [json.loads(line) for line in newest.read_text().splitlines()]

    def stored(self) -> dict[str, bytes]:
        return {
            path.name.split("-")[-1]: path.read_bytes() for path in self.path().rglob("files/**/*") if path.is_file()
        }

    def left_over(self) -> list[Path]:
        return [path for path in (self.root / "extensions" / "coursekeep-staging").glob("*/**/*") if path.is_file()]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_course_becomes_a_package(bench):
    """A completed item names its package, version and number of gaps, with what the store records of the version."""
    result = bench.result()

    assert (result.status, result.package_version, result.gaps) == (ItemStatus.COMPLETED, 1, 0)
    assert result.version is not None
    assert (result.version.run_id, result.version.item_id, result.version.course_name) == (1, 11, "Course 7")
    assert bench.archive.verify(result.package_id).valid
    assert bench.left_over() == []


OUTCOMES = [
    (NotFound("gone"), ItemStatus.NOT_FOUND, None),
    (NoAccess("not yours"), ItemStatus.FAILED, "no_access"),
    (MalformedAnswer("HTML"), ItemStatus.FAILED, "malformed_answer"),
    (ForeignHost("elsewhere"), ItemStatus.FAILED, "malformed_answer"),
    (KeyError("secret-name"), ItemStatus.FAILED, "connector_error"),
]


@pytest.mark.parametrize(("error", "status", "reason"), OUTCOMES)
@pytest.mark.parametrize("where", ["course", "export"])
def test_an_error_of_the_connector_says_what_becomes_of_the_course(bench, error, status, reason, where):
    """Each kind of error has its outcome, at the course itself and in the middle of its export; nothing is left."""
    if where == "course":
        bench.script.courses["7"] = error
    else:
        bench.script.parts = [person(), error]

    result = bench.result()

    assert (result.status, result.reason) == (status, reason)
    assert "secret-name" not in (result.detail or "")
    assert list(bench.archive.objects()) == []
    assert bench.left_over() == []


def test_a_course_that_was_deleted_meanwhile_is_not_found(bench):
    """A course that the LMS no longer knows when its turn comes is `not_found`, and says so."""
    bench.script.courses["7"] = None

    result = bench.result()

    assert result.status is ItemStatus.NOT_FOUND
    assert "deleted after it was selected" in (result.detail or "")


def test_a_fault_is_logged_with_its_traceback(bench):
    """What a connector should never raise is in the log in full; the item says where to look."""
    bench.script.parts = [KeyError("x")]

    with structlog.testing.capture_logs() as events:
        result = bench.result()

    (event,) = [one for one in events if one["event"] == "connector_error"]
    assert isinstance(event["exc_info"], KeyError)
    assert "KeyError" in (result.detail or "")
    assert "item 11" in (result.detail or "")


def test_an_lms_that_cannot_answer_is_asked_later(bench):
    """The item goes back to the queue, its attempt counted, and not before what the LMS asked for."""
    bench.script.parts = [RetryLater("busy", after=7200.0)]

    result = bench.result()

    assert (result.status, result.count_attempt) == (ItemStatus.QUEUED, True)
    assert result.not_before is not None
    assert (result.not_before - NOW).total_seconds() >= 7200
    assert bench.told.trouble == ["lms"]


def test_the_last_attempt_fails(bench):
    """An LMS that cannot answer as often as allowed fails the item with a stable reason."""
    bench.script.parts = [DOWN]

    result = bench.result(replace(ITEM, attempts=5))

    assert (result.status, result.reason) == (ItemStatus.FAILED, "lms_unavailable")


def test_a_course_that_kills_the_process_is_given_up(bench):
    """More attempts than allowed mean that the process died in them; the item fails without one more."""
    result = bench.result(replace(ITEM, attempts=6))

    assert (result.status, result.reason) == (ItemStatus.FAILED, "process_died")
    assert bench.script.asked == []


def test_missing_credentials_halt_and_do_not_count(bench):
    """The item waits with its attempts as they were."""
    bench.script.parts = [CredentialsNeeded("expired")]

    result = bench.result()

    assert (result.status, result.count_attempt) == (ItemStatus.QUEUED, False)
    assert bench.told.trouble == ["credentials"]


def test_credentials_whose_trouble_cannot_be_noted_do_not_lose_the_course(bench, monkeypatch):
    """Where the store is away as well the item waits a while; its next attempt notes the trouble."""

    async def fails(lms: Lms, error: CredentialsNeeded) -> None:
        raise StoreError("The server is away.")

    monkeypatch.setattr(bench.told, "credentials_needed", fails)
    bench.script.parts = [CredentialsNeeded("expired")]

    result = bench.result()

    assert (result.status, result.count_attempt) == (ItemStatus.QUEUED, False)
    assert result.not_before is not None
    assert result.not_before > NOW


def test_a_full_disk_holds_and_does_not_count(bench, monkeypatch):
    """The item waits with its attempts as they were, and the staging area is empty."""
    monkeypatch.setattr("coursekeep_daemon.package.sink.FileSink.write", _raise(StorageFull("no space")))
    bench.script.files["/files/1"] = [Reply(b"hello")]
    bench.script.parts = [FILE]

    result = bench.result()

    assert (result.status, result.count_attempt) == (ItemStatus.QUEUED, False)
    assert bench.told.trouble == ["storage"]
    assert bench.left_over() == []


def _raise(error: Exception) -> Callable[..., Any]:
    def raising(*_: Any) -> Any:
        raise error

    return raising


def test_stop_run_leaves_as_it_is(bench):
    """The dispatcher ends the run; the archiver does not hide the reason."""
    bench.script.parts = [StopRun("going on would do harm")]

    with pytest.raises(StopRun):
        bench.result()


def test_a_package_of_another_lms_is_not_written_over(bench):
    """The same name and id at another address is another course."""
    bench.result()
    bench.lms = replace(bench.lms, connector=ScriptedConnector(bench.script, "https://other.example.edu"))

    result = bench.result(replace(ITEM, id=12))

    assert (result.status, result.reason) == (ItemStatus.FAILED, "other_source")


def test_a_crash_between_the_two_commits_completes_from_the_package(bench):
    """The package of this very item is there: the result is taken from it, and the LMS is not asked."""
    first = bench.result()
    bench.script.asked.clear()

    again = bench.result(replace(ITEM, attempts=6))

    assert again == first
    assert bench.script.asked == []


def test_a_course_archived_meanwhile_by_another_run_is_skipped(bench):
    """Two runs with the same course write one version."""
    bench.result()

    result = bench.result(replace(ITEM, id=12, run_id=2), replace(RUN, id=2))

    assert (result.status, result.reason, result.archived_in_run) == (ItemStatus.SKIPPED, "archived", 1)


def test_two_attempts_at_one_course_at_once_write_one_version(bench):
    """They wait for each other."""

    async def both() -> list[ItemResult]:
        rules = Rules(organization="", software="", max_attempts=5, limits=bench.limits, patience=Patience())
        archiver = Archiver(bench.archive, bench.told, rules, lambda: NOW, bench.find)  # type: ignore[arg-type]
        attempts: list[Awaitable[ItemResult]] = [
            archiver.archive(replace(ITEM, id=id_, run_id=id_), replace(RUN, id=id_), bench.lms) for id_ in (1, 2)
        ]
        return list(await asyncio.gather(*attempts))

    results = asyncio.run(both())

    assert sorted(one.status for one in results) == [ItemStatus.COMPLETED, ItemStatus.SKIPPED]


def test_a_refresh_of_an_unchanged_course_is_skipped_with_its_version(bench):
    """Fetched and compared: no new version."""
    bench.result()

    result = bench.result(replace(ITEM, id=12, run_id=2), replace(RUN, id=2, on_existing="refresh"))

    assert (result.status, result.reason, result.package_version) == (ItemStatus.SKIPPED, "unchanged", 1)


def test_a_record_that_does_not_fit_is_a_gap_and_costs_nothing_else(bench):
    """A misspelt field is told in the package; the other records are there."""
    bench.script.parts = [person("1", nmae="x"), person("2")]

    result = bench.result()

    (gap,) = bench.gaps()
    assert (result.status, result.gaps) == (ItemStatus.COMPLETED, 1)
    assert (gap["kind"], gap["id"], gap["reason"]) == ("people", "1", "malformed")
    assert '"2"' in (bench.path() / "v1/content/data/records/people.jsonl").read_text()


def test_breaking_off_leaves_nothing(bench):
    """A cancelled attempt removes what it staged, and the package lock with it."""

    async def main() -> None:
        reached, never = asyncio.Event(), asyncio.Event()

        async def hang() -> None:
            reached.set()
            await never.wait()

        bench.script.files["/files/1"] = [Reply(b"hello")]
        bench.script.parts = [person(), FILE, hang]
        task = asyncio.create_task(bench.attempt())
        await reached.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert bench.left_over() == []
        bench.script.parts = [person()]
        assert (await bench.attempt()).status is ItemStatus.COMPLETED

    asyncio.run(main())


def test_a_file_is_stored_as_it_came(bench):
    """Chunks of a download become the file's bytes."""
    bench.script.files["/files/1"] = [Reply(b"he", b"llo")]
    bench.script.parts = [FILE]

    result = bench.result()

    assert (result.gaps, bench.stored()) == (0, {"notes.txt": b"hello"})


def test_a_stream_that_breaks_is_begun_again(bench):
    """Half a file is never kept: the next attempt begins with the first byte."""
    bench.script.files["/files/1"] = [Reply(b"he", error=DOWN), Reply(b"hello")]
    bench.script.parts = [FILE]

    assert bench.result().gaps == 0
    assert bench.stored() == {"notes.txt": b"hello"}


def test_an_expired_address_is_refreshed(bench):
    """A file whose signed address has expired is asked for at the connector's new one."""
    bench.script.files["/files/1"] = [Reply(refuse=NoAccess("expired", status=403))]
    bench.script.files["/files/1?fresh"] = [Reply(b"hello")]
    bench.script.fresh["/files/1"] = replace(FILE, url="/files/1?fresh")
    bench.script.parts = [FILE]

    assert bench.result().gaps == 0
    assert bench.stored() == {"notes.txt": b"hello"}


@pytest.mark.parametrize(
    ("file", "reply", "reason"),
    [
        (FILE, Reply(refuse=NoAccess("no")), "no_access"),
        (FILE, Reply(refuse=NotFound("gone")), "not_found"),
        (FILE, Reply(refuse=ForeignHost("elsewhere")), "malformed"),
        (FILE, Reply(b"<html>", content_type="text/html; charset=utf-8"), "wrong_content"),
        (replace(FILE, url="", withheld=GapReason.LOCKED), Reply(b""), "locked"),
        (replace(FILE, size=None), Reply(b"x" * 200), "too_large"),
        (replace(FILE, size=200), Reply(b"x" * 200), "too_large"),
        (replace(FILE, size=None), Reply(b"x", size=200), "too_large"),
        (FILE, Reply(b"he", error=DOWN), "wrong_size"),
        (NativeExport(name="course.imscc", url="/files/1"), Reply(refuse=NotFound("gone")), "not_found"),
        (
            NativeExport(name="course.imscc", url="/files/1"),
            Reply(b"<html>", content_type="text/html"),
            "wrong_content",
        ),
    ],
)
def test_a_file_that_cannot_be_had_is_a_gap_that_says_why(bench, file, reply, reason):
    """The course is archived without the file, and the package names file and reason."""
    bench.limits = replace(bench.limits, largest=100)
    bench.script.files["/files/1"] = [reply]
    bench.script.parts = [person(), file]

    result = bench.result()

    (gap,) = bench.gaps()
    assert (result.status, gap["reason"]) == (ItemStatus.COMPLETED, reason)
    assert bench.stored() == {}


def test_html_that_is_meant_to_be_html_is_kept(bench):
    """Only a page where something else was promised is taken for a log-in page."""
    bench.script.files["/files/1"] = [Reply(b"<p>hi", content_type="text/html")]
    bench.script.parts = [replace(FILE, name="page.html", content_type="text/html")]

    assert bench.result().gaps == 0


def test_a_file_whose_size_is_a_lie_is_kept_with_a_gap(bench):
    """Bytes that come the same every time are what the LMS has: kept, and the wrong promise is told."""
    bench.script.files["/files/1"] = [Reply(b"hello, world")]
    bench.script.parts = [FILE]

    bench.result()

    (gap,) = bench.gaps()
    assert bench.stored() == {"notes.txt": b"hello, world"}
    assert (gap["reason"], gap["id"]) == ("wrong_size", "1")


def test_a_file_that_cannot_be_had_now_repeats_the_course(bench):
    """An outage of the file store is no reason for gaps, as long as attempts remain."""
    bench.script.files["/files/1"] = [Reply(refuse=DOWN)]
    bench.script.parts = [FILE]

    assert bench.result().status is ItemStatus.QUEUED
    assert list(bench.archive.objects()) == []


def test_in_the_last_attempt_a_file_that_cannot_be_had_is_a_gap(bench):
    """One sick file does not cost the course, if the LMS answers otherwise."""
    bench.script.files["/files/1"] = [Reply(refuse=DOWN)]
    bench.script.parts = [person(), FILE]

    result = bench.result(replace(ITEM, attempts=5))

    assert (result.status, result.gaps) == (ItemStatus.COMPLETED, 1)


def test_an_outage_in_the_last_attempt_does_not_pass_for_missing_files(bench):
    """Where the LMS is gone altogether, no package of gaps is written."""

    async def goes_down() -> None:
        bench.script.courses["7"] = DOWN

    bench.script.files["/files/1"] = [Reply(refuse=DOWN)]
    bench.script.parts = [person(), FILE, goes_down]

    result = bench.result(replace(ITEM, attempts=5))

    assert (result.status, result.reason) == (ItemStatus.FAILED, "lms_unavailable")
    assert list(bench.archive.objects()) == []


def test_credentials_that_expire_in_a_download_halt_too(bench):
    """Of several errors at once the one that halts counts."""
    bench.script.files["/files/1"] = [Reply(refuse=CredentialsNeeded("expired"))]
    bench.script.parts = [FILE, person()]

    assert bench.result().status is ItemStatus.QUEUED
    assert bench.told.trouble == ["credentials"]


UNKNOWN = replace(ITEM, ref="sis:C-7", course_id=None, course_name=None, course_code=None, reimport_of=3)


def test_a_course_known_by_its_reference_only_is_looked_up_and_archived(bench: Bench) -> None:
    """An item without a course is looked up by what was asked for, and its result tells which course that is."""
    bench.finds = Selection(ref="sis:C-7", course=course("7"))
    result = bench.result(UNKNOWN)

    assert bench.looked_up == ["sis:C-7"]
    assert result.status is ItemStatus.COMPLETED
    assert result.found is not None
    assert result.found.id == "7"


@pytest.mark.parametrize(
    ("finds", "status", "reason"),
    [
        (Selection(ref="x", outcome=Outcome.NO_ACCESS, detail="no right"), ItemStatus.FAILED, "no_access"),
        (Selection(ref="x", outcome=Outcome.NOT_FOUND), ItemStatus.NOT_FOUND, None),
        (Selection(ref="x", outcome=Outcome.EXCLUDED, detail="another"), ItemStatus.SKIPPED, "excluded"),
        (DOWN, ItemStatus.QUEUED, None),
        (RuntimeError("bug"), ItemStatus.FAILED, "connector_error"),
    ],
)
def test_a_course_that_cannot_be_looked_up(
    bench: Bench, finds: Selection | Exception, status: ItemStatus, reason: str | None
) -> None:
    """What the look-up finds out becomes the result, and nothing is written into the archive."""
    bench.finds = finds
    result = bench.result(UNKNOWN)

    assert (result.status, result.reason) == (status, reason)
    assert result.found is None
