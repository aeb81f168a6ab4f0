"""`coursekeep notification`: list, targets, test."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD
from coursekeep_daemon.cli.output import plain

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="What operators are told, and whether it reaches them.", no_args_is_help=True)
    app.add_typer(group, name="notification")
    command(group, "list")(list_notifications)
    command(group, "targets")(targets)
    command(group, "test")(test)


def list_notifications(
    call: Call,
    kind: Annotated[str | None, typer.Option("--kind", help="Only this kind, such as run_failed.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most notifications.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
) -> None:
    """List what operators were told, newest first, and how it reached each target."""
    with call.client() as client:
        found = client.entries("/notifications", limit=None if everything else limit, kind=kind)
    if call.as_json:
        call.print.data({"items": found})
        return
    call.print.table(
        ("id", "at", "kind", "integration", "run", "targets"),
        [
            (each["id"], each["at"], each["kind"], each["integration"], each["run_id"], _reached(each["deliveries"]))
            for each in found
        ],
    )


def targets(call: Call) -> None:
    """List the targets of the settings and what they are told."""
    with call.client() as client:
        found = client.get("/notifications/targets")["items"]
    if call.as_json:
        call.print.data({"items": found})
        return
    rows = [(t["name"], t["kind"], ", ".join(t["events"]), ", ".join(t["integrations"]) or "all") for t in found]
    call.print.table(("name", "kind", "events", "integrations"), rows)


def test(call: Call, name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the target.")]) -> None:
    """Send a test message to a target now; exits with 1 where it could not be delivered."""
    with call.client() as client:
        result = client.post(f"/notifications/targets/{quote(name, safe='')}/test")
    if call.as_json:
        call.print.data(result)
    elif result["ok"]:
        call.print.say(f"{name}: the test message was delivered")
    else:
        call.print.say(f"{name}: the test message could not be delivered: {plain(result['error'])}")
    if not result["ok"]:
        raise typer.Exit(EXIT_NOT_GOOD)


def _reached(deliveries: list[Mapping[str, Any]]) -> str:
    return ", ".join(_one(each) for each in deliveries) or "none"


def _one(delivery: Mapping[str, Any]) -> str:
    why = f" ({delivery['last_error']})" if delivery["last_error"] else ""
    return f"{delivery['target']} {delivery['state'].replace('_', ' ')}{why}"
