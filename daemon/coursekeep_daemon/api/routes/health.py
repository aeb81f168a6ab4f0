"""Is the daemon alive, can it work, and what does it count."""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST

from coursekeep_daemon.api import models
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Reader
from coursekeep_daemon.api.state import Daemon, closing_of

__all__ = ["router"]

router = APIRouter(tags=["health"])


@router.get("/health", summary="Tell whether the process answers")
async def health() -> models.Health:
    """Answer as soon as the process serves requests. Needs no token, and tells nothing but that."""
    return models.Health(version=version("coursekeep"))


@router.get("/ready", summary="Tell whether the daemon can work")
async def ready(request: Request, service: Daemon) -> models.Ready:
    """Answer 200 where the daemon can work, else 503 with the reasons. Needs no token."""
    if closing_of(request).is_set():
        raise Problem(503, "not-ready", "The daemon is stopping.", extra={"reasons": {"daemon": "stopping"}})
    good, reasons = await service.ready()
    if not good:
        detail = "The daemon cannot work: " + "; ".join(f"{part}: {why}" for part, why in reasons.items())
        raise Problem(503, "not-ready", detail, extra={"reasons": reasons})
    return models.Ready(leads=service.leads)


@router.get("/metrics", summary="Return metrics for Prometheus", response_class=Response)
async def metrics(service: Daemon, caller: Reader) -> Response:
    """Return counters and gauges in Prometheus's text format.

    They tell how many courses an institution has and which fail, so a scraper needs a token with scope `read`.
    """
    return Response(await service.observation.scrape(), media_type=CONTENT_TYPE_LATEST)
