"""Bad days of a real daemon beside a real campus: nothing is lost, nothing is half done, and the next chance goes on.

Where each kind of bad day is tested (`here` is this file, `input` is `test_bad_input.py` beside it):

| bad day | test |
|---|---|
| unknown connector, key or value in the settings | input: `wrong_settings_stop_the_start...`; unit/settings |
| missing secret | input: `wrong_settings_stop_the_start...`; unit/settings: `a_secret_file_that_is_missing...` |
| unreachable address | here: `an_lms_that_cannot_be_reached...` |
| expired token | here: `a_token_that_expires...`; integration/test_service_bad_days.py: `expired_credentials...` |
| revoked token | here: `a_token_too_weak_or_revoked...` |
| token with too few scopes | here: `a_token_too_weak_or_revoked...` |
| broken third-party plugin | here: `broken_plugins...`; unit/registry/test_registry.py |
| empty CSV, no id column, binary file | input: `a_file_that_names_no_courses...`; unit/sources/test_csv.py |
| 200,000 ids | input: `two_hundred_thousand_ids`; unit/sources: `two_hundred_thousand_rows` |
| end date in the future | input: `a_request_that_cannot_be...`; unit/sources: `future_end_date...` |
| unknown term | input: `an_unknown_term_ends_the_run...` |
| archive that cannot be written | here: `an_archive_that_cannot_be_written...`, `a_disk_that_fills_up...` |
| full disk | here: `a_disk_that_fills_up...`; unit/package/test_storage.py; unit/store/test_writer.py |
| course deleted between selection and export | here: `a_course_deleted_after_its_selection...` |
| malformed, truncated, endless answers, page loops | here: `nonsense_becomes_gaps`; integration/canvas |
| endless files | here: `nonsense_becomes_gaps` |
| hostile file names | here: `hostile_names_stay_inside...`; unit/package/test_names.py |
| a file whose length lies | here: `nonsense_becomes_gaps`; unit/plugin/test_http_download.py: `short_file...` |
| redirects to a foreign host | here: `a_foreign_host_learns_nothing`; unit/plugin |
| clock set back | unit/schedule/test_scheduled.py: `a_clock_set_back_does_not_fire_twice` |
| two daemons on one data directory | unit/cli/test_serve.py: `a_second_daemon_on_a_data_directory_refuses` |
| SIGTERM while courses are in flight | here: `a_stop_in_mid_course...`; SIGKILL: test_kill.py |
| SIGTERM twice | here: `a_second_signal_ends_it_at_once` |
| lost database | here: `a_lost_database...` |
| secrets in logs, store, packages | here: `no_secret_is_written_down`; unit/package, unit/settings |
"""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for
from fakes.engines import has_workers
from fakes.scripted_server import ScriptedServer
from fakes.store_rows import read_all, read_tables

IMPATIENT = {"integrations.main": "timeout = 5.0\nexport_poll = 0.1"}


@pytest.fixture(scope="module")
def shared_campus() -> Iterator[CampusProcess]:
    with CampusProcess.running("--courses", "40", "--no-throttle") as campus:
        yield campus


@pytest.fixture
def campus(shared_campus: CampusProcess) -> Iterator[CampusProcess]:
    """A campus in good order; tests that change a course take one of their own."""
    shared_campus.clear_faults()
    yield shared_campus
    shared_campus.clear_faults()


def daemon_for(campus: CampusProcess, home: Path, **extra: str) -> DaemonProcess:
    return DaemonProcess(home, campus.url, campus.tokens["admin"], IMPATIENT | extra)


def plain_courses(campus: CampusProcess) -> list[str]:
    """Return courses that have ended, without those of whose traps some are slow to archive."""
    slow = {campus.courses["traps"][name] for name in ("unbuilt_views", "crowd", "big_module", "login_page")}
    return [str(one) for one in campus.courses["ended"] if one not in slow]


def in_state(daemon: DaemonProcess, run: int, status: str, count: int) -> dict[str, Any]:
    """Wait until so many items of a run are in a state, and return the run."""

    def reached() -> dict[str, Any] | None:
        found: dict[str, Any] = daemon.get(f"/runs/{run}")
        return found if found["counts"].get(status, 0) >= count else None

    result: dict[str, Any] = wait_for(f"{count} items {status}", reached)
    return result


def stored_items(daemon: DaemonProcess) -> list[tuple[str, int]]:
    """Return status and attempts of every item, from the database of a daemon that has stopped."""
    (items,) = read_tables(daemon.store_address, "item")
    return [(item["status"], item["attempts"]) for item in items]


def staged(daemon: DaemonProcess) -> list[Path]:
    """Return what is half done in the archive."""
    area = daemon.archive / "extensions" / "coursekeep-staging"
    # a probe is how the daemon looks whether it can write; it may be at it now
    return [entry for entry in area.glob("*") if not entry.name.startswith("probe-")]


def valid(daemon: DaemonProcess) -> bool:
    report = daemon.cli("package", "verify", str(daemon.archive), "--json", check=False)
    return bool(json.loads(report.stdout)["valid"])


def head_of(daemon: DaemonProcess, item: dict[str, Any]) -> dict[str, Path]:
    """Return the files of an item's package, newest version, by their place in the bag."""
    folder = daemon.archive / daemon.get(f"/packages/{item['package_id']}")["versions"][-1]["path"]
    inventory = json.loads((folder / "inventory.json").read_text())
    state = inventory["versions"][inventory["head"]]["state"]
    return {path: folder / inventory["manifest"][digest][0] for digest, paths in state.items() for path in paths}


def gaps_of(daemon: DaemonProcess, item: dict[str, Any]) -> list[dict[str, Any]]:
    lines = head_of(daemon, item)["data/gaps.jsonl"].read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines]


def test_a_lost_database_is_made_anew_from_the_archive(campus: CampusProcess, tmp_path: Path) -> None:
    """A new store and the same run skip what is archived, record every version anew, and link to no run of before.

    A refresh then fetches again, although run and item have the numbers of those that made the packages.
    """
    courses = plain_courses(campus)[:3]
    daemon = daemon_for(campus, tmp_path)
    with daemon.running():
        daemon.finished(daemon.start_run("ids", {"ids": courses[:1]}))
        campus.touch(courses[0], name="Renamed after it was archived")
        daemon.finished(daemon.start_run("ids", {"ids": courses}, on_existing="refresh"))
        known = {one["package_id"]: one for one in daemon.get("/packages")["items"]}
    daemon.lose_store()

    with daemon.running():
        again = daemon.finished(daemon.start_run("ids", {"ids": courses}))
        items = daemon.items(again["id"])
        recorded = {one: daemon.get(f"/packages/{one}")["versions"] for one in known}
        campus.touch(courses[0], name="Renamed once more")
        refreshed = daemon.finished(daemon.start_run("ids", {"ids": courses}, on_existing="refresh"))
        newest = {one["course_id"]: one["version"] for one in daemon.get("/packages")["items"]}
    daemon.lose_store()
    campus.touch(courses[0], name="And once more")
    with daemon.running():
        first = daemon.finished(daemon.start_run("ids", {"ids": courses[:1]}, on_existing="refresh"))
        (item,) = daemon.items(first["id"])

    assert again["counts"]["skipped"] == 3
    assert {(item["reason"], item["archived_in_run"]) for item in items} == {("archived", None)}
    assert sorted([version["version"] for version in versions] for versions in recorded.values()) == [[1], [1], [1, 2]]
    for one, before in known.items():
        assert {**before, "run_id": None, "item_id": None} == recorded[one][-1]
    assert (refreshed["counts"]["completed"], refreshed["counts"]["skipped"]) == (1, 2)
    assert newest == {courses[0]: 3, courses[1]: 1, courses[2]: 1}
    assert (item["status"], item["package_version"]) == ("completed", 4)


def test_a_stop_in_mid_course_puts_it_back_uncounted(campus: CampusProcess, tmp_path: Path) -> None:
    """SIGTERM ends the daemon within its bound; courses in flight wait uncounted, and the next start finishes them."""
    courses = plain_courses(campus)[:3]
    daemon = daemon_for(campus, tmp_path, daemon="shutdown_timeout = 1")
    campus.fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=60)
    daemon.start()
    run = daemon.start_run("ids", {"ids": courses})
    in_state(daemon, run, "processing", 3)

    begun = time.monotonic()
    code = daemon.stop()
    took = time.monotonic() - begun
    put_back, half_done = stored_items(daemon), staged(daemon)
    campus.clear_faults()
    with daemon.running():
        ended = daemon.finished(run)
        items = daemon.items(run)

    assert code == 0
    assert took < 15
    assert put_back == [("queued", 0)] * 3
    assert half_done == []
    assert ended["status"] == "completed"
    assert {(item["attempts"], item["package_version"]) for item in items} == {(1, 1)}


@pytest.mark.skipif(has_workers(), reason="this daemon has nothing in flight that a first signal would wait for")
def test_a_second_signal_ends_it_at_once(campus: CampusProcess, tmp_path: Path) -> None:
    """A second SIGTERM does not wait for courses in flight; the next start finishes them all the same."""
    (course,) = plain_courses(campus)[:1]
    daemon = daemon_for(campus, tmp_path, daemon="shutdown_timeout = 300")
    campus.fault(match="GET /api/v1/courses/*/users*", kind="hang", seconds=300)
    daemon.start()
    run = daemon.start_run("ids", {"ids": [course]})
    in_state(daemon, run, "processing", 1)

    daemon.signal(signal.SIGTERM)
    wait_for("the stop to begin", lambda: daemon.events("daemon_stopping"))
    daemon.signal(signal.SIGTERM)
    code = daemon.exit_code(seconds=10)
    campus.clear_faults()
    with daemon.running():
        ended = daemon.finished(run)
        (item,) = daemon.items(run)

    assert code == 128 + signal.SIGTERM
    assert ended["status"] == "completed"
    assert (item["attempts"], item["package_version"]) == (2, 1)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of three megabytes where the archive goes."""
    place = tmp_path / "archive"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system, and this process is not root or may not")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def remount(place: Path, options: str) -> None:
    """Change a mounted file system; making it read-only is refused while a file is open for writing, so ask again."""
    command = ["mount", "-o", f"remount,{options}", str(place)]
    wait_for(f"remount,{options}", lambda: not subprocess.run(command, capture_output=True, check=False).returncode)


def fill(place: Path) -> None:
    """Leave a small file system no room beyond what lies in it."""

    def filled() -> bool:
        command = ["mount", "-o", f"remount,size={shutil.disk_usage(place).used}", str(place)]
        return not subprocess.run(command, capture_output=True, check=False).returncode

    wait_for("a disk without room", filled)


@pytest.mark.slow
def test_a_disk_that_fills_up_or_becomes_read_only_is_waited_for(
    campus: CampusProcess, disk: Path, tmp_path: Path
) -> None:
    """The run halts, what waits is uncounted and nothing is half done; room made, the run goes on by itself."""
    courses = plain_courses(campus)[:12]
    daemon = daemon_for(campus, tmp_path, archive='min_free = "1 KB"')
    with daemon.running():
        run = daemon.start_run("ids", {"ids": courses})
        hold = daemon.hold(run, "storage")
        wait_for("what is in flight to be put back", lambda: not daemon.get(f"/runs/{run}")["counts"]["processing"])
        fill(disk)  # else the next look finds the room of what was put back, and lets the run go on for a moment
        daemon.hold(run, "storage")
        full = daemon.get(f"/runs/{run}")["counts"]
        waiting = daemon.items(run, status="queued")
        ready = httpx.get(f"{daemon.url}/api/v1/ready", timeout=60)
        half_done, sound = staged(daemon), valid(daemon)
        remount(disk, "ro")
        remount(disk, "ro,size=64m")
        read_only = wait_for("a disk that is read-only to be told", lambda: "ead-only" in held_for(daemon, run))
        remount(disk, "rw")
        ended = daemon.finished(run)
        items = daemon.items(run)
        again = httpx.get(f"{daemon.url}/api/v1/ready", timeout=60)

    assert "full" in hold["reason"]
    assert (full["completed"] + full["queued"], full["failed"]) == (12, 0)
    assert full["queued"] >= 1
    assert {item["attempts"] for item in waiting} == {0}
    assert (ready.status_code, again.status_code) == (503, 200)
    assert "storage" in ready.text
    assert (half_done, sound) == ([], True)
    assert read_only
    assert (ended["status"], ended["counts"]["completed"]) == ("completed", 12)
    assert {item["package_version"] for item in items} == {1}
    assert len(daemon.events("storage_held")) <= 2


def held_for(daemon: DaemonProcess, run: int) -> str:
    hold = daemon.get(f"/runs/{run}")["hold"]
    return hold["reason"] if hold else ""


@pytest.mark.parametrize("place", ["/proc/no-such", "{home}/settings.toml/archive", "{home}/data"])
def test_an_archive_that_cannot_be_written_stops_the_start(tmp_path: Path, place: str) -> None:
    """A place that cannot be made, or that holds other things, ends `serve` with 2 and the place's name."""
    place = place.format(home=tmp_path)
    daemon = DaemonProcess(tmp_path, "http://127.0.0.1:9", "made-up")
    daemon.write_settings()
    daemon.settings.write_text(daemon.settings.read_text().replace(str(daemon.archive), place))

    done = daemon.cli("serve", check=False)

    assert done.returncode == 2
    assert place in "".join(done.stderr.split("\n"))
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def shared_daemon(shared_campus: CampusProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon for tests that need none of their own; it logs everything, so that secrets would be seen."""
    home = tmp_path_factory.mktemp("shared")
    with daemon_for(shared_campus, home, daemon='log_level = "debug"').running() as daemon:
        yield daemon


@pytest.fixture
def daemon(campus: CampusProcess, shared_daemon: DaemonProcess) -> DaemonProcess:
    return shared_daemon


def archived(daemon: DaemonProcess, *courses: str) -> list[dict[str, Any]]:
    """Archive courses, fetched again where they are archived already, and return their items."""
    run = daemon.start_run("ids", {"ids": list(courses)}, on_existing="refresh")
    assert daemon.finished(run)["status"] == "completed"
    return daemon.items(run)


#: a fault of a list of pages, by kind
NONSENSE = ("html", "loop", "endless", "foreign_next", "foreign_redirect", "login_page")


@pytest.mark.slow
def test_nonsense_becomes_gaps(campus: CampusProcess, daemon: DaemonProcess) -> None:
    """Answers that never make sense, files without end and files whose length lies are gaps of whole packages."""
    courses = plain_courses(campus)[3 : 3 + len(NONSENSE) + 2]
    *pages, endless, lying = courses
    for course, kind in zip(pages, NONSENSE, strict=True):
        campus.fault(match=f"GET /api/v1/courses/{course}/pages?*", kind=kind)
    campus.fault(match=f"GET /files/{endless}????/*", host="files", kind="endless")
    campus.fault(match=f"GET /files/{lying}????/*", host="files", kind="lying_size")

    items = {item["course_id"]: item for item in archived(daemon, *courses)}
    gaps = {course: gaps_of(daemon, items[course]) for course in courses}

    assert {item["status"] for item in items.values()} == {"completed"}
    for course in pages:
        assert "malformed" in {gap["reason"] for gap in gaps[course] if gap["kind"] == "pages"}
    for course in (endless, lying):
        assert "wrong_size" in {gap["reason"] for gap in gaps[course] if gap["kind"] == "files"}
    for course in courses:
        package = daemon.get(f"/packages/{items[course]['package_id']}")
        assert package["versions"][-1]["completeness"] == "partial"
    assert valid(daemon)
    assert staged(daemon) == []


def test_a_foreign_host_learns_nothing(campus: CampusProcess, daemon: DaemonProcess) -> None:
    """Pages and redirects that lead elsewhere bring the token to nobody; files are asked for there without it."""
    course, usual = plain_courses(campus)[11:13]
    with ScriptedServer() as foreign:
        campus.fault(match=f"GET /api/v1/courses/{course}/pages?*", kind="foreign_next", to=foreign.url)
        campus.fault(match=f"GET /api/v1/courses/{course}/modules?*", kind="foreign_redirect", to=foreign.url)
        campus.fault(match=f"GET /files/{course}????/download*", kind="foreign_redirect", to=foreign.url)
        item, _ = archived(daemon, course, usual)
        heard = list(foreign.requests)

    assert {one.target for one in heard} == {"/taken"}  # where the files were said to be, and nothing of the API
    assert not any("authorization" in {name.lower() for name in one.headers} for one in heard)
    assert campus.tokens["admin"] not in str(heard)
    at_storage = [one for one in campus.requests() if one["host"] == campus.files_url.removeprefix("http://")]
    assert at_storage
    assert not any(one["authorization"] for one in at_storage)
    assert {"pages", "structure", "files"} <= {gap["kind"] for gap in gaps_of(daemon, item)}


def test_a_course_deleted_after_its_selection_is_not_found(campus: CampusProcess, daemon: DaemonProcess) -> None:
    """A course that is gone when its turn comes is `not_found`: no package, nothing half done, others go on."""
    first, gone = plain_courses(campus)[13], str(campus.courses["running"][0])
    campus.fault(match=f"GET /api/v1/courses/{first}/users*", kind="hang", seconds=2, times=1)
    # the LMS has made its answer before it hangs: this one comes too late for the daemon, and the next says the truth
    campus.fault(match=f"GET /api/v1/courses/{gone}", kind="hang", seconds=60, after=1)
    run = daemon.start_run("ids", {"ids": [first, gone]})
    wait_for("both to be planned", lambda: daemon.get(f"/runs/{run}")["total"] == 2)
    campus.touch(gone, state="deleted")
    campus.clear_faults()
    ended = daemon.finished(run)
    items = {item["ref"]: item for item in daemon.items(run)}

    assert (items[first]["status"], items[gone]["status"]) == ("completed", "not_found")
    assert items[gone]["package_id"] is None
    assert ended["counts"]["failed"] == 0
    assert staged(daemon) == []


def test_hostile_names_stay_inside_the_package(campus: CampusProcess, daemon: DaemonProcess) -> None:
    """Names such as `../../../etc/passwd` are data in records; as paths they are harmless."""
    (item,) = archived(daemon, str(campus.courses["traps"]["twins"]))
    files = {path: stored for path, stored in head_of(daemon, item).items() if path.startswith("data/files/")}
    records = head_of(daemon, item)["data/records/files.jsonl"].read_text(encoding="utf-8")

    assert "../../../etc/passwd" in records
    assert len(files) > 15
    for path, stored in files.items():
        assert re.fullmatch(r"[^\x00-\x1f\x7f<>:\"|?*\\\u202e]+", path), path
        assert not {"..", ".", ""} & set(path.split("/")), path
        assert stored.resolve().is_relative_to(daemon.archive.resolve())
    assert {path.name for path in daemon.home.iterdir()} == {"archive", "data", "daemon.log", "settings.toml"}
    assert valid(daemon)


def secrets_of(campus: CampusProcess, courses: list[str]) -> set[bytes]:
    """Ask the campus for the verifiers of its files, as whoever has the token can."""
    headers = {"Authorization": f"Bearer {campus.tokens['admin']}", "User-Agent": "test"}
    found = {campus.tokens["admin"].encode()}
    for course in courses:
        address = f"{campus.url}/api/v1/courses/{course}/files?per_page=100"
        found |= set(re.findall(rb"verifier=(\w+)", httpx.get(address, headers=headers).content))
    return found


def written_by(daemon: DaemonProcess) -> Iterator[tuple[Path, bytes]]:
    """Yield log, database and every file of the archive with its bytes, unpacked where it is packed."""
    if daemon.store_address.startswith("postgresql"):
        yield daemon.home / "data" / "coursekeep.db", read_all(daemon.store_address).encode()
    for path in daemon.home.rglob("*"):
        if not path.is_file():
            continue
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            yield path, gzip.decompress(data)
        elif zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as packed:
                yield from ((path / name, packed.read(name)) for name in packed.namelist())
        else:
            yield path, data


def test_no_secret_is_written_down(campus: CampusProcess, tmp_path: Path) -> None:
    """Neither log nor database nor any package holds the token, a file's verifier or a signed address."""
    courses = [str(campus.courses["traps"][name]) for name in ("mixed_addresses", "attempts", "missing_bytes")]
    daemon = daemon_for(campus, tmp_path, daemon='log_level = "debug"')
    campus.fault(match=f"GET /api/v1/courses/{courses[0]}/files?*", kind="html", times=1)
    campus.fault(match="GET /files/*", host="files", kind="status", status=403, times=2)
    with daemon.running():
        archived(daemon, *courses)
        daemon.cli("check", "main")
        own = daemon.token.encode()
        written = dict(written_by(daemon))
    secrets = secrets_of(campus, courses)

    assert len(secrets) > 5
    for path, data in written.items():
        assert not [secret for secret in (*secrets, own) if secret in data], path
        assert not re.search(rb"(?<![\w-])token=\d+\.[0-9a-f]{8}", data), path
    assert {"daemon.log", "coursekeep.db", "inventory.json", "imsmanifest.xml"} <= {path.name for path in written}


def a_token_file(home: Path, token: str) -> dict[str, str]:
    """Keep the token in a file, where an operator can put another one."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "token").write_text(token)
    return {"integrations.other": 'connector = "canvas"\nbase_url = "{url}"\ntoken = {{ file = "token" }}'}


@pytest.mark.parametrize("kind", ["scoped", "revoked"])
def test_a_token_too_weak_or_revoked_halts_its_integration_alone(
    campus: CampusProcess, tmp_path: Path, kind: str
) -> None:
    """One alert, and `check` says what to do; what is queued waits uncounted until the token is renewed."""
    courses = plain_courses(campus)[:2]
    sections = a_token_file(tmp_path, campus.tokens[kind])
    daemon = daemon_for(campus, tmp_path, **{name: text.format(url=campus.url) for name, text in sections.items()})
    request = {"integration": "other", "source": "ids", "params": {"ids": courses}}
    with daemon.running():
        run = int(daemon.call("POST", "/runs", json=request).json()["id"])
        hold = daemon.hold(run, "credentials")
        wait_for("what is in flight to be put back", lambda: not daemon.get(f"/runs/{run}")["counts"]["processing"])
        waiting = daemon.items(run)
        checked = daemon.cli("check", "other", "--json", check=False)
        still = daemon.get(f"/runs/{run}")["hold"]
        untouched = daemon.finished(daemon.start_run("ids", {"ids": courses[:1]}))
    alerts = daemon.events("credentials_needed")
    (tmp_path / "token").write_text(campus.tokens["admin"])
    with daemon.running():
        ended = daemon.finished(run)

    failed = [step for step in json.loads(checked.stdout)["other"]["steps"] if not step["ok"]]
    assert "token" in hold["reason"]
    assert {(item["status"], item["attempts"]) for item in waiting} <= {("queued", 0)}
    assert len(waiting) == (2 if kind == "scoped" else 0)  # a revoked token cannot even look for courses
    assert (checked.returncode, bool(failed[0]["remedy"])) == (1, True)
    assert still["level"] == "credentials"
    assert len(alerts) == 1
    assert "coursekeep check other" in alerts[0]["remedy"]
    assert untouched["status"] == "completed"
    assert (ended["status"], ended["counts"]["completed"]) == ("completed", 2)


def test_a_token_that_expires_in_the_middle_waits_for_a_good_check(campus: CampusProcess, tmp_path: Path) -> None:
    """Items stay queued and uncounted; after `coursekeep check` finds all well, the run goes on without a restart."""
    courses = plain_courses(campus)[:3]
    daemon = daemon_for(campus, tmp_path)
    campus.fault(match="GET /api/v1/*", kind="token_expires_after", after=40)
    with daemon.running():
        run = daemon.start_run("ids", {"ids": courses})
        daemon.hold(run, "credentials")
        wait_for("what is in flight to be put back", lambda: not daemon.get(f"/runs/{run}")["counts"]["processing"])
        waiting = daemon.items(run, status="queued")
        campus.clear_faults()
        checked = daemon.cli("check", "main")
        ended = daemon.finished(run)
        items = daemon.items(run)

    assert waiting
    assert {item["attempts"] for item in waiting} == {0}
    assert checked.returncode == 0
    assert ended["status"] == "completed"
    assert {item["attempts"] for item in items} == {1}
    assert len(daemon.events("credentials_needed")) == 1


@pytest.mark.slow
def test_an_lms_that_cannot_be_reached_is_waited_for(campus: CampusProcess, tmp_path: Path) -> None:
    """The run is held and says why, `check` says what to do, and once the LMS answers the run goes on by itself."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    daemon = DaemonProcess(tmp_path, f"http://127.0.0.1:{port}", campus.tokens["admin"], IMPATIENT)
    with daemon.running():
        run = daemon.start_run("ids", {"ids": ["101"]})
        hold = daemon.hold(run, "lms")
        checked = daemon.cli("check", "main", "--json", check=False)
        with CampusProcess.running("--courses", "10", "--no-throttle", "--port", str(port)):
            ended = daemon.finished(run)

    (step,) = json.loads(checked.stdout)["main"]["steps"]
    assert "127.0.0.1 cannot be reached" in hold["reason"]
    assert (checked.returncode, step["name"], step["ok"]) == (1, "address", False)
    assert step["remedy"].startswith("Check the address")
    assert (ended["status"], ended["counts"]["completed"]) == ("completed", 1)


def install(site: Path, name: str, code: str, *, metadata: bool = True) -> None:
    """Install a distribution of one module, as pip would; without metadata, as a broken removal leaves it."""
    site.mkdir(exist_ok=True)
    (site / f"{name}.py").write_text(code)
    info = site / f"{name}-1.0.dist-info"
    info.mkdir()
    (info / "entry_points.txt").write_text(f"[coursekeep]\n{name} = {name}\n")
    if metadata:
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")


def test_broken_plugins_stop_neither_start_nor_run_nor_stop(campus: CampusProcess, tmp_path: Path) -> None:
    """Plugins that cannot be imported, lost their metadata, raise or hang are shown; all else works, also the stop."""
    site = tmp_path / "site"
    hook = "from coursekeep import hookimpl\n\n@hookimpl\ndef {}:\n    {}\n"
    install(site, "ck_unimportable", "import no_such_module_here\n")
    install(site, "ck_torn", "", metadata=False)
    install(site, "ck_raising", hook.format("course_archived(item)", "raise RuntimeError('no such table')"))
    install(site, "ck_hanging", hook.format("run_finished(run)", "__import__('threading').Event().wait()"))
    (course,) = plain_courses(campus)[:1]
    daemon = daemon_for(campus, tmp_path, daemon="shutdown_timeout = 2")
    daemon.variables = {"PYTHONPATH": str(site)}
    with daemon.running():
        ended = daemon.finished(daemon.start_run("ids", {"ids": [course]}))
        wait_for("the failure to be known", lambda: "no such table" in json.dumps(daemon.get("/plugins")))
        listed = daemon.cli("plugins", "--json", check=False)
        begun = time.monotonic()
        code = daemon.stop()
        took = time.monotonic() - begun

    plugins = {plugin["name"]: plugin for plugin in json.loads(listed.stdout)["items"]}
    assert ended["status"] == "completed"
    assert listed.returncode == 1
    assert (plugins["ck_unimportable"]["state"], plugins["builtin"]["state"]) == ("failed", "enabled")
    assert "no_such_module_here" in plugins["ck_unimportable"]["reason"]
    assert "no such table" in plugins["ck_raising"]["reason"]
    assert plugins["ck_torn"]["state"] == "enabled"
    assert (code, took < 15) == (0, True)
