"""All commands together, and what becomes of their errors."""

from __future__ import annotations

import os
import sys

import typer

from coursekeep_daemon.cli.commands import (
    admin,
    audit,
    conformance,
    daemon,
    doctor,
    integrations,
    kit,
    notifications,
    packages,
    runs,
    schedules,
    users,
)
from coursekeep_daemon.cli.errors import EXIT_COULD_NOT, CliError

__all__ = ["main", "make_app"]


def make_app() -> typer.Typer:
    """Return the command line as a Typer application."""
    app = typer.Typer(
        name="coursekeep",
        help="Archive ended courses into open, versioned, verifiable packages.",
        epilog="Exit codes: 0 done and good, 1 done and not good (invalid package, run with errors), 2 not done.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    for module in (
        daemon,
        doctor,
        integrations,
        runs,
        schedules,
        notifications,
        packages,
        users,
        audit,
        kit,
        conformance,
        admin,
    ):
        module.register(app)
    return app


def main() -> None:
    """Run the command line. Errors are one line on stderr: what, where, and what to do."""
    try:
        make_app()()
    except CliError as error:
        print(f"coursekeep: {error}", file=sys.stderr)  # noqa: T201  # stderr is where errors go
        sys.exit(EXIT_COULD_NOT)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
