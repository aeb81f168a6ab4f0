"""Courses that a class takes: whole branches of a channel, with units, lessons, and tests before and after each unit.

Kolibri has them since 0.19, and calls one that a class takes a course session.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from uuid import UUID, uuid5

from coursekeep import Gap, GapReason, Kind, MalformedAnswer, Record
from coursekeep_kolibri.ledger import Item, Parts
from coursekeep_kolibri.logs import read_standing
from coursekeep_kolibri.quizzes import read_attempts
from coursekeep_kolibri.reading import Reading

__all__ = ["read_course_sessions"]

#: Kolibri logs a unit's tests under ids that it derives in this name space from course session, unit and test
_TESTS = UUID("7c9e4b1a-3d5f-4a8e-9c2b-6d0e1f2a3b4c")
_EMPTY = "the class takes a course whose channel is not, or no longer, on the server"


async def read_course_sessions(reading: Reading) -> Parts:
    """Yield the courses that the class takes, what is in them, and what learners did in them."""
    sessions = await reading.all("/api/courses/coursesession/", {"collection": reading.id})
    yield reading.raw("course_sessions", sessions)
    for session in sorted(sessions, key=lambda one: (str(one.get("date_created")), str(one["id"]))):
        reading.met(session.get("created_by"), *(session.get("learner_ids") or ()))
        for part in reading.ledger.mapped(Kind.STRUCTURE, session, _course, basis="course sessions"):
            yield part
        nodes = await reading.all("/api/content/contentnode/", {"descendant_of": session["course"]})
        yield reading.raw("contentnodes", nodes)
        if not nodes:
            yield Gap(kind=Kind.STRUCTURE, reason=GapReason.NOT_FOUND, id=str(session["id"]), detail=_EMPTY, count=None)
        for node in nodes:
            if node["kind"] != "topic":
                reading.nodes.setdefault(str(node["id"]))
                reading.node_of.setdefault(str(node["content_id"]), str(node["id"]))
        for node in sorted(nodes, key=lambda one: int(one["lft"])):
            async for part in _node(reading, session, node):
                yield part


def _course(session: Item) -> Record:
    extra = {key: session.get(key) for key in ("description", "course", "created_by", "date_created")}
    extra["assignments"] = sorted(session.get("assignments") or ())
    extra["learner_ids"] = sorted(session.get("learner_ids") or ())
    about = {"title": session["title"], "item_type": "course", "published": session.get("active")}
    return Record(kind=Kind.STRUCTURE, id=str(session["id"]), data={"node": "module", **about, "extra": extra})


async def _node(reading: Reading, session: Item, node: Item) -> Parts:
    for part in reading.ledger.mapped(Kind.STRUCTURE, node, partial(_placed, session=session), basis="course sessions"):
        yield part
    if node.get("modality") == "UNIT":
        async for part in _unit(reading, session, node):
            yield part


def _placed(node: Item, *, session: Item) -> Record:
    folder = node["kind"] == "topic"
    above = "" if node["parent"] == session["course"] else f"-{node['parent']}"
    data = {
        "node": "module" if folder else "item",
        "parent_id": f"{session['id']}{above}",
        # Kolibri numbers a whole channel through; only the order means something
        "position": node["lft"],
        "title": node["title"],
        "item_type": str(node.get("modality") or node["kind"]).lower(),
        "target_kind": None if folder else str(Kind.ACTIVITIES),
        "target_id": None if folder else node["id"],
        "extra": {key: node.get(key) for key in ("content_id", "channel_id")},
    }
    return Record(kind=Kind.STRUCTURE, id=f"{session['id']}-{node['id']}", data=data)


async def _unit(reading: Reading, session: Item, unit: Item) -> Parts:
    """Yield a unit's learning objectives, its tests, and where learners stand with its lessons."""
    place = f"/coach/api/coursesession/{session['id']}/unit/{unit['id']}"
    report = await _object(reading, f"{place}/report/")
    yield reading.raw("unit_reports", [{"id": f"{session['id']}-{unit['id']}", **report}])
    reading.ledger.expect(Kind.OUTCOMES, len(report["learning_objectives"]), "unit reports")
    for objective in report["learning_objectives"]:
        for part in reading.ledger.mapped(Kind.OUTCOMES, objective, partial(_objective, unit=unit)):
            yield part
    for test in ("pre", "post"):
        async for part in _test(reading, session, unit, test, report):
            yield part
    progress = await _object(reading, f"{place}/lessonprogress/")
    async for part in read_standing(reading, progress["content_learner_status"]):
        yield part


async def _object(reading: Reading, path: str) -> Mapping[str, Any]:
    answer = await reading.client.get(path)
    if not isinstance(answer.body, dict):
        raise MalformedAnswer("the answer is no object", where=answer.where)
    return answer.body


def _objective(item: Item, *, unit: Item) -> Record:
    extra = {"unit": unit["id"], **{key: item.get(key) for key in ("num_questions", "metadata")}}
    return Record(
        kind=Kind.OUTCOMES, id=str(item["id"]), data={"node": "outcome", "title": item["text"], "extra": extra}
    )


async def _test(reading: Reading, session: Item, unit: Item, test: str, report: Mapping[str, Any]) -> Parts:
    """Yield a unit's test with its tries, and what they say of each learning objective. One never given is left out."""
    ledger, found = reading.ledger, report[f"{test}_test"]
    quiz = uuid5(_TESTS, f"{session['id']}:{unit['id']}:{test}").hex
    if found["status"] == "not_activated":
        return
    item = {"id": quiz, "status": found["status"], "test": test, "unit": unit, "course_session": session["id"]}
    for part in ledger.mapped(Kind.QUIZZES, item, _quiz, basis="unit reports"):
        yield part
    # The report names who has completed the test, and nobody who has only begun.
    for learner in sorted({*reading.learners(), *found["scores"]}):
        async for part in read_attempts(reading, quiz, learner, least=int(learner in found["scores"])):
            yield part
    for learner, scores in sorted(found["scores"].items()):
        for objective in report["learning_objectives"]:
            result = {"quiz": quiz, "learner": learner, "objective": str(objective["id"]), "scores": scores}
            for part in ledger.mapped(Kind.OUTCOME_RESULTS, result, _result, basis="unit reports"):
                yield part


def _quiz(item: Item) -> Record:
    unit, options = item["unit"], item["unit"].get("options") or {}
    threshold = (options.get("completion_criteria") or {}).get("threshold") or {}
    extra = {"status": item["status"], "unit": unit["id"], "course_session": item["course_session"]}
    extra["pre_post_test"] = threshold.get("pre_post_test")
    extra["assessment_objectives"] = options.get("assessment_objectives")
    return Record(
        kind=Kind.QUIZZES,
        id=item["id"],
        data={"title": unit["title"], "quiz_type": f"{item['test']}_test", "extra": extra},
    )


def _result(item: Item) -> Record:
    data = {
        "outcome_id": item["objective"],
        "person_id": item["learner"],
        # Kolibri leaves out an objective of which no question was answered rightly
        "score": item["scores"].get(item["objective"], 0),
        "extra": {"quiz_id": item["quiz"]},
    }
    id_ = f"{item['quiz']}-{item['learner']}-{item['objective']}"
    return Record(kind=Kind.OUTCOME_RESULTS, id=id_, data=data)
