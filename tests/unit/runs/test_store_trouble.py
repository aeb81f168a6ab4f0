"""What was decided, or read, is made known, also where the store fails right behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fakes.service_bench import eventually
from fakes.store_house import new_run, sqlite_house

from coursekeep_daemon import following
from coursekeep_daemon.control import Control
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.store import PauseLevel, Store, StoreError


class Failing:
    """Stands in for the holds: the store fails at the first readings."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.read = 0

    async def refresh(self) -> None:
        if self.failures:
            self.failures -= 1
            raise StoreError("The database is away.")
        self.read += 1


def test_a_cancelled_run_is_told_though_the_holds_cannot_be_read(tmp_path: Path) -> None:
    """A run that was cancelled has ended for all who listen, once, even where the operator is told of store trouble."""

    async def test(store: Store) -> None:
        run = await new_run(store)
        await store.pause(PauseLevel.RUN, str(run.id), "ann")
        ended: list[Any] = []
        control = Control(store, Failing(1), integrations={"main"}, ended=ended.append)  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="away"):
            await control.cancel(run.id, by="ann")
        assert [(each.id, each.status) for each in ended] == [(run.id, RunStatus.CANCELED)]

    sqlite_house(tmp_path).run(test)


def test_news_that_were_read_are_acted_upon_though_the_next_reading_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Events whose holds could not be read are not forgotten: once the store is back, holds are read and listeners are
    called, without any new event."""
    monkeypatch.setattr(following, "_LOOK_AGAIN", 0.05)

    async def test(store: Store) -> None:
        called: list[int] = []
        holds: Any = Failing(3)
        follower = following.Following(store, holds)
        await follower.start()
        try:
            with follower.calling({"hold"}, lambda: called.append(holds.read)):
                await store.pause(PauseLevel.ALL, "", "ann")
                await eventually(lambda: called, 20)
        finally:
            await follower.stop()
        assert holds.failures == 0
        (read,) = called
        assert read >= 1  # it is also read from time to time

    sqlite_house(tmp_path).run(test)
