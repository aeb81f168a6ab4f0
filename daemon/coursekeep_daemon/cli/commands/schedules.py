"""`coursekeep schedule`: list, show, add, change, enable, disable, remove, preview, run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.commands.runs import follow_run, print_preview
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD, CliError
from coursekeep_daemon.cli.schedule_options import Rule
from coursekeep_daemon.cli.selection import only_integration

__all__ = ["register"]

_Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]

#: what `schedule show` prints, in this order
_SHOWN = (
    *("integration", "cron", "time_zone", "source", "params", "ended_for", "ended_by", "include", "exclude"),
    *("on_existing", "enabled", "declared", "revision", "created_by", "created_at", "next_fire_times"),
    *("last_fired_at", "last_run_id", "last_run_status", "last_error"),
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Rules that start runs.", no_args_is_help=True)
    app.add_typer(group, name="schedule")
    for name, function in (
        ("list", list_schedules),
        ("show", show),
        ("add", add),
        ("change", change),
        ("enable", enable),
        ("disable", disable),
        ("remove", remove),
        ("preview", preview),
        ("run", run),
    ):
        command(group, name)(function)


def list_schedules(call: Call) -> None:
    """List schedules with their next tick and what became of the last."""
    with call.client() as client:
        found = client.get("/schedules")["items"]
    if call.as_json:
        call.print.data({"items": found})
        return
    names = ("name", "integration", "cron", "time_zone", "source", "ended_for", "next_fire_at", "last_fired_at")
    call.print.table(
        (*names, "last run", "status", "enabled", "declared"),
        [
            [*(s[name] for name in names), s["last_run_id"], _last(s), _word(s["enabled"]), _word(s["declared"])]
            for s in found
        ],
    )


def show(call: Call, name: _Name) -> None:
    """Show a schedule. Exits 1 where its last tick could not start a run."""
    with call.client() as client:
        found = client.get(f"/schedules/{name}")
    if call.as_json:
        call.print.data(found)
    else:
        call.print.fields(found, _SHOWN)
    if found["last_error"]:
        raise typer.Exit(EXIT_NOT_GOOD)


def add(
    call: Call,
    name: _Name,
    rule: Rule,
    disabled: Annotated[bool, typer.Option("--disabled", help="Keep it without starting runs.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what its next tick would take.")] = False,
) -> None:
    """Add a schedule: when, and which courses, by one of the ways of `run start` or by --ended-for."""
    fields = rule.fields()
    rule.needed(fields)
    with call.client() as client:
        body = {"name": name, "enabled": not disabled, "integration": rule.integration or only_integration(client)}
        if dry_run:
            print_preview(call.print, client.post("/schedules/preview", body | fields))
            return
        _told(call, client.post("/schedules", body | fields), "added")


def change(
    call: Call,
    name: _Name,
    rule: Rule,
    no_include: Annotated[bool, typer.Option("--no-include", help="Take every course again.")] = False,
    no_exclude: Annotated[bool, typer.Option("--no-exclude", help="Leave no course out any more.")] = False,
    revision: Annotated[
        int | None, typer.Option("--revision", help="Only if it is still at this revision, as `schedule show` tells.")
    ] = None,
) -> None:
    """Change a schedule: only what is named. Patterns replace those that were there."""
    fields = rule.fields()
    for option, given in (("include", no_include), ("exclude", no_exclude)):
        if given and option in fields:
            raise CliError(f"--{option} and --no-{option} contradict each other. Leave one of them out.")
        if given:
            fields[option] = []
    if not fields:
        raise CliError(f"what should change? Name it: coursekeep schedule change {name} --ended-for '1 year'.")
    _patch(call, name, fields if revision is None else fields | {"revision": revision}, "changed")


def enable(call: Call, name: _Name) -> None:
    """Let a schedule start runs again."""
    _patch(call, name, {"enabled": True}, "enabled")


def disable(call: Call, name: _Name) -> None:
    """Keep a schedule, but let it start no runs."""
    _patch(call, name, {"enabled": False}, "disabled")


def remove(call: Call, name: _Name) -> None:
    """Remove a schedule. Runs that it started stay."""
    with call.client() as client:
        client.delete(f"/schedules/{name}")
    if call.as_json:
        call.print.data({"removed": name})
    else:
        call.print.say(f"schedule {name} removed")


def preview(call: Call, name: _Name) -> None:
    """Show what the next tick would take and skip. Writes nothing."""
    with call.client() as client:
        print_preview(call.print, client.get(f"/schedules/{name}/preview"))


def run(
    call: Call,
    name: _Name,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key starts one run only, however often.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it; exit 1 where it ends with errors.")] = False,
) -> None:
    """Start now what a schedule would start if it were due. Its own ticks stay as they are."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
    with call.client() as client:
        started = client.post(f"/schedules/{name}/run", headers=headers)
    follow_run(call, started, wait=wait)


def _patch(call: Call, name: str, body: Mapping[str, Any], done: str) -> None:
    with call.client() as client:
        _told(call, client.patch(f"/schedules/{name}", body), done)


def _told(call: Call, schedule: Mapping[str, Any], done: str) -> None:
    if call.as_json:
        call.print.data(schedule)
    else:
        call.print.say(f"schedule {schedule['name']} {done}; next tick: {schedule['next_fire_at'] or 'none'}")


def _last(schedule: Mapping[str, Any]) -> str:
    return "not started" if schedule["last_error"] else schedule["last_run_status"] or ""


def _word(flag: bool) -> str:
    return "yes" if flag else "no"
