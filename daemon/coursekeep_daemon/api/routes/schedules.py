"""Schedules: rules that start runs. Those declared in settings.toml are shown, and edited there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Response

from coursekeep_daemon.api import models
from coursekeep_daemon.api.convert import preview_answer, short_params
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing
from coursekeep_daemon.api.models_schedules import DraftSchedule, NewSchedule, Schedule, ScheduleChange
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.routes.runs import show
from coursekeep_daemon.api.security import Admin, Operator, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import records

__all__ = ["refuse_declared", "router"]

router = APIRouter(tags=["schedules"])


@router.get("/schedules", summary="List schedules")
async def list_schedules(service: Daemon, caller: Reader) -> Listing[Schedule]:
    """List all schedules with their next ticks and what became of the last."""
    return Listing(items=await _answers(service, await service.store.schedules(), short=True))


@router.post("/schedules", status_code=201, summary="Add a schedule")
async def add_schedule(new: NewSchedule, response: Response, service: Daemon, caller: Admin) -> Schedule:
    """Add a schedule. It holds until it is deleted, over restarts."""
    async with caller.audited("schedule.add", new.name, integration=new.integration, cron=new.cron):
        with domain_errors():
            made = await service.create_schedule(new.model_dump(), by=caller.name)
    response.headers["Location"] = f"/api/v1/schedules/{made.name}"
    return await _answer(service, made)


@router.get("/schedules/{name}", summary="Show a schedule")
async def show_schedule(name: str, service: Daemon, caller: Reader) -> Schedule:
    """Show one schedule."""
    return await _answer(service, await _known(service, name))


@router.patch("/schedules/{name}", summary="Change a schedule")
async def change_schedule(name: str, new: ScheduleChange, service: Daemon, caller: Admin) -> Schedule:
    """Change the fields that the body names; with `revision`, only if nobody else has changed it meanwhile."""
    changes = _changes(new)
    async with caller.audited("schedule.change", name, fields=sorted(changes)):
        refuse_declared(await _known(service, name))
        with domain_errors():
            changed = await service.update_schedule(name, changes, by=caller.name, revision=new.revision)
    return await _answer(service, changed)


@router.delete("/schedules/{name}", status_code=204, summary="Delete a schedule")
async def delete_schedule(name: str, service: Daemon, caller: Admin) -> None:
    """Delete a schedule. Runs that it started stay."""
    async with caller.audited("schedule.delete", name):
        refuse_declared(await _known(service, name))
        with domain_errors():
            await service.delete_schedule(name, by=caller.name)


@router.post("/schedules/preview", summary="Preview a schedule that is not stored")
async def preview_new_schedule(
    new: DraftSchedule,
    service: Daemon,
    caller: Operator,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Most courses to look at.")] = 1000,
) -> models.Preview:
    """Show what the next tick of a rule would take, before it is added. Asks the LMS; writes nothing."""
    with domain_errors():
        return preview_answer(await service.preview_new_schedule(new.model_dump(), limit=limit))


@router.post("/schedules/{name}/run", status_code=202, summary="Run a schedule now")
async def run_schedule(
    name: str,
    response: Response,
    service: Daemon,
    caller: Operator,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=200, description="The same key starts one run only.")
    ] = None,
) -> models.Run:
    """Start now what the schedule would start if it were due. Its own ticks stay as they are."""
    async with caller.audited("schedule.run", name) as entry:
        await _known(service, name)
        with domain_errors():
            run, created = await service.run_schedule(name, by=caller.name, idempotency_key=idempotency_key)
        entry.detail["run"] = run.id
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    if not created:
        response.headers["Idempotent-Replayed"] = "true"
    return await show(service, run)


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


async def _answer(service: Service, schedule: records.Schedule) -> Schedule:
    (answer,) = await _answers(service, [schedule])
    return answer


async def _answers(service: Service, schedules: Sequence[records.Schedule], *, short: bool = False) -> list[Schedule]:
    """Return schedules with their next ticks and the states of their last runs, which are asked for at once."""
    statuses = await service.store.run_statuses([one.last_run_id for one in schedules if one.last_run_id is not None])
    answers = []
    for one in schedules:
        params, cut = short_params(one.params) if short else (one.params, False)
        moment = service.next_fire(one)
        more = {
            "params": params,
            "params_cut": cut,
            "next_fire_at": None if moment is None else models.in_utc(moment),
            "next_fire_times": [models.in_utc(each) for each in service.next_fires(one)],
            "last_run_status": statuses.get(one.last_run_id or 0),
        }
        answers.append(Schedule.model_validate(one).model_copy(update=more))
    return answers


def _changes(new: ScheduleChange) -> Mapping[str, Any]:
    changes = new.model_dump(exclude_unset=True, exclude={"revision"})
    if not changes:
        raise Problem(422, "invalid", "The body names no field to change.")
    for name, value in changes.items():
        if value is None and name != "ended_for":
            raise Problem(422, "invalid", f"body.{name} cannot be null. Leave it out to keep what it is.")
    return changes


def refuse_declared(schedule: records.Schedule) -> None:
    """Raise a problem for a schedule that is edited in settings.toml only."""
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
