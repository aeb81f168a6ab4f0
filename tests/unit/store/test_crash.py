"""A process that is killed while it writes: what was acknowledged is there, and everything fits together."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fakes import store_crash
from fakes.store_house import House

from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import Store

TESTS = Path(store_crash.__file__).parents[1]


@dataclass
class Heard:
    """What the killed processes were told."""

    added: set[str] = field(default_factory=set)
    completed: set[int] = field(default_factory=set)

    def line(self, line: str) -> None:
        word, *what = line.split()
        if word == "added":
            self.added.update(what)
        elif line.endswith("\n"):
            self.completed.add(int(what[0]))


def work_until_killed(house: House, heard: Heard, lines: int) -> None:
    """Kill the process after so many lines: at any moment, in the middle of whatever it is doing."""
    process = subprocess.Popen(
        [sys.executable, store_crash.__file__, house.url],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        for number, line in enumerate(process.stdout):
            heard.line(line)
            if number == lines:
                process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(("house", "seed"), [("sqlite", 1), ("sqlite", 2), ("postgresql", 3)], indirect=["house"])
def test_killed(house: House, seed: int) -> None:
    """Every acknowledged change is in the reopened store, and counters, items, packages and events agree."""
    heard = Heard()
    moments = random.Random(seed)
    for _ in range(3):
        work_until_killed(house, heard, moments.randint(1, 300))
        house.run(lambda store: compare(store, heard))
    if house.url.startswith("sqlite"):
        look_into(house.url.removeprefix("sqlite:///"))


def look_into(path: str) -> None:
    connection = sqlite3.connect(path)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    connection.close()


async def compare(store: Store, heard: Heard) -> None:
    # waits for the lock of writers: the server may be at the last transaction of the process that was killed
    await store.audit("x", "look", "", "")
    (run,) = await store.open_runs()
    items = [item async for item in store.iter_items(run.id)]
    done = {item.id: item for item in items if item.status is ItemStatus.COMPLETED}
    packages = {version.item_id: version for version in (await store.packages(limit=100_000)).items}

    assert heard.added <= {item.ref for item in items}
    assert heard.completed <= set(done)
    assert set(packages) == set(done)
    assert run.gaps == len(done)
    assert await store.check_counters(run.id) == {}
    assert await store.check_day_counts() == {}
    told = [e.item_id for e in await store.events_after(0, limit=100_000) if e.data["status"] == "completed"]
    assert len(told) == len(done)
    assert set(told) == set(done)
