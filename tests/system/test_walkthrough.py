"""The connector of the guide: made, assembled from the page, tested, and run by a real daemon against a real campus."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess
from fakes.new_connector import Made, installed, run_in
from fakes.walkthrough import assemble, titled_blocks

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("walkthrough")]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The connector of the guide, installed."""
    home = tmp_path_factory.mktemp("author")
    done = run_in(home, "coursekeep_daemon", "new-connector", "greenfield", "--title", "Greenfield College")
    assert done.returncode == 0, done.stderr
    folder = home / "coursekeep-greenfield"
    assemble(folder)
    return installed(folder, home / "site")


@pytest.mark.parametrize("command", [("pytest", "-q", "-p", "no:cacheprovider"), ("ruff", "check", "."), ("mypy",)])
def test_it_is_green(made: Made, command: tuple[str, ...]) -> None:
    """At the end of the page all tests pass, the contract against the campus among them, and the linters agree."""
    done = run_in(made.folder, *command, **({} if command[0] == "mypy" else made.variables))

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def campus() -> Iterator[CampusProcess]:
    with CampusProcess.running("--courses", "12", "--no-throttle") as campus:
        yield campus


@pytest.fixture(scope="module")
def daemon(made: Made, campus: CampusProcess, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DaemonProcess]:
    """A daemon with the settings of the page, and the built-in connector beside it."""
    declared = tomllib.loads(titled_blocks()["settings.toml"])["integrations"]["greenfield"]
    variable = declared["token"]["env"]
    section = f'connector = "{declared["connector"]}"\nbase_url = "{campus.url}"\ntoken = {{ env = "{variable}" }}'
    daemon = DaemonProcess(
        tmp_path_factory.mktemp("daemon"),
        campus.url,
        campus.tokens["admin"],
        extra={"integrations.greenfield": section},
        variables={**made.variables, variable: campus.tokens["admin"]},
    )
    with daemon.running():
        yield daemon


def archived(daemon: DaemonProcess, integration: str, *courses: str) -> dict[str, dict[str, Any]]:
    """Archive courses through an integration and return their items by course id."""
    run = daemon.start_run("ids", {"ids": list(courses)}, integration=integration)
    daemon.finished(run)
    return {item["course_id"] or item["ref"]: item for item in daemon.items(run)}


def kinds(daemon: DaemonProcess, item: dict[str, Any]) -> dict[str, Any]:
    """Return what completeness.json of an item's package says of each kind."""
    done = daemon.cli("package", "completeness", item["package_id"], "--json", check=False)
    found = json.loads(done.stdout)
    rows = found["kinds"] if isinstance(found["kinds"], dict) else {row["kind"]: row for row in found["kinds"]}
    return dict(rows)


def test_its_check_is_good(daemon: DaemonProcess) -> None:
    """`coursekeep check greenfield` names each stream, and all is well."""
    done = daemon.cli("check", "greenfield", "--json")

    assert "submission_files" in done.stdout
    assert '"ok": false' not in done.stdout


def test_it_finds_the_courses_that_have_ended(daemon: DaemonProcess) -> None:
    """Its courses count as ended as those of the connector for Canvas do, also where an own end does not count."""

    today = datetime.now(UTC).date().isoformat()

    def ended(integration: str) -> set[str]:
        done = daemon.cli("run", "preview", "--integration", integration, "--ended-before", today, "--json")
        return {each["course_id"] for each in json.loads(done.stdout)["rows"]}

    assert ended("greenfield") == ended("main")
    assert "105" in ended("greenfield")


def test_it_archives_what_the_built_in_connector_does(daemon: DaemonProcess) -> None:
    """Of the kinds that the guide reads, its packages hold as many records as those of the connector for Canvas."""
    courses = ("101", "102", "104", "106")
    own = archived(daemon, "greenfield", *courses)
    built_in = archived(daemon, "main", *courses)

    for course in courses:
        mine, theirs = kinds(daemon, own[course]), kinds(daemon, built_in[course])
        assert own[course]["status"] == "completed"
        for kind in ("enrollments", "assignments", "submissions", "pages"):
            assert mine[kind]["captured"] == theirs[kind]["captured"], (course, kind)
            assert mine[kind]["expected"] == mine[kind]["captured"] + mine[kind]["gaps"], (course, kind)


def test_what_it_may_not_read_fails(daemon: DaemonProcess) -> None:
    """A course that is forbidden fails with `no_access`, one that does not exist is not found."""
    items = archived(daemon, "greenfield", "110", "999999", "sis:ALG-100-11")

    assert (items["110"]["status"], items["110"]["reason"]) == ("failed", "no_access")
    assert items["999999"]["status"] == "not_found"
    assert items["101"]["status"] in ("completed", "skipped")


def test_its_packages_are_valid(daemon: DaemonProcess) -> None:
    """Every package verifies, and none of its files holds the secret of a calendar feed."""
    archived(daemon, "greenfield", "103")
    done = daemon.cli("package", "verify", str(daemon.archive))
    texts = [path.read_bytes() for path in Path(daemon.archive).rglob("*.jsonl")]

    assert done.returncode == 0
    assert texts
    assert not any(b"made-up-secret" in text for text in texts)
