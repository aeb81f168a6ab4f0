"""The watch over storage and LMSs: what is in trouble is asked again until it is well, whatever comes in between."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog
from fakes.scripted_lms import Script, ScriptedConnector
from fakes.service_bench import eventually
from fakes.store_house import new_run, sqlite_house

from coursekeep import CredentialsNeeded, RetryLater
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.holds import HoldLevel, Holds
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.watch import Patience, Watch
from coursekeep_daemon.store import Store, StoreError

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)

InStore = Callable[[Callable[[Store], Awaitable[None]]], None]


@pytest.fixture
def in_store(tmp_path: Path) -> InStore:
    def start(test: Callable[[Store], Awaitable[None]]) -> None:
        sqlite_house(tmp_path).run(test)

    return start


def asking(store: Store) -> tuple[Script, Lms, Holds, Watch]:
    """Make an LMS that answers by a script, and a watch that asks it again at once."""
    script = Script()
    lms = Lms(name="main", id="main", connector=ScriptedConnector(script), courses_at_once=4)
    holds = Holds(store, {"main": lms}, lambda: NOW)
    return script, lms, holds, Watch(holds, lambda: 10, 1, Patience(lms=Backoff(first=0.01, longest=0.01)))


def test_trouble_that_is_met_during_a_look_at_storage_is_judged_by_the_next(in_store: InStore) -> None:
    """A look that began while all was well says nothing of what was met meanwhile."""

    async def test(store: Store) -> None:
        looks: list[threading.Event] = []

        def look() -> int:
            looks.append(gate := threading.Event())
            assert gate.wait(60)
            return 10

        holds = Holds(store, {}, lambda: NOW)
        watch = Watch(holds, look, 1, Patience(storage=0.01, full_storage=0.01))
        starting = asyncio.create_task(watch.start())
        await eventually(lambda: len(looks) == 1)
        looks[0].set()
        await starting
        await eventually(lambda: len(looks) == 2)
        watch.storage_full("no space")
        looks[1].set()
        await eventually(lambda: len(looks) == 3)
        assert holds.storage is not None
        looks[2].set()
        await eventually(lambda: holds.storage is None)
        await eventually(lambda: len(looks) == 4)
        looks[3].set()
        await watch.stop()

    in_store(test)


def test_a_course_that_one_attempt_failed_does_not_hold_the_integration_long(in_store: InStore) -> None:
    """An LMS that answers at once is released at once; one that does not stays held, and says since when."""

    async def test(store: Store) -> None:
        script, lms, holds, watch = asking(store)
        await watch.start()
        run = await new_run(store)

        script.terms = [RetryLater("down for maintenance")]
        with structlog.testing.capture_logs() as events:
            watch.lms_down(lms, RetryLater("503"))
            watch.lms_down(lms, RetryLater("503"))
            await eventually(lambda: script.asked.count("terms") > 2)
            hold = holds.hold(run)
            script.terms = []
            await eventually(lambda: holds.hold(run) is None)
        await watch.stop()

        assert hold is not None
        assert (hold.level, hold.since, hold.reason) == (HoldLevel.LMS, NOW, "down for maintenance")
        assert [one["event"] for one in events] == ["lms_down", "lms_back"]

    in_store(test)


def test_refused_credentials_that_cannot_be_noted_do_not_end_the_asking(in_store: InStore) -> None:
    """An LMS that answers again, though the store is away, is asked once more: else it would stay held for ever."""

    async def test(store: Store) -> None:
        script, lms, holds, watch = asking(store)
        await watch.start()
        run = await new_run(store)
        noted: list[str] = []

        async def notes(lms: Lms, error: CredentialsNeeded) -> None:
            noted.append(str(error))
            if len(noted) < 3:
                raise StoreError("the database does not answer")

        watch.credentials_needed = notes  # type: ignore[method-assign]
        script.terms = [CredentialsNeeded("expired")]
        watch.lms_down(lms, RetryLater("503"))
        await eventually(lambda: len(noted) == 3)
        await eventually(lambda: holds.hold(run) is None)
        await watch.stop()

    in_store(test)
