"""`coursekeep schedule`: list, add, remove, preview."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.commands.runs import print_preview
from coursekeep_daemon.cli.options import OnExisting, Patterns, PatternsOut, split_ids

__all__ = ["register"]

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Rules that start runs.", no_args_is_help=True)
    app.add_typer(group, name="schedule")
    command(group, "list")(list_schedules)
    command(group, "add")(add)
    command(group, "remove")(remove)
    command(group, "preview")(preview)


def list_schedules(call: Call) -> None:
    """List schedules with their next tick."""
    with call.client() as client:
        found = client.get("/schedules")["items"]
    if call.as_json:
        call.print.data({"items": found})
        return
    names = ("name", "integration", "cron", "time_zone", "source", "ended_for", "next_fire_at", "last_fired_at")
    call.print.table(
        (*names, "last run", "enabled", "declared"),
        [[*(s[name] for name in names), s["last_run_id"], _word(s["enabled"]), _word(s["declared"])] for s in found],
    )


def add(
    call: Call,
    name: _Name,
    integration: Annotated[str, typer.Option("--integration", "-i", help="Integration.")],
    cron: Annotated[str, typer.Option("--cron", help='Minute, hour, day, month, weekday: "0 3 15 * *".')],
    ended_for: Annotated[
        str | None, typer.Option("--ended-for", help='Courses that have ended this long: "6 months".')
    ] = None,
    ended_by: Annotated[str, typer.Option("--ended-by", help="Whose end counts: course or term.")] = "course",
    terms: Annotated[str | None, typer.Option("--terms", metavar="ID,ID", help="Courses of these terms.")] = None,
    time_zone: Annotated[str, typer.Option("--time-zone", help="Time zone of the cron rule.")] = "UTC",
    on_existing: OnExisting = "skip",
    include: Patterns = None,
    exclude: PatternsOut = None,
    disabled: Annotated[bool, typer.Option("--disabled", help="Keep it without starting runs.")] = False,
) -> None:
    """Add a schedule: ended courses with --ended-for, or the courses of --terms."""
    selection: dict[str, Any] = {"source": "end_date", "ended_for": ended_for}
    if terms is not None:
        selection = {"source": "terms", "params": {"terms": split_ids("--terms", terms)}}
    body = {
        "name": name,
        "integration": integration,
        "cron": cron,
        "time_zone": time_zone,
        "ended_by": ended_by,
        "include": include or [],
        "exclude": exclude or [],
        "on_existing": on_existing,
        "enabled": not disabled,
    }
    with call.client() as client:
        made = client.post("/schedules", body | selection)
    if call.as_json:
        call.print.data(made)
    else:
        call.print.say(f"schedule {name} added; next tick: {made['next_fire_at'] or 'none'}")


def remove(call: Call, name: _Name) -> None:
    """Remove a schedule. Runs that it started stay."""
    with call.client() as client:
        client.delete(f"/schedules/{name}")
    if call.as_json:
        call.print.data({"removed": name})
    else:
        call.print.say(f"schedule {name} removed")


def preview(call: Call, name: _Name) -> None:
    """Show what the next tick would take. Writes nothing."""
    with call.client() as client:
        print_preview(call.print, client.get(f"/schedules/{name}/preview"))


def _word(flag: bool) -> str:
    return "yes" if flag else "no"
