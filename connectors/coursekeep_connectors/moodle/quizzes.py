"""Quizzes and every attempt at them, question by question as Moodle shows its review.

Attempts are told person by person, so that everybody who has to do with the course is asked about. Questions exist
only as they were shown within an attempt: the bank they come from is in no web service, and is named as a gap.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from functools import partial
from typing import Any

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.moodle.client import OutcomeError
from coursekeep_connectors.moodle.listed import Instances
from coursekeep_connectors.moodle.outline import Module, Outline
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, number, objects, pick, text, whole

__all__ = ["attempts", "quizzes"]

#: newer name first: the other goes with Moodle 6
_ATTEMPTS = ("mod_quiz_get_user_quiz_attempts", "mod_quiz_get_user_attempts")
_REVIEW = "mod_quiz_get_attempt_review"
_EXTRA = (
    "grade", "overduehandling", "graceperiod", "preferredbehaviour", "canredoquestions", "attemptonlast",
    "decimalpoints", "questiondecimalpoints", "reviewattempt", "reviewcorrectness", "reviewmarks",
    "reviewspecificfeedback", "reviewgeneralfeedback", "reviewrightanswer", "reviewoverallfeedback",
    "questionsperpage", "navmethod", "shuffleanswers", "browsersecurity", "delay1", "delay2", "showuserpicture",
    "hasfeedback", "introformat", "reviewmaxmarks", "completionattemptsexhausted", "completionpass", "subnet",
)  # fmt: skip
_POLICIES = {1: "highest", 2: "average", 3: "first", 4: "last"}
_ANSWER = (
    "slot", "type", "page", "questionnumber", "number", "html", "state", "status", "mark", "maxmark", "settings",
    "sequencecheck", "lastactiontime", "flagged", "blockedbyprevious",
)  # fmt: skip
#: states in which an attempt has no review yet
_OPEN = frozenset({"inprogress", "overdue", "notstarted"})


async def quizzes(reading: Reading, outline: Outline) -> Parts:
    """Yield the settings of the quizzes."""
    reading.expect(Kind.QUIZZES, 0)
    modules = outline.of("quiz")
    if not modules:
        return
    listed = Instances("mod_quiz_get_quizzes_by_courses", "quizzes", Kind.QUIZZES)
    async with aclosing(listed.load(reading, modules)) as parts:
        async for part in parts:
            yield part
    for module in modules:
        item = listed.items.get(module.instance, {})
        for part in reading.attached(item.get("introfiles"), group="quizzes"):
            yield part
        for part in reading.mapped(Kind.QUIZZES, item, partial(_quiz, module=module), of=module.id):
            yield part
        detail = "the question bank is in no web service; the questions are in the attempts as they were shown, and in"
        detail += " the course's backup"
        yield Gap(kind=Kind.QUIZ_QUESTIONS, reason=GapReason.NOT_OFFERED, id=module.id, detail=detail, count=None)


def _quiz(item: Json, module: Module) -> Record:
    allowed = whole(item.get("attempts"))
    method = whole(item.get("grademethod"))
    data = {
        "title": text(item.get("name")) or module.name,
        "description_html": text(item.get("intro")) or module.description,
        "points_possible": number(item.get("sumgrades")),
        "time_limit_seconds": whole(item.get("timelimit")) or None,
        "allowed_attempts": -1 if allowed == 0 else allowed,
        "scoring_policy": None if method is None else _POLICIES.get(method, str(method)),
        "unlock_at": moment(item.get("timeopen")),
        "due_at": moment(item.get("timeclose")),
        "lock_at": moment(item.get("timeclose")),
        "published": module.visible,
        "extra": pick(item, *_EXTRA),
    }
    return Record(kind=Kind.QUIZZES, id=module.id, data=data)


async def attempts(reading: Reading, outline: Outline) -> Parts:
    """Yield everybody's attempts: of the enrolled, and of whoever else was met in the course."""
    reading.expect(Kind.QUIZ_ATTEMPTS, 0)
    modules = outline.of("quiz")
    if not modules:
        return
    offered = [name for name in _ATTEMPTS if await reading.calls.has(name)]
    # Where neither is offered, asking for the one that most sites have makes the gap that names it.
    function = offered[0] if offered else _ATTEMPTS[-1]
    people = sorted(reading.people | set(reading.referred), key=lambda found: (len(found), found))
    for module in modules:
        streams = (_guarded(reading, module, function, person_id) for person_id in people)
        async with aclosing(_once(in_order(streams, width=reading.width), module)) as parts:
            async for part in parts:
                yield part


async def _once(parts: Any, module: Module) -> Parts:
    """Yield one gap where everybody's attempts fail for one reason, in place of as many as there are people."""
    told: set[tuple[GapReason, str]] = set()
    async with aclosing(parts) as stream:
        async for part in stream:
            if isinstance(part, Gap) and part.count is None:
                if (part.reason, part.detail) in told:
                    continue
                told.add((part.reason, part.detail))
                part = Gap(kind=part.kind, reason=part.reason, id=module.id, detail=part.detail, count=None)
            yield part


async def _guarded(reading: Reading, module: Module, function: str, person_id: str) -> Parts:
    found = _of_person(reading, module, function, person_id)
    async with aclosing(reading.guarded(found, Kind.QUIZ_ATTEMPTS, of=f"{module.id}-{person_id}")) as parts:
        async for part in parts:
            yield part


async def _of_person(reading: Reading, module: Module, function: str, person_id: str) -> Parts:
    arguments = {"quizid": module.instance, "userid": person_id, "status": "all", "includepreviews": True}
    try:
        body, items = await reading.listing(function, arguments, key="attempts")
    except OutcomeError as error:
        if error.code != "userdeleted":
            raise
        detail = "Moodle hands out no attempts of a deleted user"
        of = f"{module.id}-{person_id}"
        yield Gap(
            kind=Kind.QUIZ_ATTEMPTS, reason=GapReason.NOT_OFFERED, id=of, detail=f"{detail} ({person_id})", count=None
        )
        return
    if items:
        yield reading.raw("quiz_attempts", items)
    for part in reading.warned(body, Kind.QUIZ_ATTEMPTS):
        yield part
    for item in items:
        async with aclosing(_attempt(reading, module, item)) as parts:
            async for part in parts:
                yield part


async def _attempt(reading: Reading, module: Module, item: Json) -> Parts:
    review: Json = {}
    attempt_id = text(item.get("id")) or ""
    if item.get("state") in _OPEN:
        detail = f"the attempt is {item.get('state')}; Moodle shows its answers only once it is over"
        yield Gap(kind=Kind.QUIZ_ATTEMPTS, reason=GapReason.NOT_OFFERED, id=attempt_id, detail=detail, count=0)
    else:
        asked = _review(reading, attempt_id, review)
        async with aclosing(reading.guarded(asked, Kind.QUIZ_ATTEMPTS, of=attempt_id, count=0)) as parts:
            async for part in parts:
                yield part
    for part in _answered(reading, item, review):
        yield part
    for part in reading.mapped(Kind.QUIZ_ATTEMPTS, item, lambda found: _record(reading, found, module, review)):
        yield part


async def _review(reading: Reading, attempt_id: str, into: Json) -> Parts:
    found = await reading.call(_REVIEW, {"attemptid": attempt_id, "page": -1})
    yield reading.raw("quiz_attempt_reviews", found, of=attempt_id)
    for part in reading.warned(found, Kind.QUIZ_ATTEMPTS):
        yield part
    into.update(found)


def _answered(reading: Reading, item: Json, review: Json) -> Iterator[Part]:
    owner = reading.refer(item.get("userid"))
    for question in objects(review.get("questions")):
        for area in objects(question.get("responsefileareas")):
            yield from reading.attached(area.get("files"), group="quizzes", owner=owner)


def _record(reading: Reading, item: Json, module: Module, review: Json) -> Record:
    answers = []
    for question in objects(review.get("questions")):
        files = [
            file_id
            for area in objects(question.get("responsefileareas"))
            for file_id in reading.ids_of(area.get("files"))
        ]
        answers.append({**pick(question, *_ANSWER), **({"file_ids": files} if files else {})})
    started, finished = moment(item.get("timestart")), moment(item.get("timefinish"))
    data = {
        "quiz_id": module.id,
        "person_id": text(item.get("userid")),
        "attempt": whole(item.get("attempt")),
        "state": text(item.get("state")),
        "started_at": started,
        "finished_at": finished,
        "score": number(item.get("sumgrades")),
        "seconds_spent": int((finished - started).total_seconds()) if started and finished else None,
        "answers": answers,
        "extra": {
            **pick(item, "layout", "uniqueid", "preview", "timemodified", "gradeitemmarks"),
            **({"grade": review["grade"]} if review.get("grade") not in (None, "") else {}),
            **pick(review, "additionaldata"),
        },
    }
    return Record(kind=Kind.QUIZ_ATTEMPTS, id=ident(item), data=data)
