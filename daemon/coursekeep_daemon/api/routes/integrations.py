"""Plugins and integrations: what is installed, what is configured, and how it stands."""

from __future__ import annotations

from fastapi import APIRouter

from coursekeep_daemon.api import models
from coursekeep_daemon.api.convert import integration_answer
from coursekeep_daemon.api.errors import domain_errors
from coursekeep_daemon.api.lists import Listing
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Operator, Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import records

__all__ = ["router"]

router = APIRouter(tags=["integrations"])


@router.get("/plugins", summary="List plugins and their states")
async def list_plugins(service: Daemon, caller: Reader) -> Listing[models.Plugin]:
    """List every plugin that is installed, with what is wrong where one is not enabled, or fails in a hook."""
    return Listing(items=[models.Plugin.model_validate(each) for each in await service.plugins()])


@router.get("/integrations", summary="List integrations")
async def list_integrations(service: Daemon, caller: Reader) -> Listing[models.Integration]:
    """List the configured LMSs and how they stand."""
    found = await service.store.integrations()
    return Listing(items=[_answer(service, each) for each in found])


@router.get("/integrations/{name}", summary="Show an integration")
async def show_integration(name: str, service: Daemon, caller: Reader) -> models.Integration:
    """Show one integration with the steps of its last check."""
    return _answer(service, await _known(service, name))


@router.post("/integrations/{name}/check", summary="Check an integration")
async def check_integration(name: str, service: Daemon, caller: Operator) -> models.CheckReport:
    """Run the connector's check against the LMS. If all is well, a halted integration goes on."""
    await _known(service, name)
    async with caller.audited("integration.check", name) as entry:
        with domain_errors():
            steps = [models.CheckStep.model_validate(each) for each in await service.check(name)]
        entry.detail["ok"] = all(step.ok for step in steps)
    return models.CheckReport(ok=bool(steps) and all(step.ok for step in steps), steps=steps)


@router.get("/integrations/{name}/terms", summary="List terms")
async def list_terms(name: str, service: Daemon, caller: Reader) -> Listing[models.Term]:
    """List the terms as last read from the LMS; `terms_refreshed_at` of the integration says when that was."""
    await _known(service, name)
    return Listing(items=[models.Term.model_validate(each) for each in await service.store.terms(name)])


@router.post("/integrations/{name}/terms/refresh", summary="Read the terms anew")
async def refresh_terms(name: str, service: Daemon, caller: Operator) -> models.TermsRefreshed:
    """Read the terms from the LMS now."""
    await _known(service, name)
    async with caller.audited("terms.refresh", name) as entry:
        with domain_errors():
            count = await service.refresh_terms(name)
        entry.detail["count"] = count
    return models.TermsRefreshed(count=count)


def _answer(service: Service, found: records.Integration) -> models.Integration:
    return integration_answer(found, service.holds.pauses(found.name), service.expiry.of(found.name))


async def _known(service: Service, name: str) -> records.Integration:
    found = await service.store.integration(name)
    if found is None:
        names = ", ".join(sorted(each.name for each in await service.store.integrations())) or "none"
        raise Problem(404, "not-found", f"There is no integration {name!r}. Configured: {names}.")
    return found
