"""`coursekeep pause` and `resume`; `coursekeep run pause`, `resume`, `cancel` and `reimport`."""

from __future__ import annotations

from typing import Annotated, Any
from urllib.parse import quote

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.errors import CliError
from coursekeep_daemon.cli.output import plain
from coursekeep_daemon.cli.watch import outcome

__all__ = ["register"]

_RunId = Annotated[int, typer.Argument(metavar="RUN", help="Number of the run.")]
_Integration = Annotated[
    str | None, typer.Option("--integration", "-i", help="Only this integration; all without it.", show_default=False)
]


def register(app: typer.Typer, runs: typer.Typer) -> None:
    """Add the commands: to the top level, and to the group of those about runs."""
    command(app, "pause")(pause)
    command(app, "resume")(resume)
    for name, function in (("pause", pause_run), ("resume", resume_run), ("cancel", cancel), ("reimport", reimport)):
        command(runs, name)(function)


def pause(call: Call, integration: _Integration = None) -> None:
    """Let no further course begin; those being archived finish."""
    _at(call, integration, "pause")


def resume(call: Call, integration: _Integration = None) -> None:
    """End a pause at its own level; narrower ones stay."""
    _at(call, integration, "resume")


def pause_run(call: Call, run_id: _RunId) -> None:
    """Let no further course of a run begin; those being archived finish."""
    _run(call, run_id, "pause")


def resume_run(call: Call, run_id: _RunId) -> None:
    """End the pause of a run."""
    _run(call, run_id, "resume")


def cancel(call: Call, run_id: _RunId) -> None:
    """End a paused run for good: its queued courses are canceled."""
    _run(call, run_id, "cancel")


def reimport(
    call: Call,
    run_id: _RunId,
    items: Annotated[str | None, typer.Option("--items", metavar="ITEM,ITEM", help="Only these failed items.")] = None,
    note: Annotated[str | None, typer.Option("--note", help="For people.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key starts one run only, however often.")
    ] = None,
) -> None:
    """Take the failed courses of a run again, in a new run."""
    body: dict[str, Any] = {"items": _ids(items), "note": note}
    headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
    with call.client() as client:
        run = client.post(f"/runs/{run_id}/reimport", body, headers=headers)
    if call.as_json:
        call.print.data(run)
    else:
        courses = f"{run['total']} failed course{'' if run['total'] == 1 else 's'}"
        call.print.say(
            f"run {run['id']} takes {courses} of run {run_id} again; follow it with: coursekeep run watch {run['id']}"
        )


def _ids(items: str | None) -> list[int] | None:
    if items is None:
        return None
    try:
        return [int(each) for each in items.split(",")]
    except ValueError:
        raise CliError(
            f"--items {items!r} is not a list of numbers such as 12,15: see `coursekeep run items`"
        ) from None


def _run(call: Call, run_id: int, verb: str) -> None:
    with call.client() as client:
        run = client.post(f"/runs/{run_id}/{verb}")
    if call.as_json:
        call.print.data(run)
    else:
        call.print.say(outcome(run))


def _at(call: Call, integration: str | None, verb: str) -> None:
    with call.client() as client:
        where = "" if integration is None else f"/integrations/{quote(integration, safe='')}"
        answer = client.post(f"{where}/{verb}")
        pauses = answer["items"] if integration is None else client.get("/pauses")["items"]
    if call.as_json:
        call.print.data(answer)
        return
    for each in pauses:
        target = f" {each['target']}" if each["target"] else ""
        call.print.say(f"paused: {plain(each['level'] + target)} (by {plain(each['by'])} since {each['at']})")
    if not pauses:
        call.print.say("nothing is paused")
