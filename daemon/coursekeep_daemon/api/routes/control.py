"""Run control: pause and resume at three levels, cancel, reimport. Of two callers at once, one gets a 409."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import APIRouter, Header, Response

from coursekeep_daemon.api import models
from coursekeep_daemon.api.convert import integration_answer
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing
from coursekeep_daemon.api.routes.runs import known_run, show
from coursekeep_daemon.api.security import Caller, Operator, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import PauseLevel

__all__ = ["router"]

router = APIRouter(tags=["run control"])


@router.get("/pauses", summary="List pauses")
async def list_pauses(service: Daemon, caller: Reader) -> Listing[models.Pause]:
    """List the pauses in force at all levels, oldest first."""
    return await _pauses(service)


@router.post("/pause", summary="Pause all")
async def pause_all(service: Daemon, caller: Operator) -> Listing[models.Pause]:
    """Let no course begin anywhere; those being archived finish. Answers the pauses then in force."""
    async with _audited(caller, "all.pause", "all"):
        await service.control.pause(PauseLevel.ALL, by=caller.name)
    return await _pauses(service)


@router.post("/resume", summary="Resume all")
async def resume_all(service: Daemon, caller: Operator) -> Listing[models.Pause]:
    """End the pause of all. Pauses of integrations and runs stay. Answers the pauses then in force."""
    async with _audited(caller, "all.resume", "all"):
        await service.control.resume(PauseLevel.ALL, by=caller.name)
    return await _pauses(service)


@router.post("/integrations/{name}/pause", summary="Pause an integration")
async def pause_integration(name: str, service: Daemon, caller: Operator) -> models.Integration:
    """Let no course of this integration begin; those being archived finish."""
    async with _audited(caller, "integration.pause", name):
        await service.control.pause(PauseLevel.INTEGRATION, name, by=caller.name)
    return await _integration(service, name)


@router.post("/integrations/{name}/resume", summary="Resume an integration")
async def resume_integration(name: str, service: Daemon, caller: Operator) -> models.Integration:
    """End the pause of this integration. A pause of all, and those of its runs, stay."""
    async with _audited(caller, "integration.resume", name):
        await service.control.resume(PauseLevel.INTEGRATION, name, by=caller.name)
    return await _integration(service, name)


@router.post("/runs/{run_id}/pause", summary="Pause a run")
async def pause_run(run_id: int, service: Daemon, caller: Operator) -> models.Run:
    """Let no further course of this run begin; those being archived finish. 409 for a run that has ended."""
    await known_run(service, run_id)
    async with _audited(caller, "run.pause", f"run {run_id}"):
        await service.control.pause(PauseLevel.RUN, str(run_id), by=caller.name)
    return await show(service, await known_run(service, run_id))


@router.post("/runs/{run_id}/resume", summary="Resume a run")
async def resume_run(run_id: int, service: Daemon, caller: Operator) -> models.Run:
    """End the pause of this run. A pause of all or of its integration stays, and is shown."""
    await known_run(service, run_id)
    async with _audited(caller, "run.resume", f"run {run_id}"):
        await service.control.resume(PauseLevel.RUN, str(run_id), by=caller.name)
    return await show(service, await known_run(service, run_id))


@router.post("/runs/{run_id}/cancel", summary="Cancel a paused run")
async def cancel_run(run_id: int, service: Daemon, caller: Operator) -> models.Run:
    """End a run for good: what is queued is canceled, what is being archived finishes.

    The run must be paused, at any level; else 409.
    """
    async with _audited(caller, "run.cancel", f"run {run_id}"):
        run = await service.control.cancel(run_id, by=caller.name)
    return await show(service, run)


@router.post("/runs/{run_id}/reimport", status_code=202, summary="Take failed items again")
async def reimport_run(
    run_id: int,
    response: Response,
    service: Daemon,
    caller: Operator,
    asked: models.NewReimport | None = None,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=200, description="The same key with the same body starts one run only."),
    ] = None,
) -> models.Run:
    """Start a run that takes failed items of this one again, and return it.

    Without `items`: all that failed and are not under way. 409 where there are none, or a chosen one is under way.
    """
    asked = asked or models.NewReimport()
    async with _audited(caller, "run.reimport", f"run {run_id}") as detail:
        run, created = await service.control.reimport(
            run_id, asked.items, by=caller.name, note=asked.note, idempotency_key=idempotency_key
        )
        detail |= {"new_run": run.id, "items": run.total}
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    if not created:
        response.headers["Idempotent-Replayed"] = "true"
    return await show(service, run)


@asynccontextmanager
async def _audited(caller: Caller, action: str, target: str) -> AsyncIterator[dict[str, object]]:
    """Audit what happens inside, errors of the rooms behind included, and give the event's detail to be filled."""
    async with caller.audited(action, target) as entry:
        with domain_errors():
            yield entry.detail


async def _pauses(service: Service) -> Listing[models.Pause]:
    with domain_errors():
        found = await service.control.pauses()
    return Listing(items=[models.Pause.model_validate(each) for each in found])


async def _integration(service: Service, name: str) -> models.Integration:
    with domain_errors():
        found = await service.store.integration(name)
    assert found is not None  # integrations are never deleted
    return integration_answer(found, service.holds.pauses(name))
