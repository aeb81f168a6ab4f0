"""Schedules: rules that start runs. Those declared in settings.toml are shown, and edited there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response

from coursekeep_daemon.api import models
from coursekeep_daemon.api.convert import preview_answer
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Admin, Operator, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import records

__all__ = ["router"]

router = APIRouter(tags=["schedules"])


@router.get("/schedules", summary="List schedules")
async def list_schedules(service: Daemon, caller: Reader) -> Listing[models.Schedule]:
    """List all schedules with their next tick."""
    return Listing(items=[_answer(service, each) for each in await service.store.schedules()])


@router.post("/schedules", status_code=201, summary="Add a schedule")
async def add_schedule(new: models.NewSchedule, response: Response, service: Daemon, caller: Admin) -> models.Schedule:
    """Add a schedule. It holds until it is deleted, over restarts."""
    async with caller.audited("schedule.add", new.name, integration=new.integration, cron=new.cron):
        with domain_errors():
            made = await service.create_schedule(new.model_dump(), by=caller.name)
    response.headers["Location"] = f"/api/v1/schedules/{made.name}"
    return _answer(service, made)


@router.get("/schedules/{name}", summary="Show a schedule")
async def show_schedule(name: str, service: Daemon, caller: Reader) -> models.Schedule:
    """Show one schedule."""
    return _answer(service, await _known(service, name))


@router.patch("/schedules/{name}", summary="Change a schedule")
async def change_schedule(name: str, new: models.ScheduleChange, service: Daemon, caller: Admin) -> models.Schedule:
    """Change the fields that the body names."""
    changes = _changes(new)
    async with caller.audited("schedule.change", name, fields=sorted(changes)):
        _refuse_declared(await _known(service, name))
        with domain_errors():
            changed = await service.update_schedule(name, changes, by=caller.name)
    return _answer(service, changed)


@router.delete("/schedules/{name}", status_code=204, summary="Delete a schedule")
async def delete_schedule(name: str, service: Daemon, caller: Admin) -> None:
    """Delete a schedule. Runs that it started stay."""
    async with caller.audited("schedule.delete", name):
        _refuse_declared(await _known(service, name))
        with domain_errors():
            await service.delete_schedule(name, by=caller.name)


@router.get("/schedules/{name}/preview", summary="Preview a schedule")
async def preview_schedule(
    name: str,
    service: Daemon,
    caller: Operator,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Most courses to look at.")] = 1000,
) -> models.Preview:
    """Show what the next tick would take. Asks the LMS; writes nothing."""
    await _known(service, name)
    with domain_errors():
        return preview_answer(await service.preview_schedule(name, limit=limit))


def _answer(service: Service, schedule: records.Schedule) -> models.Schedule:
    answer = models.Schedule.model_validate(schedule)
    moment = service.scheduler.next_fire(schedule.name) if schedule.enabled else None
    return answer.model_copy(update={"next_fire_at": None if moment is None else models.in_utc(moment)})


def _changes(new: models.ScheduleChange) -> Mapping[str, Any]:
    changes = new.model_dump(exclude_unset=True)
    if not changes:
        raise Problem(422, "invalid", "The body names no field to change.")
    for name, value in changes.items():
        if value is None and name != "ended_for":
            raise Problem(422, "invalid", f"body.{name} cannot be null. Leave it out to keep what it is.")
    return changes


def _refuse_declared(schedule: records.Schedule) -> None:
    if schedule.declared:
        detail = (
            f"Schedule {schedule.name!r} is declared in settings.toml. Edit it there, under "
            f"[schedules.{schedule.name}], and restart the daemon."
        )
        raise Problem(409, "conflict", detail)


async def _known(service: Service, name: str) -> records.Schedule:
    found = await service.store.schedule(name)
    if found is None:
        raise Problem(404, "not-found", f"There is no schedule {name!r}. GET /api/v1/schedules lists all.")
    return found
