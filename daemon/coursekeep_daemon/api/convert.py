"""Records of the store and the service, turned into answers of the API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from coursekeep_daemon.api import models
from coursekeep_daemon.expiry import CredentialsEnd
from coursekeep_daemon.notifications.records import Told
from coursekeep_daemon.runs.states import FINAL_ITEM, ItemStatus, RunStatus
from coursekeep_daemon.service import Hold, Preview, PreviewRow
from coursekeep_daemon.store import records

__all__ = ["integration_answer", "item_answer", "preview_answer", "run_answer", "short_params"]

#: what a list of runs shows of long parameters, such as the text of an uploaded CSV
_MAX_TEXT = 200
_MAX_LIST = 50

_FAILED = (ItemStatus.FAILED, ItemStatus.FAILED_REIMPORTED)

#: what an answer takes from a run as it is
_RUN_FIELDS = sorted(set(models.Run.model_fields) & {field.name for field in fields(records.Run)})


def run_answer(
    run: records.Run,
    hold: Hold | None,
    *,
    pauses: Sequence[Hold] = (),
    reimports: Sequence[int] = (),
    told: Told | None = None,
) -> models.Run:
    """Return a run with its progress, what holds it, the runs that take failed items of it again, and who was told."""
    params, cut = short_params(run.params)
    return models.Run.model_validate(
        {
            **{name: getattr(run, name) for name in _RUN_FIELDS},
            "params": params,
            "params_cut": cut,
            "include": list(run.options.get("include", [])),
            "exclude": list(run.options.get("exclude", [])),
            "progress": _progress(run),
            "hold": None if hold is None else models.Hold.model_validate(hold),
            "pauses": [models.Hold.model_validate(each) for each in pauses],
            "reimports": list(reimports),
            "told_at": None if told is None else told.told_at,
        }
    )


def integration_answer(
    integration: records.Integration, pauses: Sequence[Hold], end: CredentialsEnd | None = None
) -> models.Integration:
    """Return an integration with the pauses in force on it, and when its credentials end."""
    answer = models.Integration.model_validate(integration)
    return answer.model_copy(
        update={
            "pauses": [models.Hold.model_validate(each) for each in pauses],
            "credentials_end": None if end is None else models.CredentialsEnd.model_validate(end),
        }
    )


def item_answer(item: records.Item, hold: Hold | None, told: Told | None = None) -> models.Item:
    """Return an item; a hold of its run is its own as long as it is queued.

    `told` is when operators were told of its run, and so of the item, where that had failed by then.
    """
    answer = models.Item.model_validate(item)
    if item.status is ItemStatus.QUEUED and hold is not None:
        return answer.model_copy(update={"hold": models.Hold.model_validate(hold)})
    if told is not None and item.status in _FAILED and item.finished_at is not None and item.finished_at <= told.at:
        return answer.model_copy(update={"told_at": models.in_utc(told.told_at)})
    return answer


def preview_answer(preview: Preview) -> models.Preview:
    """Return what a run would take."""
    return models.Preview(
        rows=[_preview_row(row) for row in preview.rows],
        counts={str(status): count for status, count in preview.counts.items()},
        truncated=preview.truncated,
        cut_after=len(preview.rows) if preview.truncated else None,
        slot=preview.slot,
        before=preview.before,
    )


def _preview_row(row: PreviewRow) -> models.PreviewRow:
    course = row.course
    return models.PreviewRow(
        ref=row.ref,
        course_id=None if course is None else course.id,
        course_name=None if course is None else course.name,
        course_code=None if course is None else course.code,
        would=str(row.would),
        reason=None if row.reason is None else str(row.reason),
        detail=row.detail or None,
        pattern=row.pattern,
    )


def _progress(run: records.Run) -> models.Progress:
    done = sum(count for status, count in run.counts.items() if status in FINAL_ITEM)
    planned = run.status not in (RunStatus.QUEUED, RunStatus.PLANNING)
    percent = None
    if planned:
        percent = round(100 * done / run.total, 1) if run.total else 100.0
    return models.Progress(done=done, total=run.total, planned=planned, percent=percent)


def short_params(params: Mapping[str, Any]) -> tuple[dict[str, Any], bool]:
    """Cut long texts and lists: a run of 200,000 ids must not make every list megabytes long."""
    short = {name: _cut(value) for name, value in params.items()}
    return short, any(short[name] is not value for name, value in params.items())


def _cut(value: Any) -> Any:
    """Return the beginning of a long text or list, and anything else as it is."""
    if isinstance(value, str):
        return value if len(value) <= _MAX_TEXT else value[:_MAX_TEXT]
    if isinstance(value, (list, tuple)):
        return value if len(value) <= _MAX_LIST else list(value[:_MAX_LIST])
    return value
