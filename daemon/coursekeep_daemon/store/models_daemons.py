"""The tables that several daemons share: who they are, and what is in the way of all. Small, and short-lived."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Table
from sqlmodel import Field

from coursekeep_daemon.store.models import METADATA, Base
from coursekeep_daemon.store.records_daemons import TroubleKind
from coursekeep_daemon.store.types import CleanString, CleanText, UtcDateTime, words

__all__ = ["daemon", "trouble"]


class TroubleRow(Base, table=True):
    """Something that holds work in every process."""

    __tablename__ = "trouble"

    kind: TroubleKind = Field(primary_key=True, sa_type=words(TroubleKind))
    #: an integration, which need not be known here; empty where all are concerned
    target: str = Field(primary_key=True, sa_type=CleanString(200))
    reason: str = Field(sa_type=CleanText)
    since: datetime = Field(sa_type=UtcDateTime)
    reporter: str = Field(sa_type=CleanString(200))


class DaemonRow(Base, table=True):
    """A daemon that stands for leader. Its row goes when it ends; that of one that was killed stays for a while."""

    __tablename__ = "daemon"

    id: str = Field(primary_key=True, sa_type=CleanString(32))
    host: str = Field(sa_type=CleanString(200))
    pid: int
    version: str = Field(sa_type=CleanString(200))
    started_at: datetime = Field(sa_type=UtcDateTime)
    #: by the database's clock, like what follows
    seen_at: datetime = Field(sa_type=UtcDateTime)
    leads_since: datetime | None = Field(default=None, sa_type=UtcDateTime)


trouble: Table = METADATA.tables["trouble"]
daemon: Table = METADATA.tables["daemon"]
