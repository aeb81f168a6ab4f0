"""Whom to tell: the targets of the settings, opened, and what may become of an attempt to reach one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from enum import Enum

from coursekeep_daemon.notifications.messages import Message
from coursekeep_daemon.notifications.records import Notification, NotificationKind

__all__ = ["Retry", "Target", "Undelivered"]


class Retry(Enum):
    """What a failed attempt means for those that could follow."""

    LATER = "later"  # the other side is down or busy: until it is too late
    FEW = "few"  # it refuses this message: a few times, should that be a mistake of the moment
    NEVER = "never"  # it wants no more


class Undelivered(Exception):
    """An attempt failed. The text is for people and logs, and holds no secret."""

    def __init__(self, why: str, retry: Retry = Retry.LATER, *, after: float | None = None) -> None:
        """Take why; `after` are the seconds that the other side asked to be left alone."""
        super().__init__(why)
        self.retry = retry
        self.after = after


class Target(ABC):
    """One place that is told."""

    #: `apprise` or `webhook`
    kind: str

    def __init__(self, name: str, events: Iterable[NotificationKind], integrations: Iterable[str]) -> None:
        """Take what it wants; nothing named is everything."""
        self.name = name
        self.events = frozenset(events) or frozenset(NotificationKind)
        self.integrations = frozenset(integrations)

    def wants(self, notification: Notification) -> bool:
        """Tell whether it is to be told; what concerns no single integration concerns all."""
        of_mine = notification.integration is None or not self.integrations
        return notification.kind in self.events and (of_mine or notification.integration in self.integrations)

    @abstractmethod
    async def send(self, message: Message) -> None:
        """Send a message. Raises `Undelivered`; does not take longer than a time-out of its own."""

    async def close(self) -> None:  # noqa: B027  # most hold nothing
        """Let go of what it holds."""
