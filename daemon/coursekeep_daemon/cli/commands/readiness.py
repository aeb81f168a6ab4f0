"""`coursekeep ready`: what health checks of containers and scripts that wait ask."""

from __future__ import annotations

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.client import ApiError
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD

__all__ = ["register"]

#: HTTP status of a daemon that answers and cannot work
_NOT_READY = 503


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "ready")(ready)


def ready(call: Call) -> None:
    """Ask whether the daemon can work. Exits 1 with the reasons where it cannot, 2 where none answers."""
    with call.client() as client:
        try:
            client.get("/ready")
        except ApiError as error:
            if error.status != _NOT_READY:
                raise
            _say(call, str(error), {"ready": False, "reasons": error.problem.get("reasons", {})})
            raise typer.Exit(EXIT_NOT_GOOD) from None
    _say(call, "ready", {"ready": True, "reasons": {}})


def _say(call: Call, words: str, data: dict[str, object]) -> None:
    if call.as_json:
        call.print.data(data)
    else:
        call.print.say(words)
