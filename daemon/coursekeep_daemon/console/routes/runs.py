"""One run: how far it is, what holds it, what became of each course; and what an operator does about it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from fastapi import APIRouter, Request, Response
from fastapi.responses import StreamingResponse

from coursekeep_daemon.api import models
from coursekeep_daemon.api.convert import item_answer
from coursekeep_daemon.api.csv_export import items_csv
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.routes.runs import known_run, show
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.filters import Filter, next_page
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.security import Operator, Viewer, Visit
from coursekeep_daemon.console.words import FAIL_REASONS, GAP_REASONS, ITEM_STATUSES, RUN_STATUSES, SKIP_REASONS
from coursekeep_daemon.runs.states import FINAL_RUN, ItemStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import AuditEvent, PauseLevel

__all__ = ["router"]

router = APIRouter()

_ITEMS_PER_PAGE = 50
_MOST_TOLD = 200

#: what the timeline says of an operator's action
_ACTIONS = {
    "run.pause": "Paused",
    "run.resume": "Resumed",
    "run.cancel": "Canceled",
    "run.reimport": "Failed courses put into a new run",
}


@dataclass(frozen=True, kw_only=True)
class Moment:
    """Something that happened to a run."""

    at: datetime
    what: str
    who: str | None = None
    #: run that it led to
    run: int | None = None


@router.get("/runs/{run_id}")
async def run_page(run_id: int, request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show a run and its items."""
    asked = Filter.of(request, status=ItemStatus)
    stored = await known_run(service, run_id)
    run, hold = await show(service, stored), service.holds.hold(stored)
    with domain_errors():
        part = await service.store.items(run_id, limit=_ITEMS_PER_PAGE, cursor=asked.cursor, **asked.values(visit.zone))
        told = (await service.store.told([run_id])).get(run_id)
        events = (await service.store.audit_events(target=f"run {run_id}", limit=_MOST_TOLD)).items
    return page(
        request,
        "run.html",
        run=run,
        items=[item_answer(item, hold, told) for item in part.items],
        asked=asked,
        next=next_page(request, part.next_cursor),
        moments=_moments(run, [e for e in events if e.result == "done"]),
        ended=run.status in FINAL_RUN,
        paused_itself=any(pause.level == PauseLevel.RUN for pause in run.pauses),
        failed=run.counts[ItemStatus.FAILED],
    )


@router.get("/runs/{run_id}/items.csv")
async def run_csv(run_id: int, request: Request, service: Daemon, visit: Viewer) -> Response:
    """Download every item with its reason."""
    await known_run(service, run_id)
    status = Filter.of(request, status=ItemStatus).values(visit.zone).get("status")
    return StreamingResponse(
        items_csv(service.store.iter_items(run_id, status)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="run-{run_id}-items.csv"'},
    )


@router.get("/statuses")
async def statuses(request: Request, visit: Viewer) -> Response:
    """Define every status and reason."""
    return page(
        request,
        "statuses.html",
        tables=[
            ("Courses within a run", ITEM_STATUSES),
            ("Why a course failed", FAIL_REASONS),
            ("Why a course was skipped", SKIP_REASONS),
            ("Why something is a gap", GAP_REASONS),
            ("Runs", RUN_STATUSES),
        ],
    )


@router.post("/runs/{run_id}/pause")
async def pause_run(run_id: int, request: Request, service: Daemon, visit: Operator) -> Response:
    """Let no further course of this run begin."""
    await _control(service, visit, run_id, "pause")
    return see_other(request, f"/runs/{run_id}", "The run is paused. What is being archived finishes.")


@router.post("/runs/{run_id}/resume")
async def resume_run(run_id: int, request: Request, service: Daemon, visit: Operator) -> Response:
    """End the pause of this run."""
    await _control(service, visit, run_id, "resume")
    return see_other(request, f"/runs/{run_id}", "The run goes on.")


@router.post("/runs/{run_id}/cancel")
async def cancel_run(run_id: int, request: Request, service: Daemon, visit: Operator) -> Response:
    """End a paused run for good."""
    await known_run(service, run_id)
    async with visit.audited("run.cancel", f"run {run_id}"):
        with domain_errors():
            await service.control.cancel(run_id, by=visit.name)
    return see_other(request, f"/runs/{run_id}", "The run is canceled. Packages that were written stay.")


@router.post("/runs/{run_id}/reimport")
async def reimport_run(run_id: int, request: Request, service: Daemon, visit: Operator) -> Response:
    """Take failed items again in a new run: those ticked, or all."""
    await known_run(service, run_id)
    chosen = None if visit.form.get("all") else _item_ids(visit.form.getlist("items"))
    if chosen == []:
        return see_other(request, f"/runs/{run_id}?status=failed", "Tick the courses to reimport first.", tone="bad")
    async with visit.audited("run.reimport", f"run {run_id}") as entry:
        with domain_errors():
            run, _ = await service.control.reimport(run_id, chosen, by=visit.name)
        entry.detail.update(new_run=run.id, items=run.total)
    courses = "1 course" if run.total == 1 else f"{run.total:,} courses"
    return see_other(request, f"/runs/{run.id}", f"This run takes {courses} of run {run_id} again.")


async def _control(service: Service, visit: Visit, run_id: int, action: str) -> None:
    await known_run(service, run_id)
    async with visit.audited(f"run.{action}", f"run {run_id}"):
        with domain_errors():
            change = service.control.pause if action == "pause" else service.control.resume
            await change(PauseLevel.RUN, str(run_id), by=visit.name)


def _item_ids(values: Sequence[object]) -> list[int]:
    ids = [int(text) for text in map(str, values) if text.isdecimal() and len(text) < 19]
    if len(ids) != len(values):
        raise Problem(422, "invalid", "A ticked item has no number. Reload the page, and tick again.")
    return ids


def _moments(run: models.Run, events: Sequence[AuditEvent]) -> list[Moment]:
    """Put together what happened to a run, oldest first."""
    found = [Moment(at=run.created_at, what="Created", who=run.created_by)]
    if run.started_at:
        found.append(Moment(at=run.started_at, what="Began"))
    if run.finished_at:
        found.append(Moment(at=run.finished_at, what="Ended"))
    for event in events:
        what = _ACTIONS.get(event.action)
        if what:
            found.append(Moment(at=event.at, what=what, who=event.who, run=event.detail.get("new_run")))
    return sorted(found, key=lambda moment: moment.at)
