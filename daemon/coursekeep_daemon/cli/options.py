"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from coursekeep_daemon.cli.errors import CliError

__all__ = ["OnExisting", "Patterns", "PatternsOut", "split_ids"]

OnExisting = Annotated[
    Literal["skip", "refresh"], typer.Option("--on-existing", help="What to do with courses archived before.")
]
Patterns = Annotated[
    list[str] | None, typer.Option("--include", metavar="PATTERN", help="Take only courses that match; repeatable.")
]
PatternsOut = Annotated[
    list[str] | None, typer.Option("--exclude", metavar="PATTERN", help="Leave out courses that match; repeatable.")
]


def split_ids(option: str, text: str) -> list[str]:
    """Return the ids of a comma-separated list."""
    ids = [part.strip() for part in text.split(",") if part.strip()]
    if not ids:
        raise CliError(f"{option} names no id. Give ids separated by commas, for example {option} 101,102.")
    return ids
