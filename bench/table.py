"""What a benchmark found out, and how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

__all__ = ["Measurement", "show"]


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One row: what was measured, against what, and the ratio or value that is wanted."""

    what: str
    measured: str
    beside: str
    value: float
    #: at least (`>=`) or at most (`<=`) so much; empty where the number stands for comparison only
    wanted: str = ""
    unit: str = ""

    @property
    def good(self) -> bool:
        """Whether the value is as wanted."""
        if not self.wanted:
            return True
        sign, bound = self.wanted.split()
        return self.value >= float(bound) if sign == ">=" else self.value <= float(bound)


def show(rows: Sequence[Measurement], caption: str) -> None:
    """Print the table of all measurements, with a line about the machine."""
    table = Table(
        "what", "measured", "beside", "value", "wanted", "", title="Coursekeep benchmarks, one run", caption=caption
    )
    for row in rows:
        value = f"{row.value:.2f}{row.unit}"
        table.add_row(
            row.what,
            row.measured,
            row.beside,
            value,
            f"{row.wanted}{row.unit}" if row.wanted else "",
            "" if row.good else "MISSED",
        )
    Console(width=160).print(table)
