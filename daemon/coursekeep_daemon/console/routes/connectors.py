"""The kinds of LMS that can be connected, and for each a form that writes its section of settings.toml.

Nothing is stored, nobody is asked and no secret is read: settings.toml stays the one place of integrations.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response

from coursekeep_daemon.api.problems import Problem
from coursekeep_daemon.api.state import Daemon
from coursekeep_daemon.connector_schema import connector_infos
from coursekeep_daemon.console.connector_form import PLACES, ConnectorForm, Filled
from coursekeep_daemon.console.pages import page
from coursekeep_daemon.console.security import Operator, Viewer
from coursekeep_daemon.origin import close_match
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import Role

__all__ = ["router"]

router = APIRouter()


@router.get("/connectors")
async def connectors(request: Request, service: Daemon, visit: Viewer) -> Response:
    """Show which kinds of LMS can be connected, and which are."""
    used: dict[str, list[str]] = {}
    for name, integration in sorted(service.settings.integrations.items()):
        used.setdefault(integration.connector, []).append(name)
    return page(request, "connectors.html", connectors=connector_infos(service.registry).values(), used=used)


@router.get("/connectors/{name}")
async def connector(
    name: str, request: Request, service: Daemon, visit: Operator, integration: Annotated[str, Query()] = ""
) -> Response:
    """Show the form, empty; or for administrators with what the settings hold of an integration."""
    form = _form(service, name)
    typed: Mapping[str, str] = {}
    if integration:
        known = service.settings.integrations.get(integration)
        if known is None or known.connector != name:
            raise Problem(404, "not-found", f"There is no integration {integration!r} of the connector {name}.")
        if not visit.may(Role.ADMINISTRATOR):
            raise Problem(403, "forbidden", "What the settings hold is shown to administrators only.")
        typed = form.typed_from(integration, known)
    return _page(request, service, name, form, typed, None)


@router.post("/connectors/{name}")
async def fill(name: str, request: Request, service: Daemon, visit: Operator) -> Response:
    """Judge what was typed, and show the section to paste."""
    form = _form(service, name)
    typed = {key: value for key, value in visit.form.items() if isinstance(value, str)}
    return _page(request, service, name, form, typed, form.fill(typed))


def _form(service: Service, name: str) -> ConnectorForm:
    infos = connector_infos(service.registry)
    if name not in infos:
        raise Problem(404, "not-found", f"There is no connector {name!r}; {close_match(name, infos)}.")
    return ConnectorForm(infos[name], service.registry.connector(name), service.settings.origin.folder)


def _page(
    request: Request, service: Service, name: str, form: ConnectorForm, typed: Mapping[str, str], filled: Filled | None
) -> Response:
    filled = filled or Filled()
    written = typed.get("name", "").strip()
    return page(
        request,
        "connector.html",
        422 if filled.wrong else 200,
        info=connector_infos(service.registry)[name],
        form=form,
        typed=typed,
        filled=filled,
        places=PLACES,
        settings_file=path.name if (path := service.settings.origin.path) else "settings.toml",
        known=written in service.settings.integrations,
        written=written,
    )
