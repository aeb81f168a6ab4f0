"""What commands print: tables for people, JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

__all__ = ["Printer", "plain"]

#: columns when nobody looks: programs that read our tables should not meet broken lines
_WIDE = 250


def plain(value: object) -> str:
    """Return a value as text without control characters: names come from an LMS, and could speak to the terminal."""
    if value is None:
        return ""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in str(value))


class Printer:
    """Prints in the form that was asked for."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        terminal = sys.stdout.isatty()
        self.console = Console(highlight=False, markup=False, emoji=False, width=None if terminal else _WIDE)

    @property
    def live(self) -> bool:
        """Whether a terminal shows what is printed, so that bars may move."""
        return self.console.is_terminal and not self.as_json

    def data(self, data: object) -> None:
        """Print data as JSON."""
        self.console.file.write(json.dumps(data, ensure_ascii=False, indent=2, default=str) + "\n")

    def line(self, data: object) -> None:
        """Print data as one line of JSON, at once."""
        self.console.file.write(json.dumps(data, ensure_ascii=False, default=str) + "\n")
        self.console.file.flush()

    def say(self, text: str) -> None:
        """Print a line for people; with --json nothing."""
        if not self.as_json:
            self.console.print(Text(text), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
        """Print a table. A terminal shows long cells in several lines."""
        table = Table(box=None, pad_edge=False, header_style="bold")
        for column in columns:
            table.add_column(column, overflow="fold")
        for row in rows:
            table.add_row(*(Text(plain(cell)) for cell in row))
        self.console.print(table)

    def fields(self, data: Mapping[str, Any], names: Sequence[str]) -> None:
        """Print some fields of an object, one a line, leaving out those without a value."""
        width = max(len(name) for name in names)
        for name in names:
            if data.get(name) not in (None, "", [], {}):
                self.console.print(Text(f"{name.replace('_', ' '):<{width}}  {plain(data[name])}"), soft_wrap=True)
