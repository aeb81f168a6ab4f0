"""The system: what runs here, on what, and how it stands."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.pages import page
from coursekeep_daemon.console.security import Viewer
from coursekeep_daemon.store import Role

__all__ = ["router"]

router = APIRouter()


@router.get("/system")
async def system(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show plugins, versions, storage, database and workers; to administrators the configuration too."""
    with domain_errors():
        found = await service.system()
        fixity = await service.fixity.view()
        plugins = await service.plugins()
    return page(
        request,
        "system.html",
        system=found,
        fixity=fixity,
        plugins=plugins,
        configuration=service.settings.redacted() if visit.may(Role.ADMINISTRATOR) else None,
    )
