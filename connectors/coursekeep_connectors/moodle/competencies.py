"""The competencies of a course, and how people were rated in them.

A rating that nobody gave is no record: Moodle lists every student with every competency, rated or not.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

from coursekeep import Kind, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.moodle.client import OutcomeError
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, pick, text, truth, whole

__all__ = ["competencies"]

_COURSE = "core_competency_list_course_competencies"
_RATINGS = "report_competency_data_for_report"


async def competencies(reading: Reading) -> Parts:
    """Yield the course's competencies and everybody's ratings; a site that has switched competencies off has none."""
    reading.expect(Kind.OUTCOMES, 0)
    reading.expect(Kind.OUTCOME_RESULTS, 0)
    try:
        _, items = await reading.listing(_COURSE, {"id": reading.course.id})
    except OutcomeError as error:
        if error.code == "competenciesarenotenabled":
            return
        raise
    if not items:
        return
    yield reading.raw("competencies", items)
    for item in items:
        for part in reading.mapped(Kind.OUTCOMES, item, _outcome):
            yield part
    people = sorted(reading.enrolled, key=lambda found: (len(found), found))
    streams = (
        reading.guarded(_ratings(reading, person_id), Kind.OUTCOME_RESULTS, of=f"ratings-{person_id}")
        for person_id in people
    )
    async with aclosing(in_order(streams, width=reading.width)) as parts:
        async for part in parts:
            yield part


def _outcome(item: Json) -> Record:
    found = _object(item, "competency")
    parent = whole(found.get("parentid"))
    data = {
        "node": "outcome",
        "parent_id": str(parent) if parent else None,
        "title": text(found.get("shortname")),
        "description_html": text(found.get("description")) or None,
        "extra": {
            "competency": pick(
                found, "idnumber", "path", "competencyframeworkid", "scaleid", "scaleconfiguration", "sortorder"
            ),
            "course": pick(_object(item, "coursecompetency"), "sortorder", "ruleoutcome", "timecreated"),
        },
    }
    return Record(kind=Kind.OUTCOMES, id=ident(found), data=data)


async def _ratings(reading: Reading, person_id: str) -> Parts:
    """Yield how one person was rated, in all competencies of the course; `moduleid` 0 means no activity alone."""
    arguments: dict[str, Any] = {"courseid": reading.course.id, "userid": person_id, "moduleid": 0}
    try:
        _, items = await reading.listing(_RATINGS, arguments, key="usercompetencies")
    except OutcomeError as error:
        if error.code == "invaliduser":
            return  # somebody who cannot be rated here, such as a teacher
        raise
    rated = [item for item in items if _object(item, "usercompetencycourse").get("grade") is not None]
    if not rated:
        return
    yield reading.raw("competency_ratings", items, of=person_id)
    for item in rated:
        for part in reading.mapped(Kind.OUTCOME_RESULTS, _object(item, "usercompetencycourse"), _result):
            yield part


def _result(item: Json) -> Record:
    competency, rated = ident(item, "competencyid"), ident(item, "userid")
    data = {
        "outcome_id": competency,
        "person_id": rated,
        "score": whole(item.get("grade")),
        "mastery": truth(item.get("proficiency")),
        "extra": pick(item, "gradename", "timecreated", "timemodified", "usermodified"),
    }
    return Record(kind=Kind.OUTCOME_RESULTS, id=f"{competency}-{rated}", data=data)


def _object(item: Json, key: str) -> Json:
    found = item.get(key)
    if not isinstance(found, dict):
        raise TypeError(f"no {key!r}")
    return found
