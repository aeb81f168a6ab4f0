"""Connectors: the kinds of LMS that can be connected, and what each may be set to."""

from __future__ import annotations

from fastapi import APIRouter

from coursekeep_daemon.api.connector_models import Connector, ConnectorSchema
from coursekeep_daemon.api.lists import Listing
from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.security import Reader
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.connector_schema import connector_infos
from coursekeep_daemon.origin import close_match

__all__ = ["router"]

router = APIRouter(tags=["integrations"])


@router.get("/connectors", summary="List connectors")
async def list_connectors(service: Daemon, caller: Reader) -> Listing[Connector]:
    """List the kinds of LMS that the installed plugins can connect."""
    return Listing(items=[Connector.model_validate(each) for each in connector_infos(service.registry).values()])


@router.get("/connectors/{name}", summary="Show a connector")
async def show_connector(name: str, service: Daemon, caller: Reader) -> ConnectorSchema:
    """Show one connector with the JSON Schema of its settings, of which forms can be made."""
    infos = connector_infos(service.registry)
    if name not in infos:
        raise Problem(404, "not-found", f"There is no connector {name!r}; {close_match(name, infos)}.")
    return ConnectorSchema.model_validate(infos[name])
