"""Schedules start each of their times once: after a stop, a death, a clock set back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from coursekeep import SettingsError
from coursekeep_daemon.requests import BadRequest, RunRequest
from coursekeep_daemon.schedule import Scheduler
from coursekeep_daemon.scheduled import ScheduledRuns, declared_schedules, request_of
from coursekeep_daemon.settings import load_settings
from coursekeep_daemon.store import Run, Schedule, Store

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
SLOT = datetime(2026, 5, 15, 3, 0, tzinfo=UTC)


class Bench:
    """A real store with one integration, and schedules on it; the clock stands where it is put."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOW
        self.die_after_run = False
        self.runs = ScheduledRuns(store=store, start_run=self.start_run, check=lambda r: None, clock=lambda: self.now)

    async def start_run(self, request: RunRequest, by: str, key: str, schedule: str) -> Run:
        run, _ = await self.store.create_run(
            integration=request.integration,
            source=request.source,
            params=request.params,
            on_existing=request.on_existing,
            note=request.note,
            created_by=by,
            schedule=schedule,
            idempotency_key=key,
        )
        if self.die_after_run:
            raise asyncio.CancelledError
        return run

    async def started(self) -> list[Run]:
        return list(reversed((await self.store.runs()).items))


def on_bench(tmp_path: Path, test: Callable[[Bench], Awaitable[None]]) -> None:
    async def main() -> None:
        url = f"sqlite:///{tmp_path}/store.db"
        Store.upgrade(url)
        async with Store(url) as store:
            await store.sync_integrations([("main", "canvas", {})])
            await test(Bench(store))

    asyncio.run(main())


def monthly(**changes: Any) -> Schedule:
    schedule = Schedule(
        name="ended",
        integration="main",
        cron="0 3 15 * *",
        time_zone="UTC",
        source="end_date",
        params={},
        ended_for="6 months",
        ended_by="course",
        include=[],
        exclude=["SANDBOX-*"],
        on_existing="skip",
        enabled=True,
        declared=False,
        created_by="someone",
        created_at=NOW - timedelta(days=100),
    )
    return replace(schedule, **changes)


def test_a_tick_starts_a_run_that_counts_back_from_it(tmp_path):
    """The date a run asks for is counted from the tick, however late the run starts."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly())
        await bench.runs.fire("ended", SLOT)

        (run,) = await bench.started()
        assert run.params["before"] == "2025-11-15"
        assert run.created_by == "schedule:ended"
        schedule = await bench.store.schedule("ended")
        assert schedule is not None
        assert (schedule.last_fired_at, schedule.last_run_id) == (SLOT, run.id)

    on_bench(tmp_path, test)


def test_a_clock_set_back_does_not_fire_twice(tmp_path):
    """A time that has fired, and any before it, never fires again."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly())
        await bench.runs.fire("ended", SLOT)
        await bench.runs.fire("ended", SLOT)
        await bench.runs.fire("ended", SLOT - timedelta(days=30))

        assert len(await bench.started()) == 1

    on_bench(tmp_path, test)


def test_a_death_between_run_and_note_does_not_fire_twice(tmp_path):
    """A process that dies after the run was created finds that run again, and starts no second."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly())
        bench.die_after_run = True
        with pytest.raises(asyncio.CancelledError):
            await bench.runs.fire("ended", SLOT)
        bench.die_after_run = False
        await bench.runs.catch_up({"ended"})

        (run,) = await bench.started()
        schedule = await bench.store.schedule("ended")
        assert schedule is not None
        assert schedule.last_run_id == run.id

    on_bench(tmp_path, test)


def test_what_was_missed_is_caught_up_once(tmp_path):
    """After a long stop one run starts, for the last time missed."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly())
        await bench.runs.catch_up({"ended"})
        await bench.runs.catch_up({"ended"})

        (run,) = await bench.started()
        assert run.params["before"] == "2025-11-15"

    on_bench(tmp_path, test)


def test_a_schedule_that_is_not_enabled_starts_nothing(tmp_path):
    """A disabled schedule keeps quiet, also when something is still due."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly(enabled=False))
        await bench.runs.fire("ended", SLOT)
        await bench.runs.catch_up({"ended"})

        assert await bench.started() == []

    on_bench(tmp_path, test)


def test_a_run_that_cannot_start_is_not_tried_for_ever(tmp_path):
    """A tick whose request is refused counts as fired, and is logged."""

    async def test(bench: Bench) -> None:
        async def refuse(*_: Any) -> Run:
            raise BadRequest("there is no such source")

        runs = ScheduledRuns(store=bench.store, start_run=refuse, check=lambda r: None, clock=lambda: NOW)
        await bench.store.put_schedule(monthly())
        await runs.fire("ended", SLOT)

        schedule = await bench.store.schedule("ended")
        assert schedule is not None
        assert schedule.last_fired_at == SLOT

    on_bench(tmp_path, test)


def test_jobs_survive_a_restart_and_go_with_their_schedules(tmp_path):
    """The next start knows the jobs of the last, tells which are unchanged, and removes those that have gone."""

    async def nothing(kind: str, name: str, slot: datetime) -> None:
        pass

    async def start(*schedules: Schedule) -> tuple[set[str], dict[str, datetime | None]]:
        scheduler = Scheduler(tmp_path / "schedule.db", nothing)
        unchanged = await scheduler.start(schedules, {"main": ("30 2 * * *", "UTC")})
        due = {name: scheduler.next_fire(name) for name in ("ended", "other")}
        refresh = scheduler.next_refresh("main")
        assert refresh is not None
        assert (refresh.hour, refresh.minute) == (2, 30)
        assert scheduler.next_refresh("other") is None
        await scheduler.stop()
        return unchanged, due

    async def main() -> None:
        assert (await start(monthly(), monthly(name="other")))[0] == set()
        assert (await start(monthly(), monthly(name="other", cron="0 4 15 * *")))[0] == {"ended"}
        unchanged, due = await start(monthly())
        assert unchanged == {"ended"}
        assert due["ended"] is not None
        assert due["other"] is None

    asyncio.run(main())


def test_a_tick_missed_while_down_is_called_once_with_its_own_time(tmp_path):
    """APScheduler catches up one time for many missed ones, and says when it was due."""
    called: list[tuple[str, str, datetime]] = []

    async def main() -> None:
        event = asyncio.Event()

        async def due(kind: str, name: str, slot: datetime) -> None:
            called.append((kind, name, slot))
            event.set()

        first = Scheduler(tmp_path / "schedule.db", due)
        await first.start([monthly()], {})
        first._scheduler.pause()
        first._scheduler.get_job("schedule:ended").modify(next_run_time=datetime(2020, 1, 15, 3, 0, tzinfo=UTC))
        await first.stop()

        second = Scheduler(tmp_path / "schedule.db", due)
        await second.start([monthly()], {})
        await asyncio.wait_for(event.wait(), 10)
        await second.stop()

    asyncio.run(main())

    ((kind, name, slot),) = called
    assert (kind, name) == ("schedule", "ended")
    assert (slot.day, slot.hour) == (15, 3)
    assert datetime.now(UTC) - slot < timedelta(days=32)


def test_a_schedule_of_the_settings_becomes_one_of_the_store(tmp_path):
    """`of` and `ended_for` of settings.toml arrive in the request of a tick."""
    path = tmp_path / "settings.toml"
    path.write_text(
        '[daemon]\ntime_zone = "Europe/Vienna"\n[integrations.main]\nconnector = "canvas"\n[schedules.ended]\n'
        'integration = "main"\ncron = "0 3 15 * *"\nended_for = "1 year"\nof = "term"\nexclude = ["SANDBOX-*"]\n'
    )

    (schedule,) = declared_schedules(load_settings(path), NOW)

    assert (schedule.declared, schedule.time_zone) == (True, "Europe/Vienna")
    assert request_of(schedule, SLOT).params == {"before": "2025-05-15", "ended_by": "term"}
    assert request_of(schedule, SLOT).exclude == ("SANDBOX-*",)


def test_a_bad_cron_in_the_settings_names_its_line(tmp_path):
    """A rule that cannot be used stops the start with key, line and reason."""
    path = tmp_path / "settings.toml"
    path.write_text('[integrations.main]\nconnector = "c"\n[schedules.x]\nintegration = "main"\ncron = "often"\n')

    with pytest.raises(SettingsError, match=r"schedules\.x\.cron .*line 5.*no cron rule"):
        declared_schedules(load_settings(path), NOW)
