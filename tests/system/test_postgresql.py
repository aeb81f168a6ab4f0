"""The whole service on PostgreSQL, whose server dies as the daemon does: nothing lost, nothing twice."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for
from fakes.postgres_server import Databases, PostgresServer

from coursekeep_daemon.store import Store

pytestmark = pytest.mark.slow


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    made = PostgresServer(synchronous_commit="on")
    yield made
    made.remove()


async def wrong_counters(url: str, run: int) -> tuple[object, object]:
    async with Store(url) as store:
        return await store.check_counters(run), await store.check_day_counts()


def test_a_run_survives_the_deaths_of_daemon_and_server(tmp_path: Path, server: PostgresServer) -> None:
    """A run over killed daemons and restarted servers archives every ended course once, and its counters are right."""
    url = Databases(server.url("postgres")).empty()
    request = ("end_date", {"before": datetime.now(UTC).date().isoformat()})
    with CampusProcess.running("--no-throttle", "--delay-ms", "20") as campus:
        engine = {"engine": "max_attempts = 100"}
        daemon = DaemonProcess(tmp_path / "home", campus.url, campus.tokens["admin"], engine, store_url=url)
        with daemon.running():
            run = daemon.start_run(*request)

            def done(number: int) -> None:
                wait_for(f"{number} courses", lambda: daemon.get(f"/runs/{run}")["counts"]["completed"] >= number)
                assert daemon.get(f"/runs/{run}")["finished_at"] is None, "the run ended before the server died"

            done(1)
            daemon.kill()
            daemon.start()
            done(3)
            server.restart()
            done(5)
            server.restart(signal.SIGQUIT)
            done(7)
            server.stop(signal.SIGQUIT)
            daemon.kill()
            server.start()
            daemon.start()
            ended = daemon.finished(run)
            items = daemon.items(run)
            system = daemon.get("/system")
        report = daemon.cli("package", "verify", str(daemon.archive), "--json")

    assert ended["counts"]["completed"] == len(campus.courses["ended"])
    assert len({item["ref"] for item in items}) == len(items) == sum(ended["counts"].values())
    assert {item["package_version"] for item in items if item["status"] == "completed"} == {1}
    assert json.loads(report.stdout)["valid"] is True
    assert asyncio.run(wrong_counters(url, run)) == ({}, {})
    assert "postgresql" in system["libraries"]
    assert system["database"]["address"].startswith("postgresql://***@")
    assert system["database"]["size"] > 0
    assert list((tmp_path / "home" / "data").glob("coursekeep.db*")) == []
