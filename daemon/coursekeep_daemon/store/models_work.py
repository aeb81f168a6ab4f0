"""The tables of the engine with many workers: who they are, and which course each may work on: small, short-lived."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, ForeignKey, Index, Table
from sqlmodel import Field

from coursekeep_daemon.store.models import METADATA, Base
from coursekeep_daemon.store.records_work import LeaseState
from coursekeep_daemon.store.types import BIG_ID, CleanString, UtcDateTime, words

__all__ = ["lease", "worker"]


class WorkerRow(Base, table=True):
    """A process that takes courses. Its row goes when it leaves, or when it has been silent for too long."""

    __tablename__ = "worker"

    id: str = Field(primary_key=True, sa_type=CleanString(32))
    name: str = Field(sa_type=CleanString(200))
    host: str = Field(sa_type=CleanString(200))
    pid: int
    concurrency: int
    version: str = Field(sa_type=CleanString(200))
    #: names of the integrations that its settings have
    integrations: list[Any] = Field(sa_type=JSON)
    started_at: datetime = Field(sa_type=UtcDateTime)
    #: by the database's clock, like every later sign of life
    seen_at: datetime = Field(sa_type=UtcDateTime)
    draining: bool = False
    #: what went wrong in plugins there, by their keys
    plugin_troubles: dict[str, Any] = Field(sa_type=JSON, sa_column_kwargs={"server_default": "{}"})


class LeaseRow(Base, table=True):
    """The right to work on one item. Its id is the fence: whoever names another one has been replaced."""

    __tablename__ = "lease"
    # without AUTOINCREMENT, SQLite would give the number of the last row again once that is deleted
    __table_args__ = (Index(None, "worker_id"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    item_id: int = Field(unique=True, sa_type=BIG_ID, sa_column_args=(ForeignKey("item.id"),))
    run_id: int = Field(sa_type=BIG_ID, sa_column_args=(ForeignKey("run.id"),))
    integration: str = Field(sa_type=CleanString(200))
    state: LeaseState = Field(sa_type=words(LeaseState))
    #: no foreign key: a lease outlives its worker until it is swept
    worker_id: str | None = Field(default=None, sa_type=CleanString(32))
    offered_at: datetime = Field(sa_type=UtcDateTime)
    begun_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


lease: Table = METADATA.tables["lease"]
worker: Table = METADATA.tables["worker"]
