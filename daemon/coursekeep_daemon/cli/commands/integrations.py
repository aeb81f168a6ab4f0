"""`coursekeep check`, `plugins`, `integrations`, `terms`, `course` and `system`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD

__all__ = ["register"]

_Name = Annotated[str, typer.Argument(metavar="INTEGRATION", help="Name of the integration in the settings.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "check")(check)
    command(app, "plugins")(plugins)
    command(app, "integrations")(integrations)
    terms = typer.Typer(help="Terms of an LMS.", no_args_is_help=True)
    app.add_typer(terms, name="terms")
    command(terms, "list")(terms_list)
    command(terms, "refresh")(terms_refresh)
    courses = typer.Typer(help="The catalogue of courses.", no_args_is_help=True)
    app.add_typer(courses, name="course")
    command(courses, "list")(course_list)
    command(app, "system")(system)


def check(
    call: Call,
    name: Annotated[str | None, typer.Argument(metavar="[INTEGRATION]", help="All without a name.")] = None,
) -> None:
    """Check whether an LMS can be reached and read. Exits 1 where a step fails."""
    reports: dict[str, Any] = {}
    with call.client() as client:
        names = [name] if name else [each["name"] for each in client.get("/integrations")["items"]]
        for each in names:
            reports[each] = client.post(f"/integrations/{each}/check")
    if call.as_json:
        call.print.data(reports)
    else:
        call.print.table(
            ("integration", "step", "ok", "detail", "what to do"),
            [
                (each, step["name"], "yes" if step["ok"] else "NO", step["detail"], step["remedy"])
                for each, report in reports.items()
                for step in report["steps"]
            ],
        )
    if not all(report["ok"] for report in reports.values()):
        raise typer.Exit(EXIT_NOT_GOOD)


def plugins(call: Call) -> None:
    """List plugins and their states. Exits 1 where one failed."""
    with call.client() as client:
        found = client.get("/plugins")["items"]
    if call.as_json:
        call.print.data({"items": found})
    else:
        names = ("name", "distribution", "version", "state", "reason")
        call.print.table(names, [[plugin[name] for name in names] for plugin in found])
    if any(plugin["state"] not in ("enabled", "disabled") for plugin in found):
        raise typer.Exit(EXIT_NOT_GOOD)


def integrations(call: Call) -> None:
    """List the configured LMSs and how they stand."""
    with call.client() as client:
        found = client.get("/integrations")["items"]
    if call.as_json:
        call.print.data({"items": found})
        return
    call.print.table(
        ("name", "connector", "address", "checked", "halted", "paused at"),
        [
            (
                *(each["name"], each["connector"], each["source"].get("base_url"), each["checked_at"]),
                each["halted_reason"],
                ", ".join(pause["level"] for pause in each["pauses"]),
            )
            for each in found
        ],
    )


def terms_list(call: Call, name: _Name) -> None:
    """List the terms as last read."""
    with call.client() as client:
        found = client.get(f"/integrations/{name}/terms")["items"]
    if call.as_json:
        call.print.data({"items": found})
        return
    names = ("id", "name", "sis_id", "start_at", "end_at")
    call.print.table(names, [[term[field] for field in names] for term in found])


def terms_refresh(call: Call, name: _Name) -> None:
    """Read the terms from the LMS now."""
    with call.client() as client:
        answer = client.post(f"/integrations/{name}/terms/refresh")
    if call.as_json:
        call.print.data(answer)
    else:
        call.print.say(f"{name}: {answer['count']} terms")


def course_list(
    call: Call,
    search: Annotated[str | None, typer.Option("--search", help="Text in name, code or SIS id.")] = None,
    integration: Annotated[str | None, typer.Option("--integration", "-i", help="Only of this integration.")] = None,
    archived: Annotated[
        bool | None, typer.Option("--archived/--not-archived", help="Only those that have a package, or have none.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, help="Most entries to show.")] = 50,
    every: Annotated[bool, typer.Option("--all", help="Show all entries.")] = False,
) -> None:
    """List the courses that the daemon has seen, each with its newest package."""
    wanted = {"search": search, "integration": integration, "archived": archived}
    with call.client() as client:
        found = client.entries("/courses", limit=None if every else limit, **wanted)
    if call.as_json:
        call.print.data({"items": found})
        return
    names = ("integration", "course_id", "name", "code", "term_name", "ended_at", "package_id", "package_version")
    call.print.table(
        ("integration", "id", "name", "code", "term", "ended", "package", "version"),
        [[course[name] for name in names] for course in found],
    )


def system(call: Call) -> None:
    """Show how the daemon stands: versions, storage, database, workers, daemons. Exits 1 where it is not ready."""
    with call.client() as client:
        found = client.get("/system")
    if call.as_json:
        call.print.data(found)
    else:
        call.print.fields(_flat(found), list(_flat(found)))
        if workers := found["workers"]["processes"]:
            fields = ("name", "host", "pid", "started_at", "concurrency", "busy", "seen_at", "draining", "version")
            call.print.table(
                ("worker", "host", "process", "since", "slots", "busy", "last seen", "draining", "version"),
                [[each[name] for name in fields] for each in workers],
            )
        if found["replicas"]:
            standing = ("address", "standing", "behind", "away_since", "compared_at", "reason")
            call.print.table(
                ("replica", "standing", "packages behind", "away since", "compared", "why"),
                [[each[name] for name in standing] for each in found["replicas"]],
            )
        names = ("integration", "next_at", "cron", "time_zone")
        call.print.table(
            ("integration", "terms read next", "rule", "time zone"),
            [[each[name] for name in names] for each in found["terms_refreshes"]],
        )
        seen = ("host", "pid", "leads", "version", "started_at", "seen_at")
        call.print.table(
            ("daemon on", "process", "leads", "version", "started", "last seen"),
            [[each[name] for name in seen] for each in found["daemons"]],
        )
        if found["credentials"]:
            names = ("integration", "state", "at", "basis")
            call.print.table(
                ("integration", "credentials", "until", "who says so"),
                [[each[name] for name in names] for each in found["credentials"]],
            )
    if not found["ready"]:
        raise typer.Exit(EXIT_NOT_GOOD)


def _flat(found: Mapping[str, Any]) -> dict[str, Any]:
    """Name what is nested by its part: `storage free`."""
    flat: dict[str, Any] = {}
    for name, value in found.items():
        if name in ("libraries", "storage", "database", "workers", "reasons"):
            flat |= {f"{name} {key}": each for key, each in value.items() if key != "processes"}
        elif name not in ("replicas", "terms_refreshes", "credentials", "daemons"):
            flat[name] = value
    return flat
