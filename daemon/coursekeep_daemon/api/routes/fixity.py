"""Fixity: how the verification of all packages stands, and what it found wrong."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import Field

from coursekeep_daemon.api import models_fixity as models
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing, Paging, listing
from coursekeep_daemon.api.security import Admin, Caller, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.fixity.records import Finding, FindingState
from coursekeep_daemon.service import Service

__all__ = ["acceptance", "router"]

router = APIRouter(tags=["packages"])


class FindingFilter(Paging):
    """Which findings to list."""

    state: FindingState | None = Field(None, description="Only findings in this state.")


@router.get("/fixity", summary="Show how the verification of packages stands")
async def show_fixity(service: Daemon, caller: Reader) -> models.Fixity:
    """Show how many packages were verified within the span of the settings, how many are damaged, and what is next."""
    with domain_errors():
        return models.fixity_answer(await service.fixity.view())


@router.get("/fixity/findings", summary="List damaged packages")
async def list_findings(
    request: Request, response: Response, service: Daemon, caller: Reader, asked: Annotated[FindingFilter, Query()]
) -> Listing[models.Finding]:
    """List what verification found wrong, newest first."""
    with domain_errors():
        part = await service.store.findings(**asked.model_dump())
    return listing(request, response, part, models.Finding.model_validate)


@router.post("/fixity/findings/{finding_id}/accept", summary="Accept a damaged package")
async def accept_finding(finding_id: int, asked: models.Acceptance, service: Daemon, caller: Admin) -> models.Finding:
    """Take a finding as it is: the package is neither repaired nor told of any more until something else is wrong."""
    return models.Finding.model_validate(await acceptance(service, caller, finding_id, asked.note))


async def acceptance(service: Service, caller: Caller, finding_id: int, note: str) -> Finding:
    """Accept a finding, and note who did."""
    async with caller.audited("package.accept", f"finding {finding_id}", note=note) as entry:
        with domain_errors():
            found = await service.store.accept_finding(finding_id, by=caller.name, note=note)
        entry.target = found.package_id
    return found
