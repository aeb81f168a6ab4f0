"""Notifications as the service sees them: started and stopped, listed, tested."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import uuid4

import structlog

from coursekeep_daemon.notifications.courier import Courier, Pace
from coursekeep_daemon.notifications.messages import Message, message_of_test
from coursekeep_daemon.notifications.records import Listed, NotificationKind
from coursekeep_daemon.notifications.replica_news import ReplicaNews, Seen
from coursekeep_daemon.notifications.storage_news import StorageNews
from coursekeep_daemon.notifications.targets import Target, Undelivered
from coursekeep_daemon.origin import close_match
from coursekeep_daemon.runs.holds import Clock, Holds
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.store import NoSuchRecord, Slice, Store

__all__ = ["Notifications", "SentTest", "TargetInfo"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class TargetInfo:
    """A target as people may see it."""

    name: str
    kind: str
    events: list[NotificationKind]
    #: empty for all
    integrations: list[str]


@dataclass(frozen=True, kw_only=True, slots=True)
class SentTest:
    """What became of a test message."""

    ok: bool
    error: str | None = None


class Notifications:
    """Tells operators, and shows what was told. Every daemon shows and tests; the one that leads starts it."""

    def __init__(
        self,
        store: Store,
        holds: Holds,
        targets: Sequence[Target],
        *,
        clock: Clock,
        pace: Pace | None = None,
        public_url: str | None = None,
        told: Callable[[Message], None] = lambda message: None,
        counted: Callable[[str, str], None] = lambda target, result: None,
    ) -> None:
        """Take what is needed; `told` and `counted` as for `Courier`."""
        self._pace = pace = pace or Pace()
        self._store = store
        self._clock = clock
        self._targets = {target.name: target for target in targets}
        self._courier = Courier(
            store, targets, clock=clock, pace=pace, public_url=public_url, told=told, counted=counted
        )
        self._storage = StorageNews(store, holds, pace.steady, self._courier.wake)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to tell, with what an earlier process has left."""
        await self._courier.start()
        self._task = lasting(self._storage.watch, "notify of storage")

    async def stop(self) -> None:
        """Break off; the next start goes on. Harmless where nothing was started."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait({task})
        await self._courier.stop()

    def replica_news(self, seen: Seen) -> ReplicaNews:
        """Return what tells of replicas, for whoever leads to run."""
        return ReplicaNews(self._store, seen, self._pace.steady, self._courier.wake)

    async def list(
        self, *, kind: NotificationKind | None = None, limit: int = 50, cursor: str | None = None
    ) -> Slice[Listed]:
        """List notifications with their deliveries, newest first. Raises `BadCursor`."""
        return await self._store.notifications(kind=kind, limit=limit, cursor=cursor)

    def targets(self) -> Sequence[TargetInfo]:
        """Return the targets without their addresses, which may hold secrets."""
        return [
            TargetInfo(
                name=target.name,
                kind=target.kind,
                events=[kind for kind in NotificationKind if kind in target.events],
                integrations=sorted(target.integrations),
            )
            for target in self._targets.values()
        ]

    async def send_test(self, target: str, *, by: str) -> SentTest:
        """Send a test message now, once, and tell what became of it. Raises `NoSuchRecord` for an unknown target."""
        if target not in self._targets:
            hint = close_match(target, self._targets)
            raise NoSuchRecord(f"There is no notification target {target!r} in the settings; {hint}.")
        try:
            await self._targets[target].send(message_of_test(uuid4().hex, self._clock(), target, by))
        except Undelivered as error:
            log.warning("notification_test_failed", target=target, by=by, reason=str(error))
            return SentTest(ok=False, error=str(error))
        log.info("notification_test_sent", target=target, by=by)
        return SentTest(ok=True)
