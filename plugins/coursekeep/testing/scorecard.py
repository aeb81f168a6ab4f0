"""The scorecard of a connector: what became of every promise, and which grade that makes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from coursekeep.testing.grades import Area, Grade, Promise

__all__ = ["REMEDIES", "Mark", "Outcome", "Scorecard", "grade_of", "promise_mark", "scorecard"]

#: where the promises are explained
_PAGE = "docs/reference/conformance.md"

#: what to do where a promise of an area is not kept
REMEDIES: dict[Area, str] = {
    Area.SETTINGS: "give each field a title and a description, make secrets SecretStr, and keep extra fields forbidden",
    Area.CHECK: "catch ConnectorError in check(), and yield a step with ok=False, a detail and a remedy",
    Area.FINDING: "read every page of the list, map what it says, and let errors through instead of ending early",
    Area.ACCESS: "return None on NotFound alone, and let NoAccess, CredentialsNeeded and RetryLater through",
    Area.RECORDS: "compare the record with its model in coursekeep.kinds, and give every file an id and an address",
    Area.GAPS: "yield Expected for what is listed, and a Gap of that kind where a part cannot be read",
    Area.PAGING: "read lists with client.pages or client.items, and let the dialect name the next page",
    Area.RETRIES: "ask with the connector's client, which retries; use client.read for small files, and repeatable=True"
    " for a POST that only reads",
    Area.THROTTLING: "ask with the connector's client; let the dialect's error() return RetryLater with throttled=True"
    " and after=...",
    Area.DETERMINISM: "leave times of reading, counters and random ids out of records; redact what is volatile",
    Area.REDACTION: "let the dialect carry credentials, ask with the client only, and quote no answers",
    Area.CANCELLATION: "close streams with aclosing, run tasks in a TaskGroup, and never swallow CancelledError",
    Area.MEMORY: "yield each part as soon as it is mapped, and keep ids instead of contents",
    Area.NAMES: "put ids into addresses with coursekeep.segment, and hand names on as they are",
}


class Outcome(StrEnum):
    """What became of a promise."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """What became of one promise, for one class of the connector's."""

    #: name of the class that inherits the contract
    suite: str
    test: str
    area: Area
    grade: Grade
    fact: str
    outcome: Outcome
    #: what was found, where it failed; the reason, where it is not applicable
    detail: str = ""
    #: file and line
    where: str = ""

    @property
    def remedy(self) -> str:
        """Say what to do about a failure."""
        return f"{REMEDIES[self.area]}; see {_PAGE}" if self.outcome is Outcome.FAILED else ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Scorecard:
    """All marks of a connector, or of several in one distribution."""

    marks: Sequence[Mark]
    #: tests of the distribution's own, which no grade depends on, that failed
    others: Sequence[str] = ()

    @property
    def grade(self) -> Grade | None:
        """Return the highest grade of which, and of those below which, every promise is kept."""
        return grade_of(self.marks)

    def counts(self) -> dict[Area, dict[Outcome, int]]:
        """Count the outcomes of each area."""
        counts = {area: dict.fromkeys(Outcome, 0) for area in Area}
        for mark in self.marks:
            counts[mark.area][mark.outcome] += 1
        return counts

    def failures(self) -> list[Mark]:
        """Return what failed, the gravest first."""
        return sorted((mark for mark in self.marks if mark.outcome is Outcome.FAILED), key=_gravity)

    def to_json(self) -> dict[str, Any]:
        """Return the scorecard as JSON."""
        return {
            "grade": self.grade,
            "areas": {
                str(area): {str(key): count for key, count in row.items()} for area, row in self.counts().items()
            },
            "marks": [asdict(mark) | {"remedy": mark.remedy} for mark in self.marks],
            "others": list(self.others),
        }


def scorecard(data: dict[str, Any]) -> Scorecard:
    """Read a scorecard from its JSON."""
    marks = []
    for each in data["marks"]:
        fields = {key: value for key, value in each.items() if key != "remedy"}
        enums = {"area": Area(each["area"]), "grade": Grade(each["grade"]), "outcome": Outcome(each["outcome"])}
        marks.append(Mark(**{**fields, **enums}))
    return Scorecard(marks=marks, others=data["others"])


def grade_of(marks: Iterable[Mark]) -> Grade | None:
    """Return the highest grade that is reached; None where a required promise is broken, or none was tried."""
    found = list(marks)
    broken = {mark.grade for mark in found if mark.outcome is Outcome.FAILED}
    reached: Grade | None = None
    if not any(mark.outcome is Outcome.PASSED for mark in found):
        return None
    for grade in Grade:
        if grade in broken:
            break
        reached = grade
    return reached


def _gravity(mark: Mark) -> tuple[int, int, str, str]:
    return (mark.grade.rank, list(Area).index(mark.area), mark.suite, mark.test)


def promise_mark(suite: str, promise: Promise, outcome: Outcome, detail: str = "", where: str = "") -> Mark:
    """Make the mark of a promise."""
    return Mark(
        suite=suite,
        test=promise.name,
        area=promise.area,
        grade=promise.grade,
        fact=promise.fact,
        outcome=outcome,
        detail=detail,
        where=where,
    )
