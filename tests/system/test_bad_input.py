"""Bad input through the real commands and the real API: one message that says what to do, and nothing has changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for

SETTINGS = """[daemon]
port = 0
data_dir = "{home}/data"
[archive]
url = "file://{home}/archive"
organization = "Example University"
[integrations.main]
connector = "canvas"
base_url = "http://127.0.0.1:9"
token = "made-up"
"""


@pytest.mark.parametrize(
    ("right", "wrong", "says"),
    [
        ('connector = "canvas"', 'connector = "canvsa"', "did you mean canvas?"),
        ("base_url", "base_ulr", "did you mean base_url?"),
        ("port = 0", 'port = "many"', "daemon.port"),
        ('token = "made-up"', 'token = { env = "NO_SUCH_VARIABLE" }', "NO_SUCH_VARIABLE is not set"),
        ('token = "made-up"', 'token = "x"\n[schedules.a]\nintegration = "main"\ncron = "often"', "schedules.a.cron"),
        ('token = "made-up"', 'token = "x"\nterms_refresh = "often"', "integrations.main.terms_refresh"),
    ],
)
def test_wrong_settings_stop_the_start_before_anything_is_made(
    tmp_path: Path, right: str, wrong: str, says: str
) -> None:
    """`serve` ends with 2 and a message naming the key; there is no database and no archive, and no value was shown."""
    daemon = DaemonProcess(tmp_path, "", "")
    text = SETTINGS.format(home=tmp_path)
    daemon.settings.write_text(text.replace(right, wrong))

    done = daemon.cli("serve", check=False)

    assert done.returncode == 2
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert "made-up" not in done.stderr
    assert not (tmp_path / "archive").exists()
    assert not (tmp_path / "data" / "coursekeep.db").exists()


@pytest.fixture(scope="module")
def campus() -> Iterator[CampusProcess]:
    with CampusProcess.running("--courses", "10", "--no-throttle") as campus:
        yield campus


@pytest.fixture(scope="module")
def daemon(campus: CampusProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    daemon = DaemonProcess(tmp_path_factory.mktemp("daemon"), campus.url, campus.tokens["admin"])
    with daemon.running():
        yield daemon


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("empty.csv", b"", "is empty"),
        ("blank.csv", b"\xef\xbb\xbf\r\n  \r\n", "is empty"),
        ("header.csv", b"course_id\n", "names no course"),
        ("people.csv", b"name;mail\nStudent 1;s1@example.edu\n", "no column of course ids among the headers 'name'"),
        ("picture.csv", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)) * 9, "not text"),
        ("sheet.csv", b"PK\x03\x04\x14\0\x06\0" + bytes(200), "CSV"),
    ],
)
def test_a_file_that_names_no_courses_is_refused(daemon: DaemonProcess, name: str, content: bytes, says: str) -> None:
    """The upload is answered with 422 and what is wrong with the file; there is no run."""
    before = daemon.get("/runs")

    answer = daemon.call("POST", "/runs", data={"integration": "main"}, files={"file": (name, content, "text/csv")})

    assert answer.status_code == 422
    assert says in answer.json()["detail"]
    assert daemon.get("/runs") == before


def test_a_refusal_reaches_whoever_typed_the_command(daemon: DaemonProcess, tmp_path: Path) -> None:
    """`run start --file` ends with 2 and the daemon's words, on standard error."""
    file = tmp_path / "people.csv"
    file.write_text("name;mail\nStudent 1;s1@example.edu\n")

    done = daemon.cli("run", "start", "--file", str(file), check=False)

    assert done.returncode == 2
    assert "no column of course ids among the headers 'name', 'mail'" in " ".join(done.stderr.split())
    assert (done.stdout, "Traceback" in done.stderr) == ("", False)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"source": "end_date", "params": {"before": "2999-01-01"}}, "future"),
        ({"source": "end_date", "params": {"before": "yesterday"}}, "params.before"),
        ({"integration": "mian"}, "did you mean main?"),
        ({"source": "idz"}, "did you mean ids?"),
        ({"params": {"idz": ["1"]}}, "params.idz"),
        ({"params": {"ids": []}}, "name at least one course"),
        ({"source": "terms", "params": {"terms": []}}, "name at least one term"),
    ],
)
def test_a_request_that_cannot_be_is_refused(daemon: DaemonProcess, change: dict[str, Any], says: str) -> None:
    """The request is answered with 422 and what is wrong with it; there is no run."""
    before = daemon.get("/runs")
    request = {"integration": "main", "source": "ids", "params": {"ids": ["1"]}}

    answer = daemon.call("POST", "/runs", json=request | change)

    assert answer.status_code == 422
    assert says in answer.text
    assert daemon.get("/runs") == before


def test_an_unknown_term_ends_the_run_with_its_name(daemon: DaemonProcess) -> None:
    """Only the LMS knows its terms, so the run fails; it says which term, and archives none of the others' courses."""
    done = daemon.cli("run", "start", "--terms", "11,777", "--wait", check=False)

    (run,) = daemon.get("/runs", limit=1)["items"]
    assert done.returncode == 1
    assert run["status"] == "failed"
    assert "777" in run["reason"]
    assert daemon.items(run["id"]) == []


def memory(daemon: DaemonProcess) -> int:
    """Return the megabytes that the daemon holds."""
    return int(psutil.Process(daemon.pid()).memory_info().rss >> 20)


@pytest.mark.slow
def test_two_hundred_thousand_ids(daemon: DaemonProcess) -> None:
    """A file of 200,000 ids is taken at once and planned as a stream: memory stays flat, lists and a stop stay quick.

    Only the first thousands are planned here: one request each is what the LMS is asked, and that is its time.
    """
    text = "course_id\n" + "".join(f"{number}\n" for number in range(1_000_000, 1_200_000))
    files = {"file": ("many.csv", text.encode(), "text/csv")}
    answer = daemon.call("POST", "/runs", data={"integration": "main"}, files=files)
    run = answer.json()

    def planned(count: int) -> Any:
        return wait_for(f"{count} items", lambda: daemon.get(f"/runs/{run['id']}")["total"] >= count, seconds=300)

    planned(500)
    before = memory(daemon)
    planned(4_000)
    after = memory(daemon)
    page = daemon.get(f"/runs/{run['id']}/items", status="not_found", limit=200)["items"]
    shown = daemon.get(f"/runs/{run['id']}")
    daemon.stop()
    daemon.start()
    went_on = wait_for("planning to go on", lambda: daemon.get(f"/runs/{run['id']}")["total"] > shown["total"] + 500)
    for action in ("pause", "cancel"):  # other tests compare what the daemon has
        daemon.call("POST", f"/runs/{run['id']}/{action}").raise_for_status()

    assert answer.status_code == 202, answer.text
    assert len(answer.content) < 10_000
    assert run["params_cut"]
    assert after < before + 40
    assert after < 300
    assert {item["status"] for item in page} == {"not_found"}
    assert [item["ref"] for item in page[:2]] == ["1000000", "1000001"]
    assert shown["status"] == "planning"
    assert went_on
