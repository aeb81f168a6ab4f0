"""What the control API answers about notifications."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field

from coursekeep_daemon.api.models import Answer, Time
from coursekeep_daemon.notifications.records import DeliveryState, NotificationKind

__all__ = ["Notification", "NotificationDelivery", "NotificationTarget", "NotificationTest"]


class NotificationDelivery(Answer):
    """How a notification reaches one target."""

    target: str
    state: DeliveryState
    attempts: int
    next_attempt_at: Time | None = Field(None, description="When it is tried next, for `pending`.")
    delivered_at: Time | None = None
    last_error: str | None = Field(None, description="Why the last attempt failed; null once it is delivered.")


class Notification(Answer):
    """One event that operators are told."""

    id: int
    uid: str = Field(description="The `id` that receivers see: the same in every attempt.")
    kind: NotificationKind
    at: Time
    integration: str | None = Field(None, description="Null for what concerns all.")
    run_id: int | None = None
    data: Mapping[str, Any] = Field(description="The facts, as they were at the event.")
    recovers: int | None = Field(None, description="For a recovery: the notification of the trouble that is over.")
    told_at: Time | None = Field(None, description="When the first target had it; null while none has.")
    deliveries: list[NotificationDelivery] = Field(description="One for each target that wants it.")


class NotificationTarget(Answer):
    """A target of the settings, without its address, which may hold secrets."""

    name: str
    kind: str = Field(description="apprise or webhook.")
    events: list[NotificationKind]
    integrations: list[str] = Field(description="Whose events; empty for all.")


class NotificationTest(Answer):
    """What became of a test message."""

    ok: bool
    error: str | None = Field(None, description="Why it could not be delivered.")
