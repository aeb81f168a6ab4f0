"""The page of the documentation, from the journal of a run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["page"]

_Outcomes = Sequence[Mapping[str, Any]]

_HEAD = """# Faults

`make faults` builds a whole deployment out of real processes and archives an LMS again and again, while one fault
after another is done to it: see [work on Coursekeep](../how-to/develop.md#the-fault-laboratory). After each fault it
waits until all is quiet, and judges: every course of every run ended as in an undisturbed run, with the same bytes from
the LMS; one version for each change; every package valid; counters equal to what is counted afresh; no lease and no job
left; every event told once to who follows. This page is written by the program from one run.
"""

_EXPLAINED = """
*Lost*: a course without an item, a version or its content, or a run that did not end. *Twice*: two items or versions
for one change, or two runs for one slot of the schedule. *Other*: an invalid package, a wrong counter, status or event,
something left over. *First course*: seconds from the end of the fault until a course was finished, median and worst;
*all*: until every course was.
"""


def page(journal: Mapping[str, Any]) -> str:
    """Return docs/reference/faults.md."""
    outcomes: _Outcomes = journal["outcomes"]
    names = dict.fromkeys(sorted(outcome["fault"] for outcome in outcomes))
    rows = [_row(name, [one for one in outcomes if one["fault"] == name]) for name in names]
    table = [
        "| fault | times | lost | twice | other | first course: median | worst | all: median | worst |",
        "|---|---|---|---|---|---|---|---|---|",
        *rows,
        _row("**all**", outcomes),
    ]
    parts = [_HEAD, "## One run\n", _about(journal), *table, _EXPLAINED, _taken_over(outcomes), _left_out(journal)]
    return "\n".join(part for part in parts if part)


def _about(journal: Mapping[str, Any]) -> str:
    shape = journal["shape"]
    engine = f"{shape['workers']} workers" if shape["workers"] else "the local engine"
    waits = "" if shape["true_waits"] else " Waits between attempts were a tenth of the true ones; all else is true."
    return (
        f"{journal['date']}, seed {journal['seed']}, {len(journal['outcomes'])} faults in "
        f"{journal['seconds'] / 60:.0f} minutes on {journal['cores']} cores: {shape['daemons']} "
        f"daemon{'s' if shape['daemons'] > 1 else ''}, {engine}, PostgreSQL, the archive {_place(shape)}. The load "
        f"of the machine, with what else ran on it, was {journal['load']:.0f} at the end.{waits}\n"
    )


def _place(shape: Mapping[str, Any]) -> str:
    return "in S3" if shape.get("archive") == "s3" else "on a disk"


def _row(name: str, outcomes: _Outcomes) -> str:
    verdicts = [problem["verdict"] for outcome in outcomes for problem in outcome["problems"]]
    lost, twice = verdicts.count("lost"), verdicts.count("twice")
    first = [outcome["recovered"] for outcome in outcomes if outcome["recovered"] is not None]
    quiet = [outcome["quiet"] for outcome in outcomes if outcome["quiet"]]
    cells = [name, str(len(outcomes)), str(lost), str(twice), str(len(verdicts) - lost - twice)]
    return f"| {' | '.join([*cells, *_spread(first), *_spread(quiet)])} |"


def _spread(seconds: Sequence[float]) -> tuple[str, str]:
    return (f"{statistics.median(seconds):.1f} s", f"{max(seconds):.1f} s") if seconds else ("", "")


def _taken_over(outcomes: _Outcomes) -> str:
    """Say how long courses waited that a worker had in hand when it met a fault that ended it."""
    ended = [one["taken_over"] for one in outcomes if "worker" in one["fault"] and "killed" in one["fault"]]
    seconds = [each for each in ended if each is not None]
    if not seconds:
        return ""
    median, worst = _spread(seconds)
    return (
        f"Workers were killed {len(seconds)} times while they had courses in hand. All of these were being archived "
        f"again, by others or by the same worker started anew, after {median} (median) and {worst} (worst).\n"
    )


def _left_out(journal: Mapping[str, Any]) -> str:
    if not journal["left_out"]:
        return ""
    rows = [f"- {name}: {why}" for name, why in sorted(journal["left_out"].items())]
    return "\n".join(["## Left out in this run\n", *rows, ""])
