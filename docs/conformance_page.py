"""Write `docs/reference/conformance.md` from the conformance suite: `make reference`."""

from __future__ import annotations

import sys

from coursekeep.testing import Area, ConnectorContract, Grade, promises_of
from coursekeep.testing.scorecard import REMEDIES

__all__ = ["conformance_page"]

INTRODUCTION = """# Conformance

What every connector promises, built in or of an institution. Each promise is a test of
`coursekeep.testing.ConnectorContract`, and this page is made from the same tests. `coursekeep connector test DIST`
runs them against an installed distribution and prints a scorecard; [how to write a
connector](../how-to/write-a-connector.md) tells how to inherit them.

## Grades

| grade | promises | what they are for |
|---|---|---|
"""

_MEANING = {
    Grade.REQUIRED: "without them packages lose or invent data, claim to be complete, or secrets get out",
    Grade.EXPECTED: "what operators rely on every day",
    Grade.EXEMPLARY: "what large or unfriendly LMSs need",
}

MORE = """
A connector reaches a grade when it keeps every promise of that grade and of those above it in the table. A promise
that does not apply breaks nothing, and the scorecard says why it does not: a connector that asks nobody over HTTP
is not asked about retries. A promise that did not run, was skipped for any other reason, or whose test was replaced
is not kept.

## Faults

Faults are put between the connector and its LMS by a transport that wraps the connector's own, so that they work
before a fake LMS and a real one alike: no connection, status 503, a connection that breaks within the body, half of
the JSON, a page for people with status 200, 401, 403, 404, and 429 with Retry-After. For that the suite makes the
connector anew, by `type(connector)(connector.settings, transport=..., retry=...)`. What Retry-After asks for is
waited by a clock that is put forward, so that no test sleeps.

Faults are tried at some requests of an export, spread evenly; the class attribute `positions` says at how many.

## What the suite is told

| field of `Known` | | |
|---|---|---|
| `ended` | needed | id of a course that has ended, and that the token may read |
| `missing` | needed | id that no course has |
| `forbidden` | optional | id of a course that the token may not read |
| `counts` | optional | how many of some kinds the course `ended` holds, counted in the LMS itself |
| `hostile`, `hostile_names` | optional | id of a course with hostile names, and these; `HOSTILE_NAMES`, if not given |

The fixture `broken` gives connectors whose check must fail; it is needed where nothing is asked over HTTP.
"""


def conformance_page() -> str:
    """Return the whole page."""
    promises = list(promises_of(ConnectorContract))
    counts = [(grade, sum(promise.grade is grade for promise in promises)) for grade in Grade]
    rows = [f"| `{grade}` | {count} | {_MEANING[grade]} |" for grade, count in counts]
    lines = [INTRODUCTION + "\n".join(rows), MORE, "## Promises", ""]
    for area in Area:
        lines += [f"### {str(area).capitalize()}", "", f"Where one is broken: {REMEDIES[area]}.", ""]
        lines += ["| test | grade | what holds |", "|---|---|---|"]
        lines += [f"| `{each.name}` | {each.grade} | {each.fact} |" for each in promises if each.area is area]
        lines.append("")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.stdout.write(conformance_page())
