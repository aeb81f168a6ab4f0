"""The table of what verification found wrong."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Index, Table, text
from sqlmodel import Field

from coursekeep_daemon.fixity.records import FindingKind, FindingState
from coursekeep_daemon.store.models import METADATA, Base
from coursekeep_daemon.store.types import BIG_ID, CleanString, CleanText, UtcDateTime, words

__all__ = ["fixity_finding"]

_UNSETTLED = text("state IN ('open', 'accepted')")
_UNTOLD = text("NOT told")


class FixityFindingRow(Base, table=True):
    """A package that is not as it was written. No foreign keys, as with the versions of packages."""

    __tablename__ = "fixity_finding"
    __table_args__ = (
        Index(None, "state", "id"),
        # a package has at most one finding that is not repaired
        Index(
            "uq_fixity_finding_package_id",
            "package_id",
            unique=True,
            sqlite_where=_UNSETTLED,
            postgresql_where=_UNSETTLED,
        ),
        Index("ix_fixity_finding_untold", "id", sqlite_where=_UNTOLD, postgresql_where=_UNTOLD),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=BIG_ID)
    package_id: str = Field(sa_type=CleanString)
    version: int | None = None
    integration: str = Field(sa_type=CleanString(200))
    course_id: str = Field(sa_type=CleanText)
    course_name: str = Field(sa_type=CleanText)
    kind: FindingKind = Field(sa_type=words(FindingKind))
    state: FindingState = Field(sa_type=words(FindingState))
    found_at: datetime = Field(sa_type=UtcDateTime)
    seen_at: datetime = Field(sa_type=UtcDateTime)
    problem_count: int
    tried_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    detail: str | None = Field(default=None, sa_type=CleanText)
    closed_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    closed_by: str | None = Field(default=None, sa_type=CleanString)
    #: whether a notification has told of its present state
    told: bool
    problems: list[dict[str, Any]] = Field(sa_type=JSON)


fixity_finding: Table = METADATA.tables["fixity_finding"]
