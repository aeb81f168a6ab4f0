"""Daemons as processes of their own on one database: the one that leads is killed, and another leads at once."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.daemon_process import DaemonProcess, wait_for
from fakes.postgres_server import Databases

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("daemons")]


@pytest.fixture
def daemons(tmp_path: Path, databases: Databases) -> Iterator[list[DaemonProcess]]:
    url = databases.migrated()
    (tmp_path / "lms").mkdir()
    made = [
        DaemonProcess(
            home=tmp_path / name,
            campus_url="http://127.0.0.1:9",  # where nobody answers
            campus_token="x",
            extra={"engine": 'kind = "procrastinate"'},
            store_url=url,
        )
        for name in ("one", "two")
    ]
    made[0].start()
    made[1].token = made[0].token
    made[1].start()
    yield made
    for each in made:
        each.stop()
    databases.drop(url)


def leading(daemons: list[DaemonProcess]) -> DaemonProcess | None:
    """Return the daemon that leads, where one does and no other thinks so too."""
    found = [each for each in daemons if each.get("/ready")["leads"]]
    return found[0] if len(found) == 1 else None


def test_a_leader_that_is_killed_is_replaced_within_two_seconds(daemons: list[DaemonProcess]) -> None:
    """The other leads, and shows that it does; the one that was killed comes back as a follower."""
    one = wait_for("one to lead", lambda: leading(daemons))
    (two,) = (each for each in daemons if each is not one)
    one.kill()
    killed = time.monotonic()
    wait_for("the other to lead", lambda: two.get("/ready")["leads"], seconds=20)
    took = time.monotonic() - killed
    one.start()

    assert took < 2 + 3, f"the take-over took {took:.1f} s"  # tests share their machine with others
    wait_for("the other to lead still", lambda: leading(daemons) is two)
    seen = one.get("/system")["daemons"]
    assert [(each["pid"], each["leads"]) for each in seen if each["answers"]] == [(one.pid(), False)]
    assert (two.pid(), True) in [(each["pid"], each["leads"]) for each in seen]
