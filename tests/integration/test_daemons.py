"""Several daemons on one PostgreSQL database: one leads, and each does all that is asked of it."""

from __future__ import annotations

import asyncio
import functools
import json
import random
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fakes import package_kit
from fakes.daemons_bench import BRISK, DaemonsBench
from fakes.postgres_proxy import LossyProxy
from fakes.postgres_server import Databases
from fakes.service_bench import eventually
from fakes.store_house import HandClock
from sqlalchemy.engine import make_url

from coursekeep import SettingsError
from coursekeep_daemon import replication
from coursekeep_daemon.api.hub import EventHub, EventStream
from coursekeep_daemon.requests import RunRequest
from coursekeep_daemon.runs.states import FINAL_RUN
from coursekeep_daemon.runs.versions import version_of
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import PauseLevel, ReplicaStanding, Store, StoreError, StoreLocked
from coursekeep_daemon.web import create_app

pytestmark = pytest.mark.xdist_group("daemons")

SLOTS = 100
RULE = {"name": "often", "integration": "main", "cron": "* * * * *", "source": "search", "params": {"text": "xx"}}


@pytest.fixture
def bench(tmp_path: Path, databases: Databases) -> Iterator[DaemonsBench]:
    url = databases.migrated()
    yield DaemonsBench(tmp_path, url)
    databases.drop(url)


def test_no_time_of_a_schedule_is_lost_or_fired_twice_whoever_leads(bench: DaemonsBench) -> None:
    """Over 100 times, with leaders cut off, stopped and started again just then, each time starts one run."""
    chance = random.Random(7)
    clock = HandClock()

    async def main() -> None:
        async with AsyncExitStack() as stack:
            await drive(stack)

    async def drive(stack: AsyncExitStack) -> None:
        services = [bench.service(name, clock=clock) for name in ("one", "two", "three")]
        for service in services:
            await service.start()
            stack.push_async_callback(service.stop)
        store = services[0].store
        await services[0].control.pause(PauseLevel.ALL, by="tester")  # the runs themselves are of no interest
        follower = next(each for each in services if not each.leads)
        await follower.create_schedule(RULE, by="tester")
        led: set[int] = set()
        for slot in range(1, SLOTS + 1):
            before = chance.random() < 0.5
            attack = chance.choice(["cut", "cut", "stop"]) if slot % 8 == 0 else None
            if not before:
                clock.move(minutes=1)
            if attack == "cut":
                bench.cut()
            elif attack == "stop":
                leader = await bench.leading(*services)
                await leader.stop()
                await leader.start()
                store = leader.store
            if before:
                clock.move(minutes=1)

            await eventually(functools.partial(has_runs, store, slot), 20)
            led.add(services.index(await bench.leading(*services)))
        await eventually(functools.partial(fired_at, store, clock.now.replace(second=0)), 20)
        runs = (await store.runs(limit=200)).items

        assert len(runs) == SLOTS
        assert {run.schedule for run in runs} == {"often"}
        assert len(led) > 1

    asyncio.run(main())


async def fired_at(store: Store, slot: datetime) -> bool:
    """Tell whether the schedule was last kept for a time; that is noted after its run is there."""
    schedule = await store.schedule("often")
    return schedule is not None and schedule.last_fired_at == slot


async def has_runs(store: Store, number: int) -> bool:
    return len((await store.runs(limit=200)).items) >= number


def test_what_is_asked_of_a_follower_reaches_the_leader(bench: DaemonsBench) -> None:
    """Runs, pauses, schedules and checks asked of one daemon work; both show the same, and who leads."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            one, two = [await stack.enter_async_context(bench.service(name)) for name in ("one", "two")]
            assert (one.leads, two.leads) == (True, False)
            request = RunRequest(integration="main", source="search", params={"text": "nothing"})
            run, _ = await two.start_run(request, by="tester")

            async def ended() -> bool:
                now = await two.store.run(run.id)
                return now is not None and now.status in FINAL_RUN

            await eventually(ended, 10)
            await two.control.pause(PauseLevel.INTEGRATION, "main", by="tester")
            await eventually(lambda: one.holds.pauses("main"), 5)
            assert [step.name for step in await two.check("main")] == [
                step["name"] for step in (await one.store.integrations())[0].check_steps
            ]
            made = await two.create_schedule(RULE | {"enabled": False}, by="tester")
            assert one.next_fire(made) is None
            assert two.next_fire(await two.update_schedule("often", {"enabled": True}, by="tester")) is not None
            assert two.next_refresh("main") == one.next_refresh("main") is not None
            await two.control.resume(PauseLevel.INTEGRATION, "main", by="tester")
            await eventually(lambda: not one.holds.pauses("main"), 5)
            seen = await two.system()
            assert [(each.leads, each.answers) for each in seen.daemons] == [(True, False), (False, True)]
            assert (await two.ready(), await one.ready()) == ((True, {}), (True, {}))

    asyncio.run(main())


def test_trouble_that_one_process_meets_holds_all_until_the_leader_finds_it_over(bench: DaemonsBench) -> None:
    """A follower's report holds work everywhere; only who leads asks, and lets it go on."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            one, two = [await stack.enter_async_context(bench.service(name)) for name in ("one", "two")]
            assert one.leader is not None
            asked: list[None] = []

            def full() -> int:
                asked.append(None)
                return 0

            check, one.leader.watch._check_writable = one.leader.watch._check_writable, full
            two.holds.storage_trouble("no space left")
            two.holds.lms_trouble("main", "503")
            await eventually(lambda: one.holds.storage is not None and asked, 5)
            assert not (await two.ready())[0]
            await eventually(lambda: two.holds.trouble("main") is None, 5)  # the leader asked, and it answers
            one.leader.watch._check_writable = check
            await eventually(lambda: two.holds.storage is None, 5)
            assert await one.store.troubles() == []

    asyncio.run(main())


def test_replicas_stand_the_same_whoever_is_asked_and_whoever_leads(bench: DaemonsBench, tmp_path: Path) -> None:
    """A follower tells what the leader found; who leads next knows since when a replica is away; each is told once."""
    copy, other = tmp_path / "copy", tmp_path / "other"
    archive = bench.settings("one").archive.model_dump(include={"url", "min_free"})
    bench.sections = {"archive": archive | {"replicas": [f"file://{copy}", f"file://{other}"]}}
    for each in (copy, other):
        package_kit.new_archive(each)
    pace = replication.Pace(pause=0.02, retry=0.05, every=0.2, note=0.01)

    async def stands(service: Service, *wanted: ReplicaStanding) -> Any:
        found = (await service.system()).replicas
        return found if [each.standing for each in found] == list(wanted) else None

    async def told(store: Store) -> list[tuple[str, str]]:
        listed = [each.notification for each in (await store.notifications()).items]
        return [(each.kind.value, each.data["replica"]) for each in reversed(listed)]

    async def main() -> None:
        current, away = ReplicaStanding.CURRENT, ReplicaStanding.AWAY
        written = package_kit.new_archive(tmp_path / "archive")
        head = written.head(package_kit.write(written).object_id)
        assert head is not None
        async with Store(bench.url) as store:
            await store.record_version(version_of(head, "main"))
        async with AsyncExitStack() as stack:
            services = [bench.service(name, copies=pace) for name in ("one", "two")]
            one, two = [await stack.enter_async_context(each) for each in services]
            assert (one.leads, two.leads) == (True, False)
            found = await eventually(functools.partial(stands, two, current, current), 20)
            assert [each.address for each in found] == [str(copy), str(other)]
            other.rename(tmp_path / "hidden")
            before = await eventually(functools.partial(stands, two, current, away), 20)

            async def alike() -> bool:  # it is compared again meanwhile, and why it is away may be said anew
                told = [(await each.system()).replicas for each in (one, two)]
                here, there = ([replace(each, compared_at=None) for each in replicas] for replicas in told)
                return here == there

            await eventually(alike, 20)
            await eventually(functools.partial(told, two.store), 20)
            await one.stop()
            await bench.leading(two)
            assert two.leader is not None
            await eventually(lambda: len(two.leader.replication.standings.met()) == 2 if two.leader else None, 20)
            after = (await two.system()).replicas
            assert (after[1].away_since, after[1].standing) == (before[1].away_since, away)
            (tmp_path / "hidden").rename(other)

            async def back() -> bool:
                return len(await told(two.store)) > 1

            await eventually(back, 20)
            assert await told(two.store) == [("replica_away", str(other)), ("replica_back", str(other))]

    asyncio.run(main())


def test_events_of_one_daemon_reach_listeners_of_another(bench: DaemonsBench) -> None:
    """Who follows on B sees what A does; who reconnects to A with the last id misses nothing, and hears none twice."""

    async def allowed() -> bool:
        return True

    async def heard(service: Service, number: int, after: int | None, then: asyncio.Event | None = None) -> list[int]:
        ids: list[int] = []
        stream = EventStream(EventHub(service.store, asyncio.Event()), allowed, after=after)
        async for piece in stream.pieces():
            if then is not None:
                then.set()
            for message in piece.decode().strip().split("\r\n\r\n"):
                fields = dict(line.split(": ", 1) for line in message.split("\r\n"))
                if fields.get("event") == "run":
                    ids.append(int(fields["id"]))
                    assert json.loads(fields["data"])["integration"] == "main"
            if len(ids) >= number:
                break
        return ids

    async def main() -> None:
        async with AsyncExitStack() as stack:
            one, two = [await stack.enter_async_context(bench.service(name)) for name in ("one", "two")]
            await one.control.pause(PauseLevel.ALL, by="tester")
            request = RunRequest(integration="main", source="search", params={"text": "xx"})
            listens = asyncio.Event()
            follows = asyncio.create_task(heard(two, 3, None, listens))
            await listens.wait()
            for _ in range(5):
                await one.start_run(request, by="tester")
            async with asyncio.timeout(10):
                first = await follows
                rest = await heard(one, 2, first[2])
            told = [each.id for each in await one.store.events_after(0) if each.kind == "run"]
            assert first == told[: len(first)]  # what comes together is sent together, so these may be more than three
            assert first[:3] + rest == told

    asyncio.run(main())


def test_tokens_and_idempotency_keys_are_good_on_every_daemon(bench: DaemonsBench) -> None:
    """A token and an idempotency key that one daemon took are known to the other; readiness says which one leads."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            one, two = [await stack.enter_async_context(bench.service(name)) for name in ("one", "two")]
            _, token = await one.store.create_token("test", "admin")
            await one.control.pause(PauseLevel.ALL, by="tester")
            headers = {"Authorization": f"Bearer {token}", "Idempotency-Key": "a"}
            body = {"integration": "main", "source": "search", "params": {"text": "xx"}}
            answers = []
            for service in (one, two, one):
                transport = httpx.ASGITransport(app=create_app(service))
                async with httpx.AsyncClient(transport=transport, base_url="http://daemon/api/v1") as client:
                    answers.append((await client.post("/runs", json=body, headers=headers)).json()["id"])
                    ready = (await client.get("/ready")).json()
                    assert ready == {"ready": True, "leads": service is one}
            assert len(set(answers)) == 1

    asyncio.run(main())


def test_a_leader_that_gets_no_answer_steps_down(bench: DaemonsBench, tmp_path: Path) -> None:
    """Where the network swallows everything, nobody says that the lock is lost: the leader itself takes it for lost."""
    proxy = LossyProxy(Path(str(make_url(bench.url).query["host"])))
    cut_off = DaemonsBench(tmp_path, proxy.url(bench.url))

    async def main() -> None:
        async with cut_off.service("one", cadence=replace(BRISK, answer=1.0)) as service:
            await cut_off.leading(service)
            proxy.silence()
            await eventually(lambda: not service.leads)
            proxy.flow()
            await cut_off.leading(service)

    asyncio.run(main())
    proxy.close()


def test_a_part_of_the_leader_that_does_not_start_lets_another_lead(
    bench: DaemonsBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who cannot start what the leader runs steps down, says why, goes on answering, and stands again later."""

    async def main() -> None:
        async with AsyncExitStack() as stack:
            one = bench.service("one")
            broken = StoreError("a part of it is broken")

            async def fails() -> None:
                raise broken

            new_leader = one._new_leader

            def faulty() -> object:
                leader = new_leader()
                monkeypatch.setattr(leader.watch, "start", fails)
                return leader

            monkeypatch.setattr(one, "_new_leader", faulty)
            await stack.enter_async_context(one)
            two = await stack.enter_async_context(bench.service("two"))
            assert await bench.leading(one, two) is two
            assert await one.ready() == (True, {})
            monkeypatch.setattr(one, "_new_leader", new_leader)
            assert one._leadership is not None
            one._leadership._term = new_leader
            await two.stop()
            assert await bench.leading(one) is one

    asyncio.run(main())


class Impatient(Store):
    """Waits for locks for a moment only."""

    def __init__(self, url: str, **options: Any) -> None:
        super().__init__(url, lock_timeout=2.0, **options)


def test_a_daemon_that_works_alone_shares_with_nobody(
    bench: DaemonsBench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A local and a procrastinate daemon refuse each other, whoever came first, and say what to change."""
    monkeypatch.setattr("coursekeep_daemon.service.Store", Impatient)
    alone = DaemonsBench(tmp_path, bench.url, engine={"kind": "local"})

    async def main() -> None:
        async with bench.service("one"):
            with pytest.raises(StoreLocked, match='set kind = "procrastinate" in \\[engine\\] of all'):
                await alone.service("two").start()
        async with alone.service("two") as service:
            assert service.leads
            assert [each.leads for each in (await service.system()).daemons] == [True]
            with pytest.raises(StoreLocked, match='A daemon with kind = "local"'):
                await bench.service("one").start()

    asyncio.run(main())


def test_many_daemons_need_postgresql(tmp_path: Path) -> None:
    """With the store in a file there is one daemon, and the settings say so."""
    bench = DaemonsBench(tmp_path, f"sqlite:///{tmp_path}/store.db")

    async def main() -> None:
        with pytest.raises(SettingsError, match=r"engine\.kind.*PostgreSQL"):
            await bench.service("one").start()

    asyncio.run(main())


def test_readiness_is_bounded_where_the_database_does_not_answer(bench: DaemonsBench) -> None:
    """A database that hangs makes the daemon not ready within seconds, however many ask."""

    async def main() -> None:
        async with bench.service("one") as service:

            async def hangs() -> None:
                await asyncio.Event().wait()

            service._database._ask, service._database._patience = hangs, 0.1
            service._database._answered_at = float("-inf")
            await eventually(lambda: not_ready(service), 5)
            async with asyncio.timeout(5):
                answers = await asyncio.gather(*(service.ready() for _ in range(50)))
            assert answers == [(False, {"database": "it has not answered for 0.1 seconds"})] * 50

    asyncio.run(main())


async def not_ready(service: Service) -> bool:
    return not (await service.ready())[0]
