"""`coursekeep serve`, `coursekeep worker`, `coursekeep ready` and `coursekeep demo`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.client import ApiError
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD, told_as_cli_errors

__all__ = ["register"]

_Folder = Annotated[
    Path | None, typer.Option("--dir", help="Where archive and database go.", show_default="a temporary folder")
]

#: HTTP status of a daemon that answers and cannot work
_NOT_READY = 503


def register(app: typer.Typer) -> None:
    """Add the commands."""
    command(app, "demo", local=True)(demo)
    command(app, "serve", local=True)(serve)
    command(app, "worker", local=True)(worker)
    command(app, "ready")(ready)


def serve(call: Call) -> None:
    """Run the daemon until it is stopped. SIGTERM or Ctrl-C finishes what is in flight within a bound."""
    from coursekeep_daemon.cli import server
    from coursekeep_daemon.logs import configure_logs

    configure_logs(call.settings.daemon.log_level, call.settings.daemon.log_format)
    with told_as_cli_errors():
        server.serve(call.settings)


def worker(
    call: Call,
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, max=64, help="Courses at once.", show_default="from [engine]")
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Shown where workers are listed.", show_default="host and process")
    ] = None,
) -> None:
    """Archive courses that the daemon offers, on this machine. SIGTERM or Ctrl-C finishes them within a bound."""
    from coursekeep_daemon.cli.errors import CliError
    from coursekeep_daemon.logs import configure_logs

    configure_logs(call.settings.daemon.log_level, call.settings.daemon.log_format)
    with told_as_cli_errors():
        try:
            from coursekeep_daemon.cli.worker import work
            from coursekeep_daemon.worker import WorkerProcess
        except ModuleNotFoundError as error:
            raise CliError(f"{error.name} is not installed: pip install 'coursekeep[postgresql]'") from error
        work(WorkerProcess(call.settings, concurrency=concurrency, name=name))


def ready(call: Call) -> None:
    """Ask whether the daemon can work. Exits 1 with the reasons where it cannot, 2 where none answers."""
    with call.client() as client:
        try:
            client.get("/ready")
        except ApiError as error:
            if error.status != _NOT_READY:
                raise
            reasons = error.problem.get("reasons", {})
            if call.as_json:
                call.print.data({"ready": False, "reasons": reasons})
            else:
                call.print.say(str(error))
            raise typer.Exit(EXIT_NOT_GOOD) from None
    if call.as_json:
        call.print.data({"ready": True, "reasons": {}})
    else:
        call.print.say("ready")


def demo(
    call: Call,
    folder: _Folder = None,
    stay: Annotated[
        bool | None,
        typer.Option(
            "--serve/--no-serve",
            help="Keep everything running, with the console, until Ctrl-C.",
            show_default="on a terminal",
        ),
    ] = None,
    oulad: Annotated[Path | None, typer.Option("--oulad", help="Folder of the OULAD data: real courses.")] = None,
    keep: Annotated[bool, typer.Option("--keep", help="Keep a temporary folder.")] = False,
) -> None:
    """Archive the courses of a small made-up LMS, and show what becomes of each. Exits 0 where all is as it should."""
    from coursekeep_daemon.demo import Options, run

    if stay is None:  # whoever watches wants to look around; a script wants the end
        stay = sys.stdin.isatty() and sys.stdout.isatty() and not call.as_json
    code = run(Options(folder=folder, serve=stay, oulad=oulad, keep=keep, as_json=call.as_json))
    if code:
        raise typer.Exit(code)
