"""Schedules start each of their times once: after a stop, a death, a clock set back."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fakes.service_bench import eventually
from fakes.store_house import HandClock
from structlog.testing import capture_logs

from coursekeep import SettingsError
from coursekeep_daemon.requests import BadRequest, RunRequest
from coursekeep_daemon.rules import declared_schedules, request_of
from coursekeep_daemon.schedule import Alarms, Refresh, Scheduler
from coursekeep_daemon.scheduled import ScheduledRuns
from coursekeep_daemon.settings import load_settings
from coursekeep_daemon.store import Conflict, Run, Schedule, Store

NOW = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
SLOT = datetime(2026, 5, 15, 3, 0, tzinfo=UTC)


async def nothing(integration: str) -> None:
    """Read no terms."""


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

    def scheduler(
        self, refresh: Callable[[str], Awaitable[None]] | None = None, *, look_again: float = 0.01
    ) -> Scheduler:
        """Make what a daemon that begins to lead has; it looks again every few milliseconds."""
        return Scheduler(
            store=self.store,
            clock=lambda: self.now,
            fire=self.runs.fire,
            refresh=refresh or nothing,
            refreshes={"main": Refresh(cron="30 2 * * *", time_zone="UTC")} if refresh else {},
            look_again=look_again,
        )

    async def look(self) -> None:
        """Have a daemon that has just begun to lead look once."""
        await self.scheduler()._look()

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
        await bench.look()

        (run,) = await bench.started()
        schedule = await bench.store.schedule("ended")
        assert schedule is not None
        assert schedule.last_run_id == run.id

    on_bench(tmp_path, test)


def test_what_was_missed_is_caught_up_once(tmp_path):
    """After a long stop one run starts, for the last time missed."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly())
        await bench.look()
        await bench.look()

        (run,) = await bench.started()
        assert run.params["before"] == "2025-11-15"

    on_bench(tmp_path, test)


def test_a_schedule_that_is_not_enabled_starts_nothing(tmp_path):
    """A disabled schedule keeps quiet, also when something is still due."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly(enabled=False))
        await bench.runs.fire("ended", SLOT)
        await bench.look()

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


def test_a_tick_that_was_refused_says_why_until_one_succeeds(tmp_path):
    """The reason is kept with the schedule, with what to do; the next tick that starts a run clears it."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly(ended_by="academic_year"))
        await bench.runs.fire("ended", SLOT)
        refused = await bench.store.schedule("ended")
        bench.runs = ScheduledRuns(
            store=bench.store,
            start_run=bench.start_run,
            check=lambda r: None,
            clock=lambda: NOW,
            ends={"main": "08-31"},
        )
        await bench.runs.fire("ended", SLOT + timedelta(days=31))
        started = await bench.store.schedule("ended")

        assert refused is not None
        assert refused.last_error is not None
        assert "does not say when its academic years end. Set academic_year_ends" in refused.last_error
        assert started is not None
        assert (started.last_error, started.last_run_id) == (None, 1)
        (run,) = await bench.started()
        assert run.params == {"before": "2025-09-01T00:00:00+00:00", "ended_by": "academic_year"}

    on_bench(tmp_path, test)


def test_of_two_who_edit_the_same_revision_one_wins(tmp_path):
    """The other is told what the schedule is at now; without a revision, both changes hold."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly())
        edits = [{"cron": "0 4 * * *"}, {"exclude": ["X*"]}]
        first = await asyncio.gather(
            *(bench.runs.update("ended", edit, revision=1) for edit in edits), return_exceptions=True
        )
        both = await asyncio.gather(
            *(bench.runs.update("ended", edit) for edit in ({"enabled": False}, {"ended_for": "1 year"}))
        )

        (won,) = [one for one in first if isinstance(one, Schedule)]
        (lost,) = [one for one in first if isinstance(one, Conflict)]
        assert "at revision 2, not 1" in str(lost)
        assert (won.cron, won.exclude) in [("0 4 * * *", ["SANDBOX-*"]), ("0 3 15 * *", ["X*"])]
        stored = await bench.store.schedule("ended")
        assert stored == max(both, key=lambda one: one.revision)
        assert (stored.cron, stored.exclude) == (won.cron, won.exclude)
        assert (stored.enabled, stored.ended_for, stored.revision) == (False, "1 year", 4)

    on_bench(tmp_path, test)


def test_a_schedule_that_can_no_longer_run_can_be_stopped(tmp_path):
    """Disabling needs no rule that holds: an integration that has gone must not keep a schedule alive."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly(ended_by="academic_year"))
        with pytest.raises(BadRequest, match="academic years"):
            await bench.runs.update("ended", {"cron": "0 4 * * *"})
        stopped = await bench.runs.update("ended", {"enabled": False})
        with pytest.raises(BadRequest, match="academic years"):
            await bench.runs.update("ended", {"enabled": True})

        assert (stopped.enabled, stopped.cron) == (False, "0 3 15 * *")

    on_bench(tmp_path, test)


def test_of_two_who_add_the_same_name_one_wins(tmp_path):
    """A second schedule of a name is refused, and does not change the first."""

    async def test(bench: Bench) -> None:
        new = {"name": "ended", "integration": "main", "ended_for": "1 day"}
        made = await asyncio.gather(
            *(bench.runs.create(new | {"cron": cron}, "ann") for cron in ("0 1 * * *", "0 2 * * *")),
            return_exceptions=True,
        )

        (won,) = [one for one in made if isinstance(one, Schedule)]
        assert [type(one) for one in made if one is not won] == [BadRequest]
        assert await bench.store.schedules() == [won]
        with pytest.raises(BadRequest, match="name: a name has"):
            await bench.runs.create(new | {"name": "../x", "cron": "0 1 * * *"}, "ann")

    on_bench(tmp_path, test)


def test_a_schedule_without_a_zone_has_that_of_the_daemon(tmp_path):
    """What makers leave out is what is usual; nothing is stored for a draft."""

    async def test(bench: Bench) -> None:
        runs = ScheduledRuns(
            store=bench.store,
            start_run=bench.start_run,
            check=lambda r: None,
            clock=lambda: NOW,
            time_zone="Europe/Vienna",
        )
        draft = runs.draft(
            {"integration": "main", "cron": "0 3 15 * *", "ended_for": "6 months", "time_zone": None}, ""
        )
        coming = runs.next_run(draft)

        assert (draft.time_zone, draft.source, draft.on_existing) == ("Europe/Vienna", "end_date", "skip")
        assert coming.slot == datetime(2026, 6, 15, 1, 0, tzinfo=UTC)
        assert coming.before == datetime(2025, 12, 15, tzinfo=UTC)
        assert coming.request.params["before"] == "2025-12-15"
        assert await bench.store.schedules() == []

    on_bench(tmp_path, test)


def test_times_are_kept_by_whoever_leads_as_the_store_has_them(tmp_path):
    """A new leader catches up what was missed, once; later times start as they come, also of a changed rule."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly())
        first, second = bench.scheduler(), bench.scheduler()
        await first.start()
        await eventually(lambda: runs(bench, 1))
        await first.stop()
        bench.now = datetime(2026, 8, 15, 3, 0, tzinfo=UTC)  # nobody led in June and July
        await second.start()
        await eventually(lambda: runs(bench, 2))
        await second.stop()

        assert [run.params["before"] for run in await bench.started()] == ["2025-11-15", "2026-02-15"]

    on_bench(tmp_path, test)


async def runs(bench: Bench, number: int) -> bool:
    return len(await bench.started()) == number


@pytest.mark.parametrize("before", [{"cron": "0 4 15 * *"}, {"enabled": False}])
def test_times_before_a_change_are_not_missed(tmp_path, before):
    """A rule that is new, or was not enabled meanwhile, has nothing to catch up; its later times start as they come."""

    async def main() -> None:
        clock = HandClock(NOW - timedelta(days=30))
        url = f"sqlite:///{tmp_path}/store.db"
        Store.upgrade(url)
        async with Store(url, clock=clock) as store:
            await store.sync_integrations([("main", "canvas", {})])
            bench = Bench(store)
            await store.put_schedule(monthly(**before))
            clock.now = NOW
            await store.put_schedule(monthly())
            await bench.look()
            assert await bench.started() == []
            bench.now = NOW + timedelta(days=31)
            await bench.look()
            assert len(await bench.started()) == 1

    asyncio.run(main())


def test_terms_are_read_at_their_times_and_once_where_these_were_missed(tmp_path):
    """What was read before the last time is read again; a fault keeps nothing else up."""
    read: list[str] = []

    async def refresh(integration: str) -> None:
        read.append(integration)
        raise RuntimeError("a fault")

    async def test(bench: Bench) -> None:
        scheduler = bench.scheduler(refresh)
        await scheduler.start()
        assert read == []  # never read: they wait for their time
        bench.now += timedelta(days=3)
        await eventually(lambda: len(read) == 1)
        bench.now += timedelta(days=1)
        await eventually(lambda: len(read) == 2)
        await bench.store.put_schedule(monthly())
        await eventually(lambda: runs(bench, 1))
        await scheduler.stop()
        assert len(read) == 2

    on_bench(tmp_path, test)


def test_an_alarm_only_has_the_store_looked_at(tmp_path):
    """Every enabled schedule and every reading of terms has a job of its own at its next time, and none else; at a ring
    what is due by the store starts, once, and a ring at which nothing is due starts nothing."""

    async def test(bench: Bench) -> None:
        await bench.store.put_schedule(monthly(created_at=NOW, name="off", enabled=False))
        await bench.store.put_schedule(monthly(cron="0 0 1 1 *", created_at=NOW - timedelta(days=200)))
        scheduler = bench.scheduler(nothing, look_again=3600.0)
        await scheduler.start()
        alarms = scheduler._alarms
        await eventually(lambda: runs(bench, 1))  # that of January
        await eventually(lambda: alarms.coming.keys() == {"look", "schedule:ended", "terms:main"})
        new_year = alarms.coming["schedule:ended"]
        assert (new_year.month, new_year.day, new_year.hour) == (1, 1, 0)
        assert new_year > datetime.now(UTC)

        alarms.ring("schedule:ended")
        bench.now += timedelta(days=366)
        alarms.ring("schedule:ended")
        alarms.ring("look")
        await eventually(lambda: runs(bench, 2))
        assert alarms.coming["schedule:ended"] == new_year
        await bench.store.delete_schedule("ended")
        scheduler.look()
        await eventually(lambda: "schedule:ended" not in alarms.coming)
        await scheduler.stop()
        assert len(await bench.started()) == 2

    on_bench(tmp_path, test)


def test_a_clock_that_learns_the_year_is_no_walk_over_minutes():
    """Of a rule for each minute that has not come for fifty years, the next time is told at once, and lies ahead."""

    async def main() -> None:
        wake = asyncio.Event()
        alarms = Alarms(wake)
        alarms.start(3600.0)
        alarms.set({"each minute": ("* * * * *", "UTC")})
        began = asyncio.get_running_loop().time()
        alarms.ring("each minute", since=datetime(1976, 1, 1, tzinfo=UTC))
        await asyncio.wait_for(wake.wait(), 10)
        assert asyncio.get_running_loop().time() - began < 5
        assert alarms.coming["each minute"] > datetime.now(UTC) - timedelta(minutes=1)
        alarms.stop()

    asyncio.run(main())


def test_a_schedule_that_fails_keeps_no_other_up(tmp_path):
    """A fault is logged once for each time, and the others start."""

    async def test(bench: Bench) -> None:
        fire = bench.runs.fire

        async def failing(name: str, slot: datetime) -> None:
            if name == "broken":
                raise RuntimeError("a fault")
            await fire(name, slot)

        bench.runs.fire = failing  # type: ignore[method-assign]
        await bench.store.put_schedule(monthly(name="broken"))
        await bench.store.put_schedule(monthly())
        scheduler = bench.scheduler()
        with capture_logs() as logs:
            await scheduler._look()
            await scheduler._look()

        assert len(await bench.started()) == 1
        assert [each["job"] for each in logs if each["event"] == "job_failed"] == ["schedule:broken"]

    on_bench(tmp_path, test)


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
