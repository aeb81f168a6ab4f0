"""`coursekeep run`: start, preview, list, show, items, watch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.client import ApiClient
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD, CliError
from coursekeep_daemon.cli.options import OnExisting, Patterns, PatternsOut, split_ids
from coursekeep_daemon.cli.output import Printer
from coursekeep_daemon.cli.watch import is_over, outcome, watch
from coursekeep_daemon.runs.states import ItemStatus, RunStatus

__all__ = ["print_preview", "register"]

_GOOD = {RunStatus.QUEUED, RunStatus.PLANNING, RunStatus.PROCESSING, RunStatus.COMPLETED}

_Integration = Annotated[
    str | None, typer.Option("--integration", "-i", help="Integration; not needed where there is only one.")
]
_File = Annotated[Path | None, typer.Option("--file", help="CSV with a column of course ids or SIS ids.")]
_Terms = Annotated[str | None, typer.Option("--terms", metavar="ID,ID", help="Courses of these terms.")]
_Ids = Annotated[str | None, typer.Option("--ids", metavar="ID,ID", help="Courses by id, or SIS id as sis:ID.")]
_Search = Annotated[str | None, typer.Option("--search", metavar="TEXT", help="Courses by name or code.")]
_Ended = Annotated[
    str | None, typer.Option("--ended-before", metavar="DATE", help="Courses that have ended before, as 2026-08-01.")
]
_Source = Annotated[str | None, typer.Option("--source", help="Course source by name, with --params or --file.")]
_Params = Annotated[str | None, typer.Option("--params", metavar="JSON", help="Parameters of --source.")]
_Limit = Annotated[int, typer.Option("--limit", min=1, help="Most entries to show.")]
_All = Annotated[bool, typer.Option("--all", help="Show all entries.")]


@dataclass(frozen=True, kw_only=True)
class _Asked:
    """What to archive: a JSON body, and a file where there is one."""

    body: Mapping[str, Any]
    file: tuple[str, bytes] | None = None

    def send(self, client: ApiClient, path: str, headers: Mapping[str, str] | None = None) -> Any:
        if self.file is None:
            return client.post(path, self.body, headers=headers)
        return client.post_form(path, self.body, self.file, headers=headers)


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


def start(
    call: Call,
    integration: _Integration = None,
    terms: _Terms = None,
    ids: _Ids = None,
    search: _Search = None,
    ended_before: _Ended = None,
    file: _File = None,
    source: _Source = None,
    params: _Params = None,
    on_existing: OnExisting = "skip",
    include: Patterns = None,
    exclude: PatternsOut = None,
    note: Annotated[str | None, typer.Option("--note", help="For people.")] = None,
    idempotency_key: Annotated[
        str | None, typer.Option("--idempotency-key", help="The same key starts one run only, however often.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Watch it; exit 1 where it ends with errors.")] = False,
) -> None:
    """Start a run that archives courses."""
    with call.client() as client:
        asked = _asked(
            _source(terms, ids, search, ended_before, file, source, params),
            {
                "integration": _integration(client, integration),
                "on_existing": on_existing,
                "include": include or [],
                "exclude": exclude or [],
                "note": note,
            },
        )
        headers = {"Idempotency-Key": idempotency_key} if idempotency_key else None
        run = asked.send(client, "/runs", headers)
    if wait:
        _watch(call, run["id"])
    elif call.as_json:
        call.print.data(run)
    else:
        call.print.say(f"run {run['id']} started; follow it with: coursekeep run watch {run['id']}")


def preview(
    call: Call,
    integration: _Integration = None,
    terms: _Terms = None,
    ids: _Ids = None,
    search: _Search = None,
    ended_before: _Ended = None,
    file: _File = None,
    source: _Source = None,
    params: _Params = None,
    on_existing: OnExisting = "skip",
    include: Patterns = None,
    exclude: PatternsOut = None,
) -> None:
    """Show the courses that a run would take. Writes nothing."""
    with call.client() as client:
        asked = _asked(
            _source(terms, ids, search, ended_before, file, source, params),
            {
                "integration": _integration(client, integration),
                "on_existing": on_existing,
                "include": include or [],
                "exclude": exclude or [],
            },
        )
        print_preview(call.print, asked.send(client, "/runs/preview"))


def list_runs(
    call: Call,
    status: Annotated[RunStatus | None, typer.Option("--status", help="Only runs in this status.")] = None,
    integration: _Integration = None,
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


def show(call: Call, run_id: Annotated[int, typer.Argument(metavar="RUN")]) -> None:
    """Show a run. Exits 1 where it ended with errors."""
    with call.client() as client:
        run = client.get(f"/runs/{run_id}")
    if call.as_json:
        call.print.data(run)
    else:
        call.print.say(outcome(run))
        names = ("integration", "source", "params", "include", "exclude", "on_existing", "note", "created_by")
        call.print.fields(run, (*names, "created_at", "started_at", "finished_at"))
    _exit_by(run)


def items(
    call: Call,
    run_id: Annotated[int, typer.Argument(metavar="RUN")],
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
    names = ("id", "ref", "course_name", "status", "reason", "gaps", "attempts", "package_version", "detail")
    call.print.table(
        ("item", "asked", "course", "status", "reason", "gaps", "attempts", "version", "detail"),
        [[item[name] for name in names] for item in found],
    )


def watch_run(call: Call, run_id: Annotated[int, typer.Argument(metavar="RUN")]) -> None:
    """Follow a run until it ends, over restarts of the daemon. Exits 1 where it ends with errors."""
    _watch(call, run_id)


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
    printer.say(f"{counts or 'no courses'}{' and more that are not shown' if preview['truncated'] else ''}")


def _watch(call: Call, run_id: int) -> None:
    _exit_by(watch(call.client, run_id, call.print))


def _exit_by(run: Mapping[str, Any]) -> None:
    if is_over(run) and RunStatus(run["status"]) not in _GOOD:
        raise typer.Exit(EXIT_NOT_GOOD)


def _integration(client: ApiClient, given: str | None) -> str:
    if given is not None:
        return given
    names = [each["name"] for each in client.get("/integrations")["items"]]
    if len(names) != 1:
        raise CliError(f"which integration? Name one with --integration. Configured: {', '.join(names) or 'none'}.")
    return str(names[0])


def _source(
    terms: str | None,
    ids: str | None,
    search: str | None,
    ended_before: str | None,
    file: Path | None,
    source: str | None,
    params: str | None,
) -> tuple[str, Mapping[str, Any], Path | None]:
    """Return source, parameters and file from the one way of selecting that was used."""
    ways: dict[str, tuple[str, Mapping[str, Any]]] = {}
    if terms is not None:
        ways["--terms"] = ("terms", {"terms": split_ids("--terms", terms)})
    if ids is not None:
        ways["--ids"] = ("ids", {"ids": split_ids("--ids", ids)})
    if search is not None:
        ways["--search"] = ("search", {"text": search})
    if ended_before is not None:
        ways["--ended-before"] = ("end_date", {"before": ended_before})
    if file is not None:
        ways["--file"] = ("csv", {})
    if params is not None:
        if source is None:
            raise CliError("--params needs --source, which names the course source they are for.")
        ways["--params"] = (source, _json_object(params))
    if len(ways) != 1:
        one_of = "--terms, --ids, --search, --ended-before, --file or --source with --params"
        raise CliError(f"which courses? Give exactly one of {one_of}; given: {', '.join(ways) or 'none'}.")
    way, (name, values) = next(iter(ways.items()))
    if source is not None and source != name:
        raise CliError(f"{way} is for source {name}, not {source}. Leave one of them out.")
    return name, values, file


def _asked(chosen: tuple[str, Mapping[str, Any], Path | None], common: Mapping[str, Any]) -> _Asked:
    source, params, file = chosen
    if file is None:
        return _Asked(body={**common, "source": source, "params": params})
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CliError(f"{file}: cannot be read: {error.strerror}. Check the path.") from error
    return _Asked(body=common, file=(file.name, data))


def _json_object(text: str) -> Mapping[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as error:
        raise CliError(f'--params is not JSON: {error}. Give an object, for example \'{{"ids": ["1"]}}\'.') from error
    if not isinstance(value, dict):
        raise CliError('--params must be a JSON object, for example \'{"ids": ["1"]}\'.')
    return value
