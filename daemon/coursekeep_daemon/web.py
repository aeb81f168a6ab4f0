"""What the daemon serves over HTTP: the control API below `/api`, and the console everywhere else."""

from __future__ import annotations

from fastapi import FastAPI

from coursekeep_daemon.api import close_api, create_api
from coursekeep_daemon.console import ConsoleMount, create_console
from coursekeep_daemon.service import Service

__all__ = ["close_app", "create_app"]


def create_app(service: Service) -> FastAPI:
    """Return the application of a service. All state is kept in it."""
    app = create_api(service)
    app.router.routes.append(ConsoleMount("/", create_console(service, app.state.closing, app.state.hub)))
    return app


def close_app(app: FastAPI) -> None:
    """Tell the application that the daemon stops: readiness says no, endless answers end."""
    close_api(app)
