"""Choices and feedback: what people answered when they were asked."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

from coursekeep import Gap, GapReason, Kind, Record
from coursekeep_connectors.moodle.activities import activity, missing
from coursekeep_connectors.moodle.listed import pages_of
from coursekeep_connectors.moodle.outline import Module
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, objects, person, pick, text, whole

__all__ = ["choice", "feedback", "survey"]


async def choice(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a choice with its options, and who chose what."""
    options: list[Json] = []
    async with aclosing(reading.guarded(_chosen(reading, module, options), Kind.RESPONSES, of=module.id)) as parts:
        async for part in parts:
            yield part
    for part in activity(reading, item, module, parts=options):
        yield part


async def _chosen(reading: Reading, module: Module, into: list[Json]) -> Parts:
    body, options = await reading.listing("mod_choice_get_choice_results", {"choiceid": module.instance}, key="options")
    yield reading.raw("choice_results", body, of=module.instance)
    for part in reading.warned(body, Kind.RESPONSES):
        yield part
    for option in options:
        if text(option.get("id")) in (None, "0"):
            continue  # who has not chosen yet
        into.append({"id": ident(option), **pick(option, "text", "maxanswer", "numberofuser")})
        answers = objects(option.get("userresponses"))
        for answer in answers:
            reading.refer(answer.get("userid"), answer.get("fullname"))
            of = f"{module.id}-{ident(option)}-{text(answer.get('userid'))}"
            for part in reading.mapped(
                Kind.RESPONSES, answer, partial(_choice, module=module, option=option, of=of), of=of
            ):
                yield part
        counted = whole(option.get("numberofuser")) or 0
        if counted > len(answers):
            reading.expect(Kind.RESPONSES, counted - len(answers), "numberofuser")
            detail = f"{counted} chose this, but Moodle names {len(answers)}: the results are anonymous, or hidden"
            yield Gap(
                kind=Kind.RESPONSES,
                reason=GapReason.NO_ACCESS,
                id=f"{module.id}-{ident(option)}",
                detail=detail,
                count=counted - len(answers),
            )


def _choice(item: Json, module: Module, option: Json, of: str) -> Record:
    data = {
        "activity_id": module.id,
        "person_id": ident(item, "userid"),
        "type": "choice",
        "updated_at": moment(item.get("timemodified")),
        "answers": [{"option_id": ident(option), "text": text(option.get("text"))}],
    }
    return Record(kind=Kind.RESPONSES, id=of, data=data)


async def feedback(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a feedback with its questions, and what was answered; anonymous answers stay anonymous."""
    questions: list[Json] = []
    asked, answered = _asked(reading, module, questions), _answered(reading, module)
    for stream in (
        reading.guarded(asked, Kind.ACTIVITIES, of=module.id, count=0),
        reading.guarded(answered, Kind.RESPONSES, of=module.id),
    ):
        async with aclosing(stream) as parts:
            async for part in parts:
                yield part
    for part in activity(reading, item, module, parts=questions):
        yield part


async def _asked(reading: Reading, module: Module, into: list[Json]) -> Parts:
    body, items = await reading.listing("mod_feedback_get_items", {"feedbackid": module.instance}, key="items")
    yield reading.raw("feedback_items", items)
    for part in reading.warned(body, Kind.ACTIVITIES):
        yield part
    for item in items:
        for part in reading.attached(item.get("itemfiles"), group="activities"):
            yield part
        into.append(
            {
                "id": ident(item),
                **pick(
                    item, "name", "label", "presentation", "typ", "position", "required", "dependitem", "dependvalue"
                ),
                **pick(item, "options"),
            }
        )


async def _answered(reading: Reading, module: Module) -> Parts:
    function = "mod_feedback_get_responses_analysis"
    got = {"attempts": 0, "anonattempts": 0}
    totals: Json = {}
    async with aclosing(
        pages_of(reading, function, {"feedbackid": module.instance}, "attempts", "anonattempts")
    ) as pages:
        async for body in pages:
            totals = body
            yield reading.raw("feedback_responses", body, of=module.instance)
            for part in reading.warned(body, Kind.RESPONSES):
                yield part
            for key in got:
                for item in objects(body[key]):
                    got[key] += 1
                    reading.refer(item.get("userid"), item.get("fullname"))
                    of = f"{module.id}-{'anonymous-' if key == 'anonattempts' else ''}{text(item.get('id'))}"
                    for part in reading.mapped(Kind.RESPONSES, item, partial(_feedback, module=module, of=of), of=of):
                        yield part
    for key, total in (("attempts", "totalattempts"), ("anonattempts", "totalanonattempts")):
        for part in missing(reading, Kind.RESPONSES, f"{module.id}-{key}", totals.get(total), got[key]):
            yield part


def _feedback(item: Json, module: Module, of: str) -> Record:
    data = {
        "activity_id": module.id,
        "person_id": person(item.get("userid")),
        "type": "answers",
        "updated_at": moment(item.get("timemodified")),
        "answers": [
            {"item_id": ident(one), **pick(one, "name", "printval", "rawval")} for one in objects(item.get("responses"))
        ],
        "extra": pick(item, "number"),
    }
    return Record(kind=Kind.RESPONSES, id=of, data=data)


async def survey(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a survey with its questions; what people answered is in no function."""
    questions: list[Json] = []
    found = _questions(reading, module, questions)
    async with aclosing(reading.guarded(found, Kind.ACTIVITIES, of=module.id, count=0)) as parts:
        async for part in parts:
            yield part
    for part in activity(reading, item, module, parts=questions):
        yield part


async def _questions(reading: Reading, module: Module, into: list[Json]) -> Parts:
    arguments = {"surveyid": module.instance}
    body, items = await reading.listing("mod_survey_get_questions", arguments, key="questions")
    yield reading.raw("survey_questions", items)
    for part in reading.warned(body, Kind.ACTIVITIES):
        yield part
    into += [{"id": ident(item), **pick(item, "text", "shorttext", "intro", "type", "options")} for item in items]
