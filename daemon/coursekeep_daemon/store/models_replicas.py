"""The table of how the replicas of the archive stand. One row for each; small."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import JSON, ForeignKey, Table
from sqlmodel import Field

from coursekeep_daemon.store.models import METADATA, Base
from coursekeep_daemon.store.types import BIG_ID, CleanString, CleanText, UtcDateTime

__all__ = ["replica"]


class ReplicaRow(Base, table=True):
    """What whoever leads has found of a replica. The row goes when the replica leaves the settings."""

    __tablename__ = "replica"

    address: str = Field(primary_key=True, sa_type=CleanString)
    reason: str = Field(sa_type=CleanText)
    away_since: datetime | None = Field(default=None, sa_type=UtcDateTime)
    behind: int
    behind_why: dict[str, str] = Field(sa_type=JSON)
    compared_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    copying: bool
    noted_at: datetime = Field(sa_type=UtcDateTime)
    #: the notification that it is away, until it was told that it is back
    told_id: int | None = Field(default=None, sa_type=BIG_ID, sa_column_args=(ForeignKey("notification.id"),))


replica: Table = METADATA.tables["replica"]
