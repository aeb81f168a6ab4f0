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


def test_a_leader_that_is_killed_is_replaced_within_two_seconds(daemons: list[DaemonProcess]) -> None:
    """The other leads, and shows that it does; the one that was killed comes back as a follower."""
    one, two = daemons
    assert [each.get("/ready")["leads"] for each in daemons] == [True, False]
    one.kill()
    killed = time.monotonic()
    wait_for("the other to lead", lambda: two.get("/ready")["leads"], seconds=20)
    took = time.monotonic() - killed
    one.start()

    assert took < 2 + 3, f"the take-over took {took:.1f} s"  # tests share their machine with others
    assert [each.get("/ready")["leads"] for each in daemons] == [False, True]
    seen = one.get("/system")["daemons"]
    assert [(each["pid"], each["leads"]) for each in seen if each["answers"]] == [(one.pid(), False)]
    assert (two.pid(), True) in [(each["pid"], each["leads"]) for each in seen]
