"""One integration: how it stands, what its last check found, its terms."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.routes.imports import tile_of
from coursekeep_daemon.console.security import Operator, Viewer, Visit
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import Integration, PauseLevel

__all__ = ["router"]

router = APIRouter()


@router.get("/integrations/{name}")
async def integration_page(name: str, request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show an integration."""
    found = await _known(service, name)
    schedules = [each for each in await service.store.schedules() if each.integration == name]
    return page(
        request,
        "integration.html",
        tile=tile_of(service, found, await service.store.open_work(), {}),
        terms=await service.store.terms(name),
        schedules=[(each, service.next_fire(each)) for each in schedules],
    )


@router.post("/integrations/{name}/check")
async def check(name: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """Run the connector's check."""
    await _known(service, name)
    async with visit.audited("integration.check", name) as entry:
        with domain_errors():
            steps = await service.check(name)
        entry.detail["ok"] = all(step.ok for step in steps)
    failed = next((step for step in steps if not step.ok), None)
    if failed is None:
        return see_other(request, f"/integrations/{name}", "Every step of the check is well.")
    return see_other(request, f"/integrations/{name}", f"The check failed at: {failed.name}.", tone="bad")


@router.post("/integrations/{name}/terms/refresh")
async def refresh_terms(name: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """Read the terms again."""
    await _known(service, name)
    async with visit.audited("terms.refresh", name) as entry:
        with domain_errors():
            count = await service.refresh_terms(name)
        entry.detail["count"] = count
    return see_other(request, f"/integrations/{name}#terms", f"The terms were read again: the LMS has {count:,}.")


@router.post("/integrations/{name}/pause")
async def pause(name: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """Let no course of this integration begin."""
    async with visit.audited("integration.pause", name):
        with domain_errors():
            await service.control.pause(PauseLevel.INTEGRATION, name, by=visit.name)
    return see_other(request, _back(visit, name), f"{name} is paused. What is being archived finishes.")


@router.post("/integrations/{name}/resume")
async def resume(name: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """End the pause of this integration."""
    async with visit.audited("integration.resume", name):
        with domain_errors():
            await service.control.resume(PauseLevel.INTEGRATION, name, by=visit.name)
    return see_other(request, _back(visit, name), f"{name} goes on.")


def _back(visit: Visit, name: str) -> str:
    """Return the page that the button was on."""
    return "/" if visit.form.get("from") == "imports" else f"/integrations/{name}"


async def _known(service: Service, name: str) -> Integration:
    found = await service.store.integration(name)
    if found is None:
        raise Problem(404, "not-found", f"There is no integration {name!r}.")
    return found
