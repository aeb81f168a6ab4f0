"""The tables of what all processes together may ask of an LMS."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Float, Table
from sqlmodel import Field

from coursekeep_daemon.store.models import METADATA, Base
from coursekeep_daemon.store.types import BIG_ID, CleanString, UtcDateTime

__all__ = ["budget", "budget_member"]


class BudgetRow(Base, table=True):
    """What one LMS bears, as all processes know it: see `shares.Budget`."""

    __tablename__ = "budget"

    name: str = Field(primary_key=True, sa_type=CleanString(200))
    allowed: float = Field(sa_type=Float)
    share: float = Field(sa_type=Float)
    round: int = Field(sa_type=BIG_ID)
    not_before: datetime | None = Field(default=None, sa_type=UtcDateTime)


class BudgetMemberRow(Base, table=True):
    """One process's part of a budget: see `shares.Member`. No foreign key: the budget's row is locked first anyway."""

    __tablename__ = "budget_member"

    budget: str = Field(primary_key=True, sa_type=CleanString(200))
    member: str = Field(primary_key=True, sa_type=CleanString(200))
    places: int
    wants: int
    most: int
    expires_at: datetime = Field(sa_type=UtcDateTime)


budget: Table = METADATA.tables["budget"]
budget_member: Table = METADATA.tables["budget_member"]
