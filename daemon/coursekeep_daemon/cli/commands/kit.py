"""`coursekeep new-connector`: on the author's machine, without a daemon."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Annotated

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.errors import told_as_cli_errors

__all__ = ["register"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "new-connector", local=True)(new_connector)


def new_connector(
    call: Call,
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name in settings.toml: lower-case letters, digits, _.")],
    directory: Annotated[
        Path | None,
        typer.Option("--directory", help="New or empty folder for it.", show_default="coursekeep-NAME, here"),
    ] = None,
    title: Annotated[
        str | None, typer.Option("--title", help="Name of the LMS for people.", show_default="made from NAME")
    ] = None,
) -> None:
    """Make the distribution of a new connector, with tests that pass. Needs no network and asks nothing."""
    from coursekeep_daemon.kit import make_connector, plan_connector
    from coursekeep_daemon.registry import Registry

    with redirect_stdout(sys.stderr):  # a plugin that does not load is logged, and is not what was asked for
        taken = Registry().connectors()
    with told_as_cli_errors():
        draft = plan_connector(name, title=title, folder=directory, taken=taken)
        files = make_connector(draft)
    if call.as_json:
        told = {"name": name, "title": draft.title, "package": draft.package, "distribution": draft.distribution}
        call.print.data({**told, "directory": str(draft.folder), "files": len(files)})
        return
    call.print.say(f"{draft.folder}: {len(files)} files, of the distribution {draft.distribution}")
    call.print.say("Next: go there, `pip install -e .[testing,dev]`, `pytest`; README.md says what to replace.")
