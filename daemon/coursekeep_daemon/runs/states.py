"""The states of runs and items, and every change between them that may happen: as data.

The store applies changes and refuses all others; nothing else in the program sets a status.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

__all__ = [
    "FINAL_ITEM",
    "FINAL_RUN",
    "ITEM_CHANGES",
    "RUN_CHANGES",
    "FailReason",
    "ItemStatus",
    "RunStatus",
    "SkipReason",
    "has_package",
    "may_change_item",
    "may_change_run",
]


class ItemStatus(StrEnum):
    """What became of one course within one run."""

    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    NOT_FOUND = "not_found"
    SKIPPED = "skipped"
    FAILED_REIMPORTED = "failed_reimported"
    CANCELED = "canceled"


class RunStatus(StrEnum):
    """Where a run is. `paused` is no status of its own: it is `held_by`, shown beside it."""

    QUEUED = "queued"
    PLANNING = "planning"
    PROCESSING = "processing"
    COMPLETED = "completed"
    COMPLETED_WITH_ERRORS = "completed_with_errors"
    FAILED = "failed"
    CANCELED = "canceled"


class FailReason(StrEnum):
    """Why an item failed. Stable words: they are stored, exported and documented."""

    NO_ACCESS = "no_access"  # the credentials do not allow this course
    LMS_UNAVAILABLE = "lms_unavailable"  # the LMS could not answer, as often as it was asked
    MALFORMED_ANSWER = "malformed_answer"
    CONNECTOR_ERROR = "connector_error"  # a fault in the connector; the log holds the traceback
    PACKAGE_ERROR = "package_error"  # the package could not be written for a reason of its own
    OTHER_SOURCE = "other_source"  # the package at this place holds a course of another LMS
    PROCESS_DIED = "process_died"  # the daemon died while doing it, more often than allowed


class SkipReason(StrEnum):
    """Why an item was skipped."""

    ARCHIVED = "archived"  # has a package already, and the run skips those
    UNCHANGED = "unchanged"  # fetched and compared: same content as the newest version
    DUPLICATE = "duplicate"  # another item of this run is the same course
    EXCLUDED = "excluded"  # a pattern of the request or schedule leaves it out


I = ItemStatus  # noqa: E741  # short names keep the table below readable
R = RunStatus

#: from -> to. `processing -> queued` is an interrupted or postponed attempt, which keeps its count.
ITEM_CHANGES: Mapping[ItemStatus, frozenset[ItemStatus]] = {
    I.QUEUED: frozenset({I.PROCESSING, I.CANCELED}),
    I.PROCESSING: frozenset({I.COMPLETED, I.FAILED, I.NOT_FOUND, I.SKIPPED, I.QUEUED}),
    I.FAILED: frozenset({I.FAILED_REIMPORTED}),
    I.COMPLETED: frozenset(),
    I.NOT_FOUND: frozenset(),
    I.SKIPPED: frozenset(),
    I.FAILED_REIMPORTED: frozenset(),
    I.CANCELED: frozenset(),
}

#: from -> to. A run that a dead process was planning is planned again.
RUN_CHANGES: Mapping[RunStatus, frozenset[RunStatus]] = {
    R.QUEUED: frozenset({R.PLANNING, R.FAILED, R.CANCELED}),
    R.PLANNING: frozenset({R.PROCESSING, R.FAILED, R.CANCELED}),
    R.PROCESSING: frozenset({R.COMPLETED, R.COMPLETED_WITH_ERRORS, R.FAILED, R.CANCELED}),
    R.COMPLETED: frozenset(),
    R.COMPLETED_WITH_ERRORS: frozenset(),
    R.FAILED: frozenset(),
    R.CANCELED: frozenset(),
}

#: statuses an item may be created in: what the planner finds out at once needs no attempt
NEW_ITEM = frozenset({I.QUEUED, I.NOT_FOUND, I.FAILED, I.SKIPPED})

#: statuses that nothing leaves, except a failed item that is reimported
FINAL_ITEM = frozenset(s for s, then in ITEM_CHANGES.items() if not then) | {I.FAILED}
FINAL_RUN = frozenset(s for s, then in RUN_CHANGES.items() if not then)


def may_change_item(old: ItemStatus, new: ItemStatus) -> bool:
    """Tell whether an item may go from one status to another."""
    return new in ITEM_CHANGES[old]


def has_package(status: ItemStatus, reason: str | None) -> bool:
    """Tell whether an item that ended so has its course in a package: written now, or found there as it should be."""
    kept = status is ItemStatus.SKIPPED and reason in (SkipReason.ARCHIVED, SkipReason.UNCHANGED)
    return kept or status is ItemStatus.COMPLETED


def may_change_run(old: RunStatus, new: RunStatus) -> bool:
    """Tell whether a run may go from one status to another."""
    return new in RUN_CHANGES[old]
