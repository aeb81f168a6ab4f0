"""`coursekeep audit`: who did what."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from coursekeep_daemon.cli.call import Call, command

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    group = typer.Typer(help="Who did what, when, with what result.", no_args_is_help=True)
    app.add_typer(group, name="audit")
    command(group, "list")(list_events)


def list_events(
    call: Call,
    who: Annotated[str | None, typer.Option("--who", help="Only what this user did.")] = None,
    action: Annotated[str | None, typer.Option("--action", help="Only this action, as run.pause.")] = None,
    target: Annotated[str | None, typer.Option("--target", help='Only what was done to this, as "run 7".')] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="From this moment on.")] = None,
    before: Annotated[str | None, typer.Option("--before", metavar="TIME", help="Before this moment.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most events to show.")] = 50,
    everything: Annotated[bool, typer.Option("--all", help="Show all of them.")] = False,
) -> None:
    """List audit events, newest first. Times as 2026-08-01T00:00:00Z."""
    asked = {"who": who, "action": action, "target": target, "since": since, "before": before}
    with call.client() as client:
        found = client.entries("/audit", limit=None if everything else limit, **asked)
    if call.as_json:
        call.print.data({"items": found})
        return
    names = ("at", "who", "action", "target", "result")
    call.print.table(
        (*names, "detail"),
        [[*(each[name] for name in names), json.dumps(each["detail"], ensure_ascii=False)] for each in found],
    )
