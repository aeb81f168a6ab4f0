"""A package's thread: whatever is broken off, and whenever, the package's lock is given back."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from fakes.service_bench import eventually

from coursekeep_daemon.runs.staging import Staging


class Writer:
    """Stands in for a package's writer: waits at a gate when it is entered, and when it commits."""

    def __init__(self) -> None:
        self.gates = {"enter": threading.Event(), "commit": threading.Event()}
        self.at: list[str] = []

    def __enter__(self) -> Writer:
        self._wait("enter")
        return self

    def __exit__(self, *exc: object) -> None:
        self.at.append("exit")

    def commit(self) -> None:
        self._wait("commit")

    def _wait(self, name: str) -> None:
        self.at.append(name)
        assert self.gates[name].wait(60)


@pytest.mark.parametrize("step", ["enter", "commit"])
@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_writer_is_left_whenever_and_however_often_it_is_broken_off(step: str, times: int) -> None:
    """A break-off waits for the call that is running; each further one ends the waiting, and never the leaving."""
    writer = Writer()

    async def archive() -> None:
        opened: Any = writer
        async with Staging(lambda: opened) as staging:
            await staging.commit()

    async def main() -> None:
        if step == "commit":
            writer.gates["enter"].set()
        task = asyncio.create_task(archive())
        await eventually(lambda: step in writer.at)
        for _ in range(times):
            task.cancel()
            for _ in range(5):  # turns of the loop, in which the cancellation goes as far as it can
                await asyncio.sleep(0)
        writer.gates[step].set()
        await asyncio.wait({task})
        await eventually(lambda: writer.at[-1] == "exit")

        assert task.cancelled()

    asyncio.run(main())


def test_a_writer_that_could_not_be_entered_is_not_left() -> None:
    """Whoever could not open the package has nothing to give back, and hears why."""

    def fails() -> Any:
        raise OSError("the disk is gone")

    async def main() -> None:
        async with Staging(fails):
            pass

    with pytest.raises(OSError, match="the disk is gone"):
        asyncio.run(main())
