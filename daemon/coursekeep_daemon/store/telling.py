"""What operators are told, seen from within a transaction: the event and its notification are written together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import Connection, func, select

from coursekeep_daemon.fixity.records import Finding, FindingKind, FindingState
from coursekeep_daemon.notifications.records import NotificationKind
from coursekeep_daemon.runs.states import FINAL_RUN, ItemStatus, RunStatus
from coursekeep_daemon.store.models import item, run, run_count
from coursekeep_daemon.store.models_notifications import notification
from coursekeep_daemon.store.records import Run
from coursekeep_daemon.store.transaction import Transaction

__all__ = [
    "open_trouble",
    "tell_credentials",
    "tell_failed_run",
    "tell_of_replica",
    "tell_packages",
    "tell_recovered_runs",
    "tell_trouble",
    "tell_well",
]

#: reasons that a message names at most
_NAMED = 5

#: packages that a message names at most
_PACKAGES = 10


def tell_failed_run(tx: Transaction, ended: Run) -> None:
    """Note that a run has failed, or ended with failed courses; otherwise do nothing."""
    failed = ended.counts[ItemStatus.FAILED]
    with_errors = ended.status is RunStatus.COMPLETED_WITH_ERRORS and failed > 0
    if not with_errors and ended.status is not RunStatus.FAILED:
        return
    number = func.count()
    reasons = (
        select(item.c.reason, number)
        .where(item.c.run_id == ended.id, item.c.status == ItemStatus.FAILED)
        .group_by(item.c.reason)
        .order_by(number.desc(), item.c.reason)
    )
    data = {
        "status": ended.status,
        "reason": ended.reason,
        "started_by": ended.created_by,
        "total": ended.total,
        "counts": _counts(ended.counts),
        "reasons": [
            {"reason": reason, "count": count} for reason, count in (tx.execute(reasons).all() if failed else ())
        ][:_NAMED],
    }
    _add(tx, NotificationKind.RUN_FAILED, data, integration=ended.integration, run_id=ended.id)


def tell_recovered_runs(tx: Transaction, run_ids: Iterable[int]) -> None:
    """Note those runs whose failure was told and that have no failed course left. Call it once the counters stand."""
    told = notification.alias("told")
    trouble = (
        select(told.c.id, run.c.id, run.c.integration, *(run_count.c[status.value] for status in ItemStatus))
        .join(run, run.c.id == told.c.run_id)
        .join(run_count, run_count.c.run_id == run.c.id)
        .where(told.c.run_id.in_(set(run_ids)), told.c.kind == NotificationKind.RUN_FAILED)
        .where(
            run.c.status.in_(FINAL_RUN),
            run_count.c.failed + run_count.c.processing == 0,
            run_count.c.failed_reimported > 0,
        )
    )
    for trouble_id, run_id, integration, *numbers in tx.execute(trouble).all():
        archived_by = (
            select(item.c.reimported_in_run)
            .where(item.c.run_id == run_id, item.c.status == ItemStatus.FAILED_REIMPORTED)
            .distinct()
            .order_by(item.c.reimported_in_run)
        )
        data = {
            "counts": _counts(dict(zip(ItemStatus, numbers, strict=True))),
            "archived_by_runs": list(tx.execute(archived_by).scalars()),
        }
        _add(
            tx,
            NotificationKind.RUN_RECOVERED,
            data,
            integration=integration,
            run_id=run_id,
            recovers=trouble_id,
        )


def tell_credentials(tx: Transaction, integration: str, reason: str | None) -> None:
    """Note that an integration needs credentials, and why; or, without a reason, that it has them again."""
    if reason is not None:
        tell_trouble(tx, NotificationKind.CREDENTIALS_NEEDED, {"reason": reason}, integration)
    else:
        tell_well(
            tx, NotificationKind.CREDENTIALS_RENEWED, NotificationKind.CREDENTIALS_NEEDED, integration=integration
        )


def tell_trouble(
    tx: Transaction, kind: NotificationKind, data: Mapping[str, Any], integration: str | None = None
) -> None:
    """Note a trouble."""
    _add(tx, kind, data, integration=integration)


def tell_well(
    tx: Transaction, kind: NotificationKind, trouble: NotificationKind, *, integration: str | None = None
) -> bool:
    """Note that a trouble is over, where one was told that is not over yet; tell whether that was so."""
    found = open_trouble(tx.connection, trouble, integration)
    if found is None:
        return False
    trouble_id, since = found
    data = {"since": since.isoformat().replace("+00:00", "Z")}
    _add(tx, kind, data, integration=integration, recovers=trouble_id)
    return True


def tell_of_replica(
    tx: Transaction, kind: NotificationKind, data: Mapping[str, Any], *, recovers: int | None = None
) -> int:
    """Note that a replica is away, or that what was told of it is over, with since when; return the notification."""
    if recovers is not None:
        since: datetime = tx.execute(select(notification.c.at).where(notification.c.id == recovers)).scalar_one()
        data = {**data, "since": since.isoformat().replace("+00:00", "Z")}
    return tx.add(notification, _row(tx, kind, data, integration=None, recovers=recovers))


def tell_packages(
    tx: Transaction, state: FindingState, integration: str, found: Sequence[Finding], apart: timedelta
) -> bool:
    """Note packages that are damaged, or well again, in one message; False where the last one is too recent."""
    repaired = state is FindingState.REPAIRED
    kind = NotificationKind.PACKAGE_REPAIRED if repaired else NotificationKind.PACKAGE_DAMAGED
    newest = select(notification.c.at).where(notification.c.kind == kind, notification.c.integration == integration)
    last = tx.execute(newest.order_by(notification.c.id.desc()).limit(1)).scalar()
    if last is not None and timedelta() <= tx.now - last < apart:
        return False
    data = {
        "count": len(found),
        "missing": sum(each.kind is FindingKind.MISSING for each in found),
        "packages": [
            {
                "package_id": each.package_id,
                "course_id": each.course_id,
                "kind": each.kind,
                "problems": each.problem_count,
                "detail": each.detail,
            }
            for each in found[:_PACKAGES]
        ],
    }
    _add(tx, kind, data, integration=integration)
    return True


def open_trouble(connection: Connection, kind: NotificationKind, integration: str | None = None) -> Any:
    """Return id and moment of the newest notification of a trouble that no recovery has followed; else None."""
    newest = select(notification.c.id, notification.c.at).where(
        notification.c.kind == kind, notification.c.integration.is_not_distinct_from(integration)
    )
    found = connection.execute(newest.order_by(notification.c.id.desc()).limit(1)).one_or_none()
    if found is None:
        return None
    over = connection.execute(select(notification.c.id).where(notification.c.recovers == found.id)).first()
    return found if over is None else None


def _counts(by_status: Mapping[ItemStatus, int]) -> dict[str, int]:
    return {status.value: number for status, number in by_status.items() if number}


def _add(
    tx: Transaction,
    kind: NotificationKind,
    data: Mapping[str, Any],
    *,
    integration: str | None,
    run_id: int | None = None,
    recovers: int | None = None,
) -> None:
    row = _row(tx, kind, data, integration=integration, run_id=run_id, recovers=recovers)
    # a table of constraints says that one event is told once: whatever comes here twice is left out
    tx.execute(tx.insert(notification).values(row).on_conflict_do_nothing())


def _row(tx: Transaction, kind: NotificationKind, data: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {"uid": uuid4().hex, "kind": kind, "at": tx.now, "data": dict(data), **more}
