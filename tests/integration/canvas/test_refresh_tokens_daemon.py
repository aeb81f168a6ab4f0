"""A whole daemon with refresh tokens for one use, ended as a power cut would."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.daemon_process import DaemonProcess, wait_for

from coursekeep_campus import CampusServer, generated
from coursekeep_campus.state import Options, Seen


class WithKey(DaemonProcess):
    """A daemon whose integration has a developer key in place of a token."""

    def write_settings(self) -> None:
        super().write_settings()
        text = self.settings.read_text(encoding="utf-8")
        key = (
            'client_id = "10000000000042"\nclient_secret = { env = "CAMPUS_SECRET" }\n'
            'refresh_token = { env = "CAMPUS_TOKEN" }\nexport_poll = 0.02'
        )
        self.settings.write_text(text.replace('token = { env = "CAMPUS_TOKEN" }', key), encoding="utf-8")


@pytest.fixture
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=2, courses=6), options=Options(throttle=None, rotating=True)) as running:
        yield running


def _of_a_course(seen: Seen) -> bool:
    return seen[1].startswith("/api/v1/courses/") and seen[2] == 200


def test_a_killed_daemon_goes_on_with_the_newest_token(server: CampusServer, tmp_path: Path) -> None:
    """Killed in the middle of a run, and restarted with the settings of the beginning, a daemon ends the run."""
    oauth = server.state.oauth
    daemon = WithKey(
        home=tmp_path,
        campus_url=server.url,
        campus_token=oauth.refresh_token,
        variables={"CAMPUS_SECRET": oauth.client_secret},
    )

    with daemon.running():
        run = daemon.start_run("ids", {"ids": [str(course) for course in server.known["ended"][:2]]})
        wait_for("the first course to be asked for", lambda: any(_of_a_course(seen) for seen in list(server.requests)))
        daemon.kill()
    with daemon.running():
        ended = daemon.finished(run)
        report = daemon.cli("check", "main")
        shown = daemon.cli("config", "show").stdout

    assert ended["status"] == "completed"
    assert "credentials" in report.stdout
    assert oauth.replayed == 0
    assert "campus~oauth~" not in shown
    assert "campus~oauth~" not in daemon.log.read_text(encoding="utf-8")
