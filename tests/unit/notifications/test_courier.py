"""The courier: which messages go where, in which order, how often, and when it gives up."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import structlog
from fakes.service_bench import eventually
from fakes.store_house import HandClock, House, sqlite_house

from coursekeep_daemon.notifications.courier import Courier, Pace
from coursekeep_daemon.notifications.messages import Message
from coursekeep_daemon.notifications.records import Delivery, DeliveryState, NotificationKind
from coursekeep_daemon.notifications.targets import Retry, Target, Undelivered
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.store import Store, StoreError

PACE = Pace(look=0.0, look_again=0.02, retry=Backoff(first=10.0, longest=100.0))


class Scripted(Target):
    """Refuses as it is told, and keeps what it took."""

    kind = "webhook"

    def __init__(self, name: str, events: Any = (), integrations: Any = ()) -> None:
        super().__init__(name, events, integrations)
        self.refusals: list[Undelivered] = []
        self.kinds: list[str] = []
        self.attempts = 0

    async def send(self, message: Message) -> None:
        self.attempts += 1
        if self.refusals:
            raise self.refusals.pop(0)
        self.kinds.append(message.kind)


class Desk:
    """A started courier with its targets."""

    def __init__(self, store: Store, clock: HandClock, *targets: Scripted, **more: Any) -> None:
        self.store = store
        self.clock = clock
        self.courier = Courier(store, targets, clock=clock, pace=PACE, public_url=None, **more)

    async def __aenter__(self) -> Desk:
        await self.courier.start()
        return self

    async def __aexit__(self, *exc: object) -> None:
        await self.courier.stop()

    async def deliveries(self) -> list[Delivery]:
        listed = (await self.store.notifications(limit=200)).items
        return [each for one in reversed(listed) for each in one.deliveries]

    async def reached(self, *states: DeliveryState) -> list[Delivery]:
        """Wait until the deliveries are in these states, oldest notification first."""

        async def found() -> list[Delivery] | None:
            deliveries = await self.deliveries()
            return deliveries if [each.state for each in deliveries] == list(states) else None

        result: list[Delivery] = await eventually(found, 20)
        return result

    async def attempted(self, target: Scripted, times: int) -> None:
        await eventually(lambda: target.attempts >= times, 20)


Test = Callable[[Store, HandClock], Awaitable[None]]


@pytest.fixture
def run(tmp_path: Path) -> Callable[[Test], None]:
    house: House = sqlite_house(tmp_path)

    def _run(test: Test) -> None:
        async def main(store: Store) -> None:
            await store.sync_integrations([("main", "canvas", {}), ("other", "canvas", {})])
            await test(store, house.clock)

        house.run(main)

    return _run


PENDING, DELIVERED, GIVEN_UP = DeliveryState


def test_each_target_gets_what_it_wants(run):
    """Events and integrations choose; what concerns the storage concerns all; nobody's message is still recorded."""
    everything = Scripted("everything")
    other = Scripted("other", integrations=["other"])
    renewals = Scripted("renewals", events=[NotificationKind.CREDENTIALS_RENEWED])

    async def test(store: Store, clock: HandClock) -> None:
        async with Desk(store, clock, everything, other, renewals) as desk:
            await store.halt_integration("main", "expired")
            await store.tell_storage_held("full", clock.now)
            desk.courier.wake()
            await desk.reached(DELIVERED, DELIVERED, DELIVERED)
            await store.release_integration("main")
            await desk.reached(DELIVERED, DELIVERED, DELIVERED, DELIVERED)

    run(test)

    assert everything.kinds == ["credentials_needed", "storage_held", "credentials_renewed"]
    assert other.kinds == ["storage_held"]
    assert renewals.kinds == []  # it was not told the trouble


def test_a_target_that_is_down_is_tried_again_and_gets_everything_in_order(run):
    """The recovery waits behind its trouble, whatever happens to that; the wait after an attempt is kept."""
    target = Scripted("ops")
    target.refusals = [Undelivered("busy"), Undelivered("busy", after=50), Undelivered("busy", after=1e9)]

    async def test(store: Store, clock: HandClock) -> None:
        async with Desk(store, clock, target) as desk:
            await store.halt_integration("main", "expired")
            await store.release_integration("main")
            for attempts, wait in ((1, 10), (2, 50), (3, 3600)):
                await desk.attempted(target, attempts)

                async def noted(attempts: int = attempts) -> Delivery | None:
                    found = (await desk.deliveries())[0]
                    return found if found.attempts == attempts else None

                first = await eventually(noted)
                assert first.last_error == "busy"
                assert first.next_attempt_at <= clock.now + _seconds(wait)
                clock.move(seconds=wait)
            (first, second) = await desk.reached(DELIVERED, DELIVERED)
            assert (first.attempts, first.last_error, second.attempts) == (4, None, 1)

    run(test)

    assert target.kinds == ["credentials_needed", "credentials_renewed"]


def test_after_a_day_a_message_is_given_up_and_its_recovery_with_it(run):
    """The last attempt is the first to fail a day after the event; then no recovery is told of what was not told."""
    target = Scripted("ops")
    target.refusals = [Undelivered("down"), Undelivered("down")]
    counted: list[tuple[str, str]] = []

    async def test(store: Store, clock: HandClock) -> None:
        async with Desk(store, clock, target, counted=lambda *each: counted.append(each)) as desk:
            await store.halt_integration("main", "expired")
            await desk.attempted(target, 1)
            await store.release_integration("main")
            await desk.reached(PENDING, PENDING)
            clock.move(hours=24, seconds=1)
            with structlog.testing.capture_logs() as events:
                given_up, recovery = await desk.reached(GIVEN_UP, GIVEN_UP)
                await eventually(lambda: ("ops", "given_up") in counted)
            assert (given_up.last_error, given_up.attempts) == ("down", 2)
            assert recovery.last_error == "the trouble itself was not told here"
            assert [each["event"] for each in events if each["log_level"] == "error"] == ["notification_given_up"]

            await store.halt_integration("main", "expired again")
            await desk.reached(GIVEN_UP, GIVEN_UP, DELIVERED)
            await eventually(lambda: ("ops", "delivered") in counted)

    run(test)

    assert target.kinds == ["credentials_needed"]
    assert counted == [("ops", "failed"), ("ops", "given_up"), ("ops", "delivered")]


def test_what_a_stop_meets_while_it_is_addressed_is_told_to_plugins(run, monkeypatch):
    """What the store has taken is told, for the next process finds it addressed already."""
    monkeypatch.setattr("coursekeep_daemon.runs.waiting._LONGEST", 60.0)
    told: list[str] = []

    async def test(store: Store, clock: HandClock) -> None:
        right, taken, go_on = store.address, asyncio.Event(), asyncio.Event()

        async def slow(*args: Any) -> bool:
            done = await right(*args)
            taken.set()
            await go_on.wait()
            return done

        monkeypatch.setattr(store, "address", slow)
        desk = Desk(store, clock, Scripted("ops"), told=lambda message: told.append(message.kind))
        await desk.courier.start()
        await store.halt_integration("main", "expired")
        await taken.wait()
        stopping = asyncio.create_task(desk.courier.stop())
        await eventually(lambda: any(task.cancelling() for task in desk.courier._tasks))
        go_on.set()
        await stopping

    run(test)

    assert told == ["credentials_needed"]


def test_a_refusal_is_tried_a_few_times_and_a_farewell_not_at_all(run):
    """Five refusals of the message itself end it, troubles in between not counted; 410 ends it at once."""
    picky, gone = Scripted("picky"), Scripted("gone")
    no, busy = Undelivered("it answered 404", Retry.FEW), Undelivered("it answered 503")
    picky.refusals = [no, busy, busy, no, no, no, no, no]
    gone.refusals = [Undelivered("it answered 410", Retry.NEVER)]

    async def test(store: Store, clock: HandClock) -> None:
        async with Desk(store, clock, picky, gone) as desk:
            await store.halt_integration("main", "expired")

            async def over() -> bool:
                clock.move(seconds=100)
                return all(each.state is GIVEN_UP for each in await desk.deliveries() or [None])

            await eventually(lambda: picky.attempts)
            await eventually(over)

    run(test)

    assert (picky.attempts, gone.attempts) == (7, 1)


def test_what_waits_for_a_target_that_left_the_settings_is_given_up(run):
    """A restart without a target gives up what waited for it, and says why; the others are not touched."""
    lost, kept = Scripted("lost"), Scripted("kept")
    lost.refusals = [Undelivered("busy")]

    async def test(store: Store, clock: HandClock) -> None:
        async with Desk(store, clock, lost, kept) as desk:
            await store.halt_integration("main", "expired")
            await desk.attempted(lost, 1)
            await desk.reached(DELIVERED, PENDING)
        async with Desk(store, clock, kept) as desk:
            _, given_up = await desk.reached(DELIVERED, GIVEN_UP)
            assert given_up.last_error == "the target is not in the settings any more"

    run(test)


def test_a_database_in_trouble_does_not_make_a_message_go_out_again(run, monkeypatch):
    """What was sent is noted when the database can be written again, and not sent once more meanwhile."""
    target = Scripted("ops")

    async def test(store: Store, clock: HandClock) -> None:
        delivered, failures = store.delivered, [1, 2, 3]

        async def fails_at_first(*args: Any) -> None:
            if failures:
                failures.pop()
                raise StoreError("no space left")
            await delivered(*args)

        monkeypatch.setattr(store, "delivered", fails_at_first)
        async with Desk(store, clock, target) as desk:
            await store.halt_integration("main", "expired")
            await desk.reached(DELIVERED)
        assert failures == []

    run(test)

    assert target.attempts == 1


def test_a_new_target_is_not_told_what_is_over(run):
    """What was addressed before a target came into the settings does not go there, nor does its recovery."""
    early, late = Scripted("early"), Scripted("late")

    async def test(store: Store, clock: HandClock) -> None:
        async with Desk(store, clock, early) as desk:
            await store.halt_integration("main", "expired")
            await desk.reached(DELIVERED)
        async with Desk(store, clock, early, late) as desk:
            await store.release_integration("main")
            await desk.reached(DELIVERED, DELIVERED)

    run(test)

    assert (early.kinds, late.kinds) == (["credentials_needed", "credentials_renewed"], [])


def _seconds(number: float) -> Any:
    return datetime.fromtimestamp(number, UTC) - datetime.fromtimestamp(0, UTC)
