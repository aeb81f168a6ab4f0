"""Work that is to last goes on after an error that nobody foresaw, and says that there was one."""

from __future__ import annotations

import asyncio

import structlog
from fakes.service_bench import eventually

from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.lasting import lasting

QUICK = Backoff(first=0.01, longest=0.02)


def test_work_that_a_defect_ends_is_logged_with_its_traceback_and_begun_anew():
    """Each failure is an event of its own, which names the task and counts."""
    begun: list[int] = []

    async def work() -> None:
        begun.append(len(begun))
        if len(begun) < 3:
            raise KeyError("nobody foresaw this")
        await asyncio.Event().wait()

    async def main() -> None:
        with structlog.testing.capture_logs() as logs:
            task = lasting(work, "looking after things", patience=QUICK)
            await eventually(lambda: len(begun) == 3)
            task.cancel()
            await asyncio.wait({task})
        assert task.get_name() == "looking after things"
        assert [(each["event"], each["log_level"], each["exc_info"]) for each in logs] == [
            ("task_failed", "error", True)
        ] * 2
        assert [(each["task"], each["failures"]) for each in logs] == [("looking after things", n) for n in (1, 2)]

    asyncio.run(main())


def test_work_that_is_cancelled_or_ends_by_itself_is_not_begun_again():
    """A stop is no failure, even while the work waits to begin anew."""
    begun: list[str] = []

    async def ends() -> None:
        begun.append("ends")

    async def fails() -> None:
        begun.append("fails")
        raise ValueError("again and again")

    async def main() -> None:
        await lasting(ends, "ends", patience=QUICK)
        task = lasting(fails, "fails", patience=Backoff(first=1000, longest=1000))
        await eventually(lambda: "fails" in begun)
        task.cancel()
        await asyncio.wait({task})
        assert task.cancelled()

    asyncio.run(main())
    assert begun == ["ends", "fails"]
