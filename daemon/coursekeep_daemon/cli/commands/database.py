"""`coursekeep db backup` and `rebuild`: what keeps a store, and what brings its catalogue back."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from coursekeep_daemon.cli.call import Call, command
from coursekeep_daemon.cli.errors import EXIT_NOT_GOOD, told_as_cli_errors

if TYPE_CHECKING:
    from coursekeep_daemon.runs.rebuilding import Rebuilt
    from coursekeep_daemon.store import Store

__all__ = ["register"]


def register(group: typer.Typer) -> None:
    """Add the commands to `coursekeep db`."""
    command(group, "backup", local=True)(db_backup)
    command(group, "rebuild", local=True)(db_rebuild)


def db_backup(
    call: Call, path: Annotated[Path, typer.Argument(metavar="PATH", help="File to make; it must not be there yet.")]
) -> None:
    """Copy the database in SQLite into a new file, while the daemon works or not, and check the copy."""
    from coursekeep_daemon.store import backup_store

    with told_as_cli_errors():
        size = backup_store(call.settings.store.url, path)
    if call.as_json:
        call.print.data({"path": str(path), "bytes": size})
    else:
        call.print.say(f"{path}: {size} bytes, checked. Copy the archive now, after the database.")


def db_rebuild(call: Call) -> None:
    """Tell the database of all packages that it does not know. Exits 1 where a package cannot be read."""
    from coursekeep_daemon.archives import open_archive
    from coursekeep_daemon.cli.commands.admin import with_store
    from coursekeep_daemon.runs.rebuilding import rebuild

    settings = call.settings
    names = {one.id or name: name for name, one in settings.integrations.items()}

    async def work(store: Store) -> Rebuilt:
        return await rebuild(open_archive(settings), store, names)

    found = with_store(call, work)
    if call.as_json:
        call.print.data(
            {"packages": found.packages, "versions": found.versions, "added": found.added, "damaged": found.damaged}
        )
    else:
        call.print.say(f"{found.packages} packages with {found.versions} versions; {found.added} were not known")
        for package, reason in found.damaged.items():
            call.print.say(f"{package}: {reason}")
    if found.damaged:
        raise typer.Exit(EXIT_NOT_GOOD)
