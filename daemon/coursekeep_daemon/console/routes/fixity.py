"""Fixity: how the verification of all packages stands, and what it found wrong."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.routes.fixity import acceptance
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.console.filters import Filter, next_page
from coursekeep_daemon.console.pages import page, see_other
from coursekeep_daemon.console.security import Administrator, Viewer
from coursekeep_daemon.console.words import FINDING_STATES, FINDINGS
from coursekeep_daemon.fixity.records import FindingState

__all__ = ["router"]

router = APIRouter()

_PER_PAGE = 25


@router.get("/fixity")
async def fixity_page(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show how many packages were verified, and list what was found wrong, newest first."""
    asked = Filter.of(request, state=FindingState)
    with domain_errors():
        part = await service.store.findings(limit=_PER_PAGE, cursor=asked.cursor, **asked.values(visit.zone))
        fixity = await service.fixity.view()
    return page(
        request,
        "fixity.html",
        fixity=fixity,
        findings=part.items,
        asked=asked,
        next=next_page(request, part.next_cursor),
        kinds=FINDINGS,
        states=FINDING_STATES,
    )


@router.post("/fixity/findings/{finding_id}/accept")
async def accept(finding_id: int, request: Request, service: Daemon, visit: Administrator) -> Response:
    """Take a finding as it is."""
    note = str(visit.form.get("note", ""))[:1000].strip()
    found = await acceptance(service, visit, finding_id, note)
    return see_other(request, "/fixity", f"The damage of {found.course_name} is accepted; it is not told of any more.")
