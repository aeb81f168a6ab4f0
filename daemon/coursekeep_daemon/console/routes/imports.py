"""The first page: a tile for each integration, and the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.routes.runs import shown_runs
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.chart import Chart, draw, first_day
from coursekeep_daemon.console.filters import Filter, next_page
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.security import Operator, Viewer
from coursekeep_daemon.console.words import RUN_STATUSES
from coursekeep_daemon.expiry import CredentialsEnd
from coursekeep_daemon.runs.holds import HoldLevel
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.service import Hold, Service
from coursekeep_daemon.store import Integration, PauseLevel

__all__ = ["Tile", "router", "tile_of"]

router = APIRouter()

_RUNS_PER_PAGE = 25


@dataclass(frozen=True, kw_only=True)
class Tile:
    """What the first page says of an integration."""

    integration: Integration
    #: whether the settings name it, so that it can be worked with
    configured: bool
    pauses: Sequence[Hold]
    #: what is in its way besides pauses
    trouble: Hold | None
    queued: int
    processing: int
    #: when its credentials end; None where nobody says
    ends: CredentialsEnd | None
    #: the schedule that is due next, and when
    next_schedule: tuple[str, datetime] | None

    @property
    def address(self) -> str:
        """Where the LMS is."""
        return str(self.integration.source.get("base_url", ""))

    @property
    def failed_step(self) -> str | None:
        """The first step of the last check that failed."""
        return next((step["name"] for step in self.integration.check_steps if not step["ok"]), None)

    @property
    def paused_itself(self) -> bool:
        """Whether there is a pause of this very integration to resume."""
        return any(pause.level is HoldLevel.INTEGRATION for pause in self.pauses)


@router.get("/")
async def imports(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show all integrations and the newest runs."""
    asked = Filter.of(
        request, status=RunStatus, integration=str, schedule=str, created_since="day", created_before="day"
    )
    with domain_errors():
        part = await service.store.runs(limit=_RUNS_PER_PAGE, cursor=asked.cursor, **asked.values(visit.zone))
        runs = await shown_runs(service, part.items)
    return page(
        request,
        "imports.html",
        tiles=await _tiles(service),
        runs=runs,
        asked=asked,
        next=next_page(request, part.next_cursor),
        statuses=RUN_STATUSES,
        chart=await _chart(service),
        damaged=(await service.fixity.view.counts()).open,
        paused=any(hold.level is HoldLevel.ALL for hold in service.holds.overall()),
    )


@router.post("/pause")
async def pause_all(request: Request, service: Daemon, visit: Operator) -> Response:
    """Let no course begin, of any integration."""
    async with visit.audited("all.pause", "all"):
        with domain_errors():
            await service.control.pause(PauseLevel.ALL, by=visit.name)
    return see_other(request, "/", "All imports are paused. What is being archived finishes.")


@router.post("/resume")
async def resume_all(request: Request, service: Daemon, visit: Operator) -> Response:
    """End the pause of all."""
    async with visit.audited("all.resume", "all"):
        with domain_errors():
            await service.control.resume(PauseLevel.ALL, by=visit.name)
    return see_other(request, "/", "All imports go on, except those that are paused themselves.")


async def _chart(service: Service) -> Chart:
    today = service.clock().astimezone(UTC).date()
    return draw(await service.store.archived_per_day(first_day(today)), today)


async def _tiles(service: Service) -> list[Tile]:
    work, due = await service.store.open_work(), await _due(service)
    return [tile_of(service, each, work, due) for each in await service.store.integrations()]


def tile_of(
    service: Service,
    integration: Integration,
    work: Mapping[str, tuple[int, int]],
    due: Mapping[str, tuple[str, datetime]],
) -> Tile:
    """Put together what is shown of an integration."""
    name = integration.name
    queued, processing = work.get(name, (0, 0))
    return Tile(
        integration=integration,
        configured=name in service.settings.integrations,
        pauses=service.holds.pauses(name),
        trouble=service.holds.trouble(name),
        ends=service.expiry.of(name),
        queued=queued,
        processing=processing,
        next_schedule=due.get(name),
    )


async def _due(service: Service) -> dict[str, tuple[str, datetime]]:
    """Return for each integration the schedule that is due first."""
    first: dict[str, tuple[str, datetime]] = {}
    for schedule in await service.store.schedules():
        moment = service.next_fire(schedule)
        known = first.get(schedule.integration)
        if moment is not None and (known is None or moment < known[1]):
            first[schedule.integration] = (schedule.name, moment)
    return first
