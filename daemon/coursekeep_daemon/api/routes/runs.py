"""Runs: ask for one, look what it would take, follow it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime, Field

from coursekeep_daemon.api import models
from coursekeep_daemon.api.convert import item_answer, preview_answer, run_answer
from coursekeep_daemon.api.csv_export import items_csv
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing, Paging, listing
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Operator, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.api.uploads import NEW_RUN_BODY, read_new_run
from coursekeep_daemon.notifications.records import Told
from coursekeep_daemon.runs.states import FINAL_RUN, ItemStatus, RunStatus
from coursekeep_daemon.service import Hold, RunRequest, Service
from coursekeep_daemon.store import Slice, records

__all__ = ["known_run", "router", "show", "shown_runs"]

router = APIRouter(tags=["runs"])


class RunFilter(Paging):
    """Which runs to list."""

    status: RunStatus | None = Field(None, description="Only runs in this status.")
    integration: str | None = Field(None, description="Only runs of this integration.")
    schedule: str | None = Field(None, description="Only runs of this schedule, those started by hand included.")
    created_since: AwareDatetime | None = Field(None, description="Only runs created at or after this moment.")
    created_before: AwareDatetime | None = Field(None, description="Only runs created before this moment.")


class ItemFilter(Paging):
    """Which items to list."""

    status: ItemStatus | None = Field(None, description="Only items in this status.")


@router.post("/runs", status_code=202, summary="Start a run", response_model=models.Run, openapi_extra=NEW_RUN_BODY)
async def start_run(
    request: Request,
    response: Response,
    service: Daemon,
    caller: Operator,
    idempotency_key: Annotated[
        str | None,
        Header(min_length=1, max_length=200, description="The same key with the same body starts one run only."),
    ] = None,
) -> models.Run:
    """Start a run and return it; the archiving goes on in the daemon.

    With an `Idempotency-Key` that the caller used before, the earlier run is returned, and `Idempotent-Replayed: true`.
    """
    new = await read_new_run(request)
    async with caller.audited("run.start", new.integration, source=new.source) as entry:
        with domain_errors():
            run, created = await service.start_run(_asked(new), by=caller.name, idempotency_key=idempotency_key)
        entry.target = f"run {run.id}"
        entry.detail["integration"] = run.integration
    response.headers["Location"] = f"/api/v1/runs/{run.id}"
    if not created:
        response.headers["Idempotent-Replayed"] = "true"
    return await show(service, run)


@router.post("/runs/preview", summary="Preview a run", response_model=models.Preview, openapi_extra=NEW_RUN_BODY)
async def preview_run(
    request: Request,
    service: Daemon,
    caller: Operator,
    limit: Annotated[int, Query(ge=1, le=10_000, description="Most courses to look at.")] = 1000,
) -> models.Preview:
    """Show the courses that a run would take, and what would become of each. Asks the LMS; writes nothing."""
    new = await read_new_run(request)
    with domain_errors():
        return preview_answer(await service.preview(_asked(new), limit=limit))


@router.get("/runs", summary="List runs")
async def list_runs(
    request: Request, response: Response, service: Daemon, caller: Reader, asked: Annotated[RunFilter, Query()]
) -> Listing[models.Run]:
    """List runs, newest first."""
    with domain_errors():
        part = await service.store.runs(**asked.model_dump())
        shown = await shown_runs(service, part.items)
    return listing(request, response, Slice(items=shown, next_cursor=part.next_cursor), lambda run: run)


@router.get("/runs/{run_id}", summary="Show a run")
async def show_run(run_id: int, service: Daemon, caller: Reader) -> models.Run:
    """Show one run: counts per status, progress, and what holds it."""
    return await show(service, await known_run(service, run_id))


@router.get("/runs/{run_id}/items", summary="List the items of a run")
async def list_items(
    run_id: int,
    request: Request,
    response: Response,
    service: Daemon,
    caller: Reader,
    asked: Annotated[ItemFilter, Query()],
) -> Listing[models.Item]:
    """List the items of a run in the order they were found."""
    hold = await _hold(service, run_id)
    with domain_errors():
        part = await service.store.items(run_id, **asked.model_dump())
        told = (await service.store.told([run_id])).get(run_id)
    return listing(request, response, part, lambda item: item_answer(item, hold, told))


@router.get(
    "/runs/{run_id}/items.csv",
    summary="Download the items of a run as CSV",
    response_class=StreamingResponse,
    responses={200: {"content": {"text/csv": {"schema": {"type": "string"}}}}},
)
async def export_items(
    run_id: int,
    service: Daemon,
    caller: Reader,
    status: Annotated[ItemStatus | None, Query(description="Only items in this status.")] = None,
) -> StreamingResponse:
    """Download every item with its reason.

    The file is UTF-8 with a byte order mark. Cells that a spreadsheet would take for a formula get an apostrophe.
    """
    await known_run(service, run_id)
    return StreamingResponse(
        items_csv(service.store.iter_items(run_id, status)),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="run-{run_id}-items.csv"'},
    )


@router.get("/items/{item_id}", summary="Show an item")
async def show_item(item_id: int, service: Daemon, caller: Reader) -> models.Item:
    """Show one item: what became of one course in one run, and why."""
    found = await service.store.item(item_id)
    if found is None:
        raise Problem(404, "not-found", f"There is no item {item_id}. GET /api/v1/runs/RUN/items lists those of a run.")
    told = (await service.store.told([found.run_id])).get(found.run_id)
    return item_answer(found, await _hold(service, found.run_id), told)


async def show(service: Service, run: records.Run) -> models.Run:
    """Return a run as the API shows it."""
    with domain_errors():
        return (await shown_runs(service, [run]))[0]


async def shown_runs(service: Service, runs: Sequence[records.Run]) -> list[models.Run]:
    """Return runs as the API shows them."""
    ids = [run.id for run in runs]
    reimports, told = await service.store.reimports(ids), await service.store.told(ids)
    return [_shown(service, run, reimports, told) for run in runs]


def _shown(
    service: Service, run: records.Run, reimports: Mapping[int, list[int]], told: Mapping[int, Told]
) -> models.Run:
    """Return a run as the API shows it, where its reimports are known, and whether operators were told."""
    pauses = service.pauses(run.integration, run) if run.status not in FINAL_RUN else []
    return run_answer(run, service.hold(run), pauses=pauses, reimports=reimports.get(run.id, []), told=told.get(run.id))


def _asked(new: models.NewRun) -> RunRequest:
    return RunRequest(**new.model_dump())


async def known_run(service: Service, run_id: int) -> records.Run:
    """Return a run, or answer 404."""
    return _known(await service.store.run(run_id), run_id)


async def _hold(service: Service, run_id: int) -> Hold | None:
    """Return what holds a run, or answer 404."""
    return service.hold(_known(await service.store.run_in_brief(run_id), run_id))


def _known(found: records.Run | None, run_id: int) -> records.Run:
    if found is None:
        raise Problem(404, "not-found", f"There is no run {run_id}. GET /api/v1/runs lists all.")
    return found
