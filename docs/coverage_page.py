"""Write `docs/reference/coverage.md` from what connectors say of themselves: `make reference`."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from coursekeep import Coverage, Kind
from coursekeep_connectors.canvas import CanvasConnector
from coursekeep_connectors.moodle import MoodleConnector
from coursekeep_connectors.oneroster import OneRosterConnector
from coursekeep_connectors.packages import PackagesConnector
from coursekeep_kolibri import KolibriConnector

__all__ = ["coverage_page"]

INTRODUCTION = """# What is captured, by LMS

Every kind of record that a package can hold, and what becomes of it. *Captured* means that all of it that the LMS
hands out is kept; what is a gap nevertheless is named below the tables. *Gap* means that the LMS may have it, but
that it cannot be had: every package that it concerns says so, with the reason shown. *Not offered* means that the LMS
or the format has no such thing, or that nobody outside can know whether it does; packages say nothing of it.

This page is made from what the connectors say of themselves (`Connector.coverage`), and the tests compare that with
whole exports: a kind that is captured must have been seen, and one that is not offered must be neither expected nor a
gap. What the kinds hold is in [Records](records.md). What the LMS answered is kept besides, without secrets, in
`native/api`.
"""

_SERVICES = (
    *CanvasConnector.coverage,
    *MoodleConnector.coverage,
    *OneRosterConnector.coverage,
    *KolibriConnector.coverage,
)


def coverage_page() -> str:
    """Return the whole page."""
    tables = [
        ("Learning platforms and services", _SERVICES),
        ("Packages on disk, by format", PackagesConnector.coverage),
    ]
    parts = [INTRODUCTION]
    for title, columns in tables:
        parts += [f"## {title}", "", *_table(columns), ""]
    for coverage in (each for _, columns in tables for each in columns):
        parts += [f"### {coverage.of}", "", *_notes(coverage), ""]
    return "\n".join(parts)


def _table(columns: Sequence[Coverage]) -> list[str]:
    head = "| kind | " + " | ".join(each.of for each in columns) + " |"
    return [
        head,
        "|---" * (len(columns) + 1) + "|",
        *(f"| `{kind}` | " + " | ".join(_cell(each, kind) for each in columns) + " |" for kind in Kind),
    ]


def _cell(coverage: Coverage, kind: Kind) -> str:
    if kind in coverage.captured:
        return "captured"
    return f"gap `{coverage.gaps[kind][0]}`" if kind in coverage.gaps else "not offered"


def _notes(coverage: Coverage) -> list[str]:
    """Return what is said of kinds; kinds of which the same is said share a line."""
    said: dict[str, list[Kind]] = {}
    gaps = {kind: text for kind, (_, text) in coverage.gaps.items()}
    for kind in Kind:
        text = {**coverage.captured, **gaps, **coverage.not_offered}[kind]
        if text:
            said.setdefault(text, []).append(kind)
    return [f"- {', '.join(f'`{kind}`' for kind in kinds)}: {text}" for text, kinds in said.items()]


if __name__ == "__main__":
    sys.stdout.write(coverage_page())
