"""The tables of notifications and their deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Table, UniqueConstraint, text
from sqlmodel import Field

from coursekeep_daemon.notifications.records import DeliveryState, NotificationKind
from coursekeep_daemon.store.models import METADATA, Base
from coursekeep_daemon.store.types import BIG_ID, CleanString, CleanText, UtcDateTime, words

__all__ = ["notification", "notification_delivery"]


def _partial(name: str, *columns: str, where: str) -> Index:
    return Index(name, *columns, sqlite_where=text(where), postgresql_where=text(where))


class NotificationRow(Base, table=True):
    """An event that operators are told: written in the transaction of the event, then addressed to the targets."""

    __tablename__ = "notification"
    __table_args__ = (
        # one message per event: a run fails once, recovers once; a trouble is over once
        UniqueConstraint("run_id", "kind"),
        UniqueConstraint("recovers"),
        Index(None, "kind", "id"),
        _partial("ix_notification_unaddressed", "id", where="addressed_at IS NULL"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    uid: str = Field(sa_type=CleanString(32), unique=True)
    kind: NotificationKind = Field(sa_type=words(NotificationKind))
    at: datetime = Field(sa_type=UtcDateTime)
    integration: str | None = Field(default=None, sa_type=CleanString(200))
    run_id: int | None = Field(default=None, sa_type=BIG_ID)
    recovers: int | None = Field(default=None, sa_type=BIG_ID, sa_column_args=(ForeignKey("notification.id"),))
    #: when its deliveries were written, or it was found that no target wants it
    addressed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    told_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    data: dict[str, Any] = Field(sa_type=JSON)


class NotificationDeliveryRow(Base, table=True):
    """How a notification reaches one target. Targets live in the settings: rows stay when one leaves them."""

    __tablename__ = "notification_delivery"
    __table_args__ = (
        _partial("ix_notification_delivery_pending", "target", "notification_id", where="state = 'pending'"),
    )

    notification_id: int = Field(primary_key=True, sa_type=BIG_ID, sa_column_args=(ForeignKey("notification.id"),))
    target: str = Field(primary_key=True, sa_type=CleanString(200))
    state: DeliveryState = Field(sa_type=words(DeliveryState))
    attempts: int = 0
    refusals: int = 0
    next_attempt_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    delivered_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    last_error: str | None = Field(default=None, sa_type=CleanText)


notification: Table = METADATA.tables["notification"]
notification_delivery: Table = METADATA.tables["notification_delivery"]
