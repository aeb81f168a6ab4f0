"""`coursekeep run`: start, preview, list, show, items, watch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.commands import control
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD
from coursekeep_daemon.cli.output import Printer
from coursekeep_daemon.cli.selection import Selection
from coursekeep_daemon.cli.watch import is_over, outcome, watch
from coursekeep_daemon.runs.states import ItemStatus, RunStatus

__all__ = ["follow_run", "print_preview", "register"]

#: what became of a course that leaves a person asking why
_EXPLAINED = (ItemStatus.FAILED, ItemStatus.NOT_FOUND, ItemStatus.SKIPPED)
_GOOD = {RunStatus.QUEUED, RunStatus.PLANNING, RunStatus.PROCESSING, RunStatus.COMPLETED}

_RunId = Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")]
_OfIntegration = Annotated[str | None, typer.Option("--integration", "-i", help="Only of this integration.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, help="Most entries to show.")]
_All = Annotated[bool, typer.Option("--all", help="Show all entries.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help="Start runs and follow them.", no_args_is_help=True)
    app.add_typer(group, name="run")
    for name, function in (
        ("start", start),
        ("preview", preview),
        ("list", list_runs),
        ("show", show),
        ("items", items),
        ("watch", watch_run),
    ):
        command(group, name)(function)
    control.register(app, group)


def start(
    call: Call,
    selection: Selection,
    note: Annotated[str | None, typer.Option("--note", help="For people.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key starts one run only, however often.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it; exit 1 where it ends with errors.")] = False,
) -> None:
    """Start a run that archives courses."""
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
    with call.client() as client:
        run = selection.send(client, "/runs", headers=headers, note=note)
    follow_run(call, run, wait=wait)


def preview(call: Call, selection: Selection) -> None:
    """Show the courses that a run would take. Writes nothing."""
    with call.client() as client:
        print_preview(call.print, selection.send(client, "/runs/preview"))


def list_runs(
    call: Call,
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only runs in this status.")] = None,
    integration: _OfIntegration = None,
    schedule: Annotated[str | None, typer.Option("--schedule", metavar="NAME", help="Only of this schedule.")] = None,
    since: Annotated[str | None, typer.Option("--since", metavar="TIME", help="Created at or after.")] = None,
    before: Annotated[str | None, typer.Option("--before", metavar="TIME", help="Created before.")] = None,
    limit: _Limit = 20,
    every: _All = False,
) -> None:
    """List runs, newest first."""
    with call.client() as client:
        runs = client.entries(
            "/runs",
            limit=None if every else limit,
            status=status,
            integration=integration,
            schedule=schedule,
            created_since=since,
            created_before=before,
        )
    if call.as_json:
        call.print.data({"items": runs})
        return
    call.print.table(
        ("run", "status", "integration", "source", "by", "created", "done", "of", "failed", "gaps", "held by"),
        [
            (
                *(run[name] for name in ("id", "status", "integration", "source", "created_by", "created_at")),
                run["progress"]["done"],
                run["total"],
                run["counts"]["failed"],
                run["gaps"],
                run["hold"]["level"] if run["hold"] else "",
            )
            for run in runs
        ],
    )


def show(call: Call, run_id: _RunId) -> None:
    """Show a run. Exits 1 where it ended with errors."""
    with call.client() as client:
        run = client.get(f"/runs/{run_id}")
    if call.as_json:
        call.print.data(run)
    else:
        call.print.say(outcome(run))
        names = ("integration", "source", "params", "include", "exclude", "on_existing", "note", "created_by")
        call.print.fields(
            run, (*names, "schedule", "created_at", "started_at", "finished_at", "reimport_of", "reimports")
        )
    _exit_by(run)


def items(
    call: Call,
    run_id: _RunId,
    status: Annotated[ItemStatus | None, typer.Option("--status", help="Only items in this status.")] = None,
    limit: _Limit = 50,
    every: _All = False,
) -> None:
    """List the courses of a run and what became of each."""
    with call.client() as client:
        found = client.entries(f"/runs/{run_id}/items", limit=None if every else limit, status=status)
    if call.as_json:
        call.print.data({"items": found})
        return
    names = ("id", "ref", "course_name", "status", "reason", "gaps", "attempts", "package_version", "reimported_in_run")
    call.print.table(
        ("item", "asked", "course", "status", "reason", "gaps", "attempts", "version", "reimported in", "detail"),
        [[item[name] for name in (*names, "detail")] for item in found],
    )


def watch_run(call: Call, run_id: _RunId) -> None:
    """Follow a run until it ends, over restarts of the daemon. Exits 1 where it ends with errors."""
    _watch(call, run_id)


def follow_run(call: Call, run: Mapping[str, Any], *, wait: bool) -> None:
    """Tell that a run has started, or watch it to its end."""
    if wait:
        _watch(call, run["id"])
    elif call.as_json:
        call.print.data(run)
    else:
        call.print.say(f"run {run['id']} started; follow it with: coursekeep run watch {run['id']}")
        if hold := run.get("hold"):
            call.print.say(f"It waits: {hold['reason'].rstrip('.')}.{_remedy(run, hold)}")


def _remedy(run: Mapping[str, Any], hold: Mapping[str, Any]) -> str:
    if hold["level"] != "credentials":
        return ""
    return f" Renew them in the settings, restart the daemon, then run: coursekeep check {run['integration']}"


def print_preview(printer: Printer, preview: Mapping[str, Any]) -> None:
    """Print what a run would take."""
    if printer.as_json:
        printer.data(preview)
        return
    names = ("ref", "course_name", "course_code", "would", "reason", "detail")
    printer.table(
        ("asked", "course", "code", "would be", "reason", "detail"), [[r[n] for n in names] for r in preview["rows"]]
    )
    counts = ", ".join(f"{count} {status.replace('_', ' ')}" for status, count in preview["counts"].items() if count)
    more = f"; cut after {preview['cut_after']} courses, there are more" if preview["truncated"] else ""
    printer.say(f"{counts or 'no courses'}{more}")
    if preview["slot"]:
        before = f", for courses that ended before {preview['before']}" if preview["before"] else ""
        printer.say(f"next tick: {preview['slot']}{before}")


def _watch(call: Call, run_id: int) -> None:
    run = watch(call.client, run_id, call.print)
    if not call.as_json and is_over(run):
        for status in _EXPLAINED:
            if run["counts"].get(status):
                call.print.say(f"Why {status.replace('_', ' ')}: coursekeep run items {run_id} --status {status}")
    _exit_by(run)


def _exit_by(run: Mapping[str, Any]) -> None:
    if is_over(run) and RunStatus(run["status"]) not in _GOOD:
        raise typer.Exit(EXIT_NOT_GOOD)
