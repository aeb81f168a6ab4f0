"""Traces of course imports, as a receiver on loopback gets them; and what becomes of work where there is none."""

from __future__ import annotations

import asyncio
import json
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import structlog
from fakes.engines import has_workers
from fakes.otlp_receiver import OtlpReceiver
from fakes.service_bench import Bench

from coursekeep import SettingsError
from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.settings import Settings, TelemetrySettings
from coursekeep_daemon.tracing import Tracing, open_tracing

SECRET = "receiver-key-8812"


@pytest.fixture(scope="module")
def server():
    with CampusServer(generated(seed=1, courses=10), throttle=False) as server:
        yield server


def archived(bench: Bench, *ids: str, **telemetry: object) -> tuple[RunStatus, list[dict[str, object]], str]:
    """Archive courses, and return how the run ended, the log, and a scrape."""

    async def main() -> tuple[RunStatus, list[dict[str, object]], str]:
        with structlog.testing.capture_logs([structlog.contextvars.merge_contextvars]) as logs:
            async with bench.service(telemetry=telemetry) as service:
                run = await bench.finished(service, await bench.run_ids(service, *ids))
                scrape = (await service.observation.scrape()).decode()
        return run.status, list(map(dict, logs)), scrape

    return asyncio.run(main())


def test_each_course_import_is_one_trace(tmp_path: Path, server: CampusServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """A course is one trace: lookup, packaging with listing, files and commit, the store, and every request as a span.

    The log of a course has the trace's id, a header of the settings goes along, and nothing else does: no token, no
    query, no name of a course, a person or a file.
    """
    monkeypatch.setenv("OTLP_KEY", SECRET)
    for limit in ("_LAST", "_TIMEOUT"):  # so that a busy receiver gets every span, and once
        monkeypatch.setattr(f"coursekeep_daemon.tracing_otlp.{limit}", 60.0)
    known = server.known
    ids = [str(known[key]) for key in ("late_grade", "locked_file")]
    with OtlpReceiver() as receiver:
        telemetry = {"endpoint": receiver.url, "headers": {"X-Key": {"env": "OTLP_KEY"}}, "service_name": "archive"}
        _, logs, scrape = archived(Bench(tmp_path, server), *ids, **telemetry)

    roots = [span for span in receiver.spans if not span.parent]
    steps = {span.id: span for span in receiver.spans}
    requests = [span for span in receiver.spans if span.kind == 3]
    assert {span.name for span in roots} == {"course"}
    assert len({span.trace for span in roots}) == len(roots) == len(ids)
    assert {span.trace for span in receiver.spans} == {span.trace for span in roots}
    names = {span.name for span in receiver.spans if span.kind != 3}
    assert names == {"course", "lookup", "packaging", "listing", "file", "commit", "store"}
    assert {steps[span.parent].name for span in receiver.spans if span.name == "commit"} == {"packaging"}
    assert {steps[span.parent].name for span in requests} <= {"lookup", "listing", "file", "packaging", "course"}
    assert {span.attributes["coursekeep.status"] for span in roots} == {"completed"}
    assert any(span.attributes.get("url.template") == "/api/v1/courses/{id}" for span in requests)
    assert all(span.attributes["http.response.status_code"] for span in requests)
    assert any(span.failed for span in requests)
    done = {log["trace"] for log in logs if log["event"] == "course_done" and "trace" in log}
    assert done == {span.trace for span in roots}
    assert receiver.paths == {"/v1/traces"}
    assert {each["x-key"] for each in receiver.headers} == {SECRET}
    assert receiver.resource["service.name"] == "archive"
    _holds_nothing_of_people(receiver, server)
    assert 'coursekeep_lms_answers_total{class="2xx",integration="main"}' in scrape
    if not has_workers():  # they are allowed most of it, and the daemon, which asks little, the rest
        assert 'coursekeep_lms_requests_allowed{integration="main"} 16.0' in scrape


def _holds_nothing_of_people(receiver: OtlpReceiver, server: CampusServer) -> None:
    content = server.campus.courses[server.known["late_grade"]].content
    people = [person.name for person in content.people.values()]
    courses = [course.name for course in server.campus.courses.values()]
    for word in (server.token, SECRET, "verifier", "access_token", "per_page", *people, *courses):
        assert word not in receiver.text
    assert not any(span.events for span in receiver.spans)


def test_a_receiver_that_is_away_costs_nothing(tmp_path: Path, server: CampusServer) -> None:
    """With a dead port courses are archived all the same, one line says so, and the stop is not held up."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        dead = f"http://127.0.0.1:{taken.getsockname()[1]}"
    status, logs, _ = archived(Bench(tmp_path, server), str(server.known["late_grade"]), endpoint=dead)

    assert status is RunStatus.COMPLETED
    assert [log["event"] for log in logs].count("traces_not_sent") == 1


def test_a_receiver_that_never_answers_holds_up_no_stop() -> None:
    """A receiver that takes the connection and says nothing is waited for at a stop a few seconds at most."""

    async def main() -> float:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
            tracing = open_tracing(Settings(telemetry=TelemetrySettings(endpoint=endpoint)), "0")
            with tracing.step("nothing"):
                pass
            with tracing.course(_item()):
                pass
            began = time.monotonic()
            await tracing.stop()
            return time.monotonic() - began

    assert asyncio.run(main()) < 15


def _item() -> object:
    return SimpleNamespace(integration="main", run_id=1, id=2, attempts=1)


def test_the_share_of_traces_can_be_set(tmp_path: Path, server: CampusServer) -> None:
    """With `sample_ratio` 0 nothing is sent, and everything works."""
    with OtlpReceiver() as receiver:
        telemetry = {"endpoint": receiver.url, "sample_ratio": 0.0}
        status, _, _ = archived(Bench(tmp_path, server), str(server.known["late_grade"]), **telemetry)

    assert status is RunStatus.COMPLETED
    assert receiver.spans == []


def test_without_an_endpoint_nothing_is_loaded() -> None:
    """A process that traces nothing loads nothing that does; one that should without the extra says what to install."""
    code = """
import json, sys
import coursekeep_daemon.observation
from coursekeep_daemon.settings import Settings, TelemetrySettings
from coursekeep_daemon.tracing import open_tracing
open_tracing(Settings(), "0")
loaded = [name for name in sys.modules if name.startswith(("opentelemetry.sdk", "opentelemetry.exporter"))]
sys.modules["opentelemetry.exporter"] = None
try:
    open_tracing(Settings(telemetry=TelemetrySettings(endpoint="http://127.0.0.1:4318")), "0")
except Exception as error:
    print(json.dumps([loaded, str(error)]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded, error = json.loads(done.stdout)

    assert loaded == []
    assert "pip install 'coursekeep[telemetry]'" in error


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("endpoint", "http://user:pw@collector:4318", "without credentials"),
        ("endpoint", "collector:4318", "an address such as"),
        ("headers", {"X-Key": "plain-text-key"}, "a header is"),
        ("headers", {"X Key": {"env": "K"}}, "no name of a header"),
        ("sample_ratio", 1.5, "less than or equal to 1"),
        ("metrics_port", 70000, "less than or equal to 65535"),
    ],
)
def test_bad_settings_are_told(key: str, value: object, said: str) -> None:
    """What cannot be used is refused with what is allowed; a secret in plain text is refused and not repeated."""
    with pytest.raises(ValueError, match=said):
        TelemetrySettings(**{key: value})  # type: ignore[arg-type]


def test_a_missing_secret_stops_the_start() -> None:
    """A header whose variable is not set is told by its name."""
    telemetry = TelemetrySettings(endpoint="http://127.0.0.1:4318", headers={"X-Key": {"env": "NOT_THERE_4318"}})

    with pytest.raises(SettingsError, match="NOT_THERE_4318 is not set"):
        open_tracing(Settings(telemetry=telemetry), "0")
    assert type(open_tracing(Settings(), "0")) is Tracing
