"""Schedules: all of them, one with what it would take next, and the buttons for both."""

from __future__ import annotations

import secrets

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.routes.runs import shown_runs
from coursekeep_daemon.api.routes.schedules import refuse_declared
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.routes.new_import import PREVIEW_ROWS
from coursekeep_daemon.console.schedule_view import schedule_views
from coursekeep_daemon.console.security import Administrator, Operator, Viewer, Visit
from coursekeep_daemon.service import Preview, Service
from coursekeep_daemon.store import Schedule

__all__ = ["known_schedule", "router"]

router = APIRouter()

_RUNS_SHOWN = 10
_LONGEST_KEY = 100


@router.get("/schedules")
async def schedules_page(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show all schedules."""
    views = await schedule_views(service, await service.store.schedules(), visit.zone)
    return page(request, "schedules.html", views=views, integrations=sorted(service.settings.integrations))


@router.get("/schedules/{name}")
async def schedule_page(name: str, request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show a schedule, its next times and its runs."""
    return await _page(request, service, visit, await known_schedule(service, name))


@router.get("/schedules/{name}/preview")
async def preview_address(name: str, request: Request, visit: Viewer) -> Response:
    """Lead to the schedule: only the button asks the LMS, not whoever reads the address again."""
    return see_other(request, f"/schedules/{name}")


@router.post("/schedules/{name}/preview")
async def preview_schedule(name: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """Show what the next run would take, of what the LMS has now. Writes nothing."""
    schedule = await known_schedule(service, name)
    try:
        with domain_errors():
            preview = await service.preview_schedule(name, limit=PREVIEW_ROWS)
    except Problem as problem:
        return await _page(request, service, visit, schedule, problem=problem)
    return await _page(request, service, visit, schedule, preview=preview)


@router.post("/schedules/{name}/run")
async def run_schedule(name: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """Start now what the schedule would start if it were due."""
    await known_schedule(service, name)
    sent = str(visit.form.get("key", ""))
    key = sent if 0 < len(sent) <= _LONGEST_KEY else secrets.token_urlsafe(24)
    async with visit.audited("schedule.run", name) as entry:
        with domain_errors():
            run, created = await service.run_schedule(name, by=visit.name, idempotency_key=f"console {key}")
        entry.detail["run"] = run.id
    said = f"Run {run.id} is started." if created else f"That form had started run {run.id} already."
    return see_other(request, f"/runs/{run.id}", said)


@router.post("/schedules/{name}/enable")
async def enable_schedule(name: str, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Let it start runs again."""
    await _switch(service, visit, name, enabled=True)
    return see_other(request, f"/schedules/{name}", f"{name} is enabled: it starts its next run when that is due.")


@router.post("/schedules/{name}/disable")
async def disable_schedule(name: str, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Let it start no more runs; those that it started go on."""
    await _switch(service, visit, name, enabled=False)
    return see_other(request, f"/schedules/{name}", f"{name} is disabled: it starts nothing. Its runs go on.")


@router.post("/schedules/{name}/delete")
async def delete_schedule(name: str, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Forget a schedule. Its runs stay."""
    async with visit.audited("schedule.delete", name):
        refuse_declared(await known_schedule(service, name))
        with domain_errors():
            await service.delete_schedule(name, by=visit.name)
    return see_other(request, "/schedules", f"The schedule {name} is deleted. Its runs and their packages stay.")


async def known_schedule(service: Service, name: str) -> Schedule:
    """Return a schedule. Raises a problem where there is none of that name."""
    found = await service.store.schedule(name)
    if found is None:
        raise Problem(404, "not-found", f"There is no schedule {name!r}.")
    return found


async def _switch(service: Service, visit: Visit, name: str, *, enabled: bool) -> None:
    async with visit.audited("schedule.change", name, fields=["enabled"]):
        refuse_declared(await known_schedule(service, name))
        with domain_errors():
            await service.update_schedule(name, {"enabled": enabled}, by=visit.name)


async def _page(
    request: Request,
    service: Service,
    visit: Visit,
    schedule: Schedule,
    *,
    preview: Preview | None = None,
    problem: Problem | None = None,
) -> Response:
    with domain_errors():
        part = await service.store.runs(schedule=schedule.name, limit=_RUNS_SHOWN)
        runs = await shown_runs(service, part.items)
    (view,) = await schedule_views(service, [schedule], visit.zone)
    return page(
        request,
        "schedule.html",
        200 if problem is None else problem.status,
        view=view,
        runs=runs,
        more_runs=part.next_cursor is not None,
        key=secrets.token_urlsafe(24),
        preview=preview,
        preview_rows=PREVIEW_ROWS,
        problem=problem,
    )
