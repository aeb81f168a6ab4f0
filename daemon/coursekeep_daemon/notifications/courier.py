"""The courier: takes each notification to every target that wants it, in order, until it is there or given up."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import ParamSpec

import structlog

from coursekeep_daemon.notifications.messages import Message, message_of
from coursekeep_daemon.notifications.records import Delivery, DeliveryState, Notification
from coursekeep_daemon.notifications.targets import Retry, Target, Undelivered
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.waiting import see_through, wait_for_event
from coursekeep_daemon.store import Store, StoreError

__all__ = ["Courier", "Pace"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

P = ParamSpec("P")


@dataclass(frozen=True, kw_only=True, slots=True)
class Pace:
    """Seconds between attempts and looks; a value, so that tests hand in short ones."""

    #: between two looks at the store at least: events of a run come by the thousand
    look: float = 1.0
    #: between two looks at most
    look_again: float = 60.0
    #: after an attempt that failed
    retry: Backoff = field(default_factory=lambda: Backoff(first=10.0, longest=900.0))
    #: the longest wait that a receiver may ask for
    longest_asked: float = 3600.0
    #: after the event, an attempt that fails is the last
    give_up: float = 24 * 3600.0
    #: attempts at a target that refuses the message itself
    few: int = 5
    #: how long the storage must stay as it is before that is told
    steady: float = 60.0


class Courier:
    """Delivers what the store says is to be told.

    Each target has a task of its own, so that none waits for another, and gets its messages in their order: a recovery
    never before its trouble.
    """

    def __init__(
        self,
        store: Store,
        targets: Iterable[Target],
        *,
        clock: Callable[[], datetime],
        pace: Pace,
        public_url: str | None,
        told: Callable[[Message], None] = lambda message: None,
        counted: Callable[[str, str], None] = lambda target, result: None,
    ) -> None:
        """Take what is needed. `told` gets each message once; `counted` a target and the result of each attempt."""
        self._store = store
        self._targets = {target.name: target for target in targets}
        self._clock = clock
        self._pace = pace
        self._public_url = public_url
        self._told = told
        self._counted = counted
        self._tasks: list[asyncio.Task[None]] = []
        self._wakes: dict[str, asyncio.Event] = {}
        self._new = asyncio.Event()

    async def start(self) -> None:
        """Begin to deliver, with what an earlier process has left."""
        if left := await self._store.give_up_others(list(self._targets)):
            log.error("notifications_given_up", deliveries=left, reason="their targets have left the settings")
        self._wakes = {name: asyncio.Event() for name in self._targets}
        self._tasks.append(lasting(self._address_all, "notifications"))
        for target in self._targets.values():
            self._tasks.append(lasting(functools.partial(self._serve, target), f"notify {target.name}"))

    async def stop(self) -> None:
        """Break off; the next start goes on."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        self._tasks.clear()

    def wake(self) -> None:
        """Look at once: there is a notification that came with no event of the store."""
        self._new.set()

    async def _address_all(self) -> None:
        """Write the deliveries of new notifications, for ever."""
        with self._store.subscribe() as self._new:
            while True:
                self._new.clear()
                await self._guarded(self._address_new)
                await asyncio.sleep(self._pace.look)
                await wait_for_event(self._new, self._pace.look_again)

    async def _address_new(self) -> None:
        while new := await self._store.unaddressed():
            for notification in new:
                await see_through(self._address(notification))

    async def _address(self, notification: Notification) -> None:
        """Write the deliveries of a notification, and tell plugins of it."""
        wanted_by = [target.name for target in self._targets.values() if target.wants(notification)]
        if not await self._store.address(notification.id, wanted_by):
            return
        log.info("notification", kind=notification.kind, notification=notification.uid, targets=wanted_by)
        self._told(message_of(notification, self._public_url))
        for wake in self._wakes.values():
            wake.set()

    async def _serve(self, target: Target) -> None:
        """Deliver to one target, oldest first, for ever."""
        wake = self._wakes[target.name]
        while True:
            wake.clear()
            await self._guarded(self._deliver_due, target, wake)

    async def _deliver_due(self, target: Target, wake: asyncio.Event) -> None:
        """Make the next delivery, or wait until there is one that is due."""
        found = await self._store.next_delivery(target.name)
        if found is None:
            await wait_for_event(wake, self._pace.look_again)
            return
        notification, delivery = found
        due = delivery.next_attempt_at
        wait = 0.0 if due is None else (due - self._clock()).total_seconds()
        if wait > 0:
            await wait_for_event(wake, min(wait, self._pace.look_again))  # a clock may be set meanwhile
            return
        await self._attempt(target, notification, delivery)

    async def _attempt(self, target: Target, notification: Notification, delivery: Delivery) -> None:
        try:
            await target.send(message_of(notification, self._public_url))
        except Undelivered as error:
            await self._undelivered(target, notification, delivery, error)
            return
        # who dies here sends it again: better twice, with one id, than never
        await self._noted(self._store.delivered, notification.id, target.name)
        self._counted(target.name, DeliveryState.DELIVERED)
        log.info("notification_delivered", target=target.name, notification=notification.uid, kind=notification.kind)

    async def _undelivered(
        self, target: Target, notification: Notification, delivery: Delivery, error: Undelivered
    ) -> None:
        attempt = delivery.attempts + 1
        refused = error.retry is Retry.FEW
        about = {"target": target.name, "notification": notification.uid, "kind": notification.kind}
        due = self._next_attempt(notification, delivery, error)
        await self._noted(
            self._store.undelivered, notification.id, target.name, str(error), next_attempt_at=due, refused=refused
        )
        if due is None:
            self._counted(target.name, DeliveryState.GIVEN_UP)
            log.error("notification_given_up", **about, attempts=attempt, reason=str(error))
            return
        self._counted(target.name, "failed")
        if attempt == 1:  # told when it begins to fail, and when it is delivered or given up
            log.warning("notification_undelivered", **about, reason=str(error))

    def _next_attempt(self, notification: Notification, delivery: Delivery, error: Undelivered) -> datetime | None:
        """Return when to try again; None gives up."""
        now = self._clock()
        too_late = now - notification.at > timedelta(seconds=self._pace.give_up)
        refused = error.retry is Retry.FEW and delivery.refusals + 1 >= self._pace.few
        if error.retry is Retry.NEVER or refused or too_late:
            return None
        asked = None if error.after is None else min(error.after, self._pace.longest_asked)
        return now + timedelta(seconds=self._pace.retry.seconds(delivery.attempts + 1, asked))

    async def _noted(self, note: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Write down what became of an attempt, however long the database takes to come back.

        To go back to the queue instead would send the message again and again, as long as a full disk lasts.
        """
        while True:
            try:
                return await note(*args, **kwargs)
            except StoreError as error:
                log.error("store_trouble", during="noting a delivery", reason=str(error))
                await asyncio.sleep(self._pace.look_again)

    async def _guarded(self, work: Callable[P, Awaitable[None]], *args: P.args, **kwargs: P.kwargs) -> None:
        """Do a piece of work. A database that does not answer is waited for."""
        try:
            await work(*args, **kwargs)
        except StoreError as error:
            log.error("store_trouble", during="notifications", reason=str(error))
            await asyncio.sleep(self._pace.look_again)
