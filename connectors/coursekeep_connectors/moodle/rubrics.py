"""Rubrics and marking guides of assignments, and how graders filled them in."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial
from typing import Any

from coursekeep import Kind, Record
from coursekeep_connectors.moodle.outline import Outline
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, number, objects, person, pick, text

__all__ = ["rubrics"]

_DEFINITIONS, _INSTANCES = "core_grading_get_definitions", "core_grading_get_gradingform_instances"
_AT_ONCE = 50
#: what an instance calls the part that its method fills in, and the criteria in it
_METHODS = {"rubric": "rubric_criteria", "guide": "guide_criteria"}


async def rubrics(reading: Reading, outline: Outline) -> Parts:
    """Yield the definitions of advanced grading, each with its fillings; assignments without any have none."""
    reading.expect(Kind.RUBRICS, 0)
    modules = outline.of("assign")
    for start in range(0, len(modules), _AT_ONCE):
        batch = modules[start : start + _AT_ONCE]
        arguments = {"cmids": [module.cmid for module in batch], "areaname": "submissions", "activeonly": False}
        body, areas = await reading.listing(_DEFINITIONS, arguments, key="areas")
        for part in reading.warned(body, Kind.RUBRICS):
            yield part
        names = {module.cmid: module.id for module in batch}
        for area in areas:
            of = names.get(text(area.get("cmid")) or "")
            for definition in objects(area.get("definitions")):
                yield reading.raw("grading_definitions", definition)
                async with aclosing(_definition(reading, definition, of)) as parts:
                    async for part in parts:
                        yield part


async def _definition(reading: Reading, item: Json, of: str | None) -> Parts:
    filled: list[Json] = []
    key = text(item.get("id"))
    asked = _instances(reading, key or "", filled)
    async with aclosing(reading.guarded(asked, Kind.RUBRICS, of=key, count=0)) as parts:
        async for part in parts:
            yield part
    for part in reading.mapped(Kind.RUBRICS, item, partial(_rubric, of=of, filled=filled)):
        yield part


async def _instances(reading: Reading, definition: str, into: list[Json]) -> Parts:
    body, items = await reading.listing(_INSTANCES, {"definitionid": definition, "since": 0}, key="instances")
    yield reading.raw("grading_instances", items, of=definition)
    for part in reading.warned(body, Kind.RUBRICS):
        yield part
    for item in items:
        reading.refer(item.get("raterid"))
        into.append(item)


def _rubric(item: Json, of: str | None, filled: list[Json]) -> Record:
    method = text(item.get("method")) or ""
    form = item.get(method)
    criteria = objects(form.get(_METHODS.get(method, f"{method}_criteria"))) if isinstance(form, dict) else []
    data = {
        "title": text(item.get("name")),
        "criteria": [{"id": ident(one), **pick(one, *(key for key in one if key != "id"))} for one in criteria],
        "associations": [{"assignment_id": of, "method": method, **pick(item, "status", "description", "options")}],
        "assessments": [_filled(one, method) for one in filled],
    }
    return Record(kind=Kind.RUBRICS, id=ident(item), data=data)


def _filled(item: Json, method: str) -> dict[str, Any]:
    """Return one filling. `grade_id` is the grade that it led to, as `mod_assign_get_grades` counts them."""
    form = item.get(method)
    return {
        "id": ident(item),
        "grade_id": text(item.get("itemid")),
        "grader_id": person(item.get("raterid")),
        "score": number(item.get("rawgrade")),
        "criteria": objects(form.get("criteria")) if isinstance(form, dict) else [],
        **pick(item, "status", "feedback", "timemodified"),
    }
