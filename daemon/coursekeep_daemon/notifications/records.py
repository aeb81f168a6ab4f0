"""What a notification is, and how its deliveries stand. Plain values: store, settings and API all know them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

__all__ = ["Delivery", "DeliveryState", "Listed", "Notification", "NotificationKind", "Told"]


class NotificationKind(StrEnum):
    """What operators are told. Stable words: they are stored, sent and written in settings."""

    RUN_FAILED = "run_failed"  # a run ended failed, or with failed courses
    RUN_RECOVERED = "run_recovered"  # all failed courses of such a run were archived by reimports
    CREDENTIALS_NEEDED = "credentials_needed"  # an integration waits for new credentials
    CREDENTIALS_RENEWED = "credentials_renewed"
    CREDENTIALS_EXPIRING = "credentials_expiring"  # they end within the notice of the settings
    STORAGE_HELD = "storage_held"  # the archive cannot be written: everything waits
    STORAGE_RELEASED = "storage_released"
    PACKAGE_DAMAGED = "package_damaged"  # packages are not as they were written, or not there at all
    PACKAGE_REPAIRED = "package_repaired"  # such packages are well again
    REPLICA_AWAY = "replica_away"  # nothing can be copied to a replica of the archive
    REPLICA_BACK = "replica_back"


class DeliveryState(StrEnum):
    """How the delivery of a notification to one target stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    GIVEN_UP = "given_up"


@dataclass(frozen=True, kw_only=True, slots=True)
class Notification:
    """One event that operators are told."""

    id: int
    #: names it to receivers, so that they can drop what comes twice
    uid: str
    kind: NotificationKind
    at: datetime
    #: None for what concerns all integrations
    integration: str | None
    run_id: int | None
    #: the facts, as they were at the event
    data: Mapping[str, Any]
    #: for a recovery: the notification of the trouble that is over
    recovers: int | None = None
    #: when the first target had it; None while none has
    told_at: datetime | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Delivery:
    """How one notification reaches one target."""

    notification_id: int
    target: str
    state: DeliveryState
    attempts: int
    #: attempts at which the target refused the message itself, rather than being down
    refusals: int
    next_attempt_at: datetime | None
    delivered_at: datetime | None
    last_error: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Listed:
    """A notification with how it reaches its targets."""

    notification: Notification
    deliveries: list[Delivery]


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """When the failure of a run was noted, and when the first target had the message."""

    run_id: int
    at: datetime
    told_at: datetime
