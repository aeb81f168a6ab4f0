"""Lessons: their pages with answers, and everybody's attempts, page by page."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

from coursekeep import Kind, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.moodle.activities import activity
from coursekeep_connectors.moodle.outline import Module
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, number, objects, pick, text, whole

__all__ = ["lesson"]

_PAGE = ("title", "contents", "contentsformat", "qtype", "qoption", "typestring", "prevpageid", "nextpageid", "layout")
_ANSWER = ("answer", "answerformat", "response", "responseformat", "jumpto", "grade", "score", "flags")


async def lesson(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a lesson with its pages, and the attempts at it."""
    pages: list[Json] = []
    laid_out, tried = _pages(reading, module, pages), _attempts(reading, module)
    for stream in (
        reading.guarded(laid_out, Kind.ACTIVITIES, of=module.id, count=0),
        reading.guarded(tried, Kind.RESPONSES, of=module.id),
    ):
        async with aclosing(stream) as parts:
            async for part in parts:
                yield part
    for part in activity(reading, item, module, parts=pages):
        yield part


async def _pages(reading: Reading, module: Module, into: list[Json]) -> Parts:
    body, items = await reading.listing("mod_lesson_get_pages", {"lessonid": module.instance}, key="pages")
    yield reading.raw("lesson_pages", body, of=module.instance)
    for part in reading.warned(body, Kind.ACTIVITIES):
        yield part
    for item in items:
        page = item.get("page")
        if not isinstance(page, dict):
            continue
        whole_page: Json = {}
        of = f"{module.id}-page-{text(page.get('id'))}"
        asked = _page(reading, module, ident(page), whole_page)
        async with aclosing(reading.guarded(asked, Kind.ACTIVITIES, of=of, count=0)) as parts:
            async for part in parts:
                yield part
        into.append(_described(page, whole_page))


async def _page(reading: Reading, module: Module, page_id: str, into: Json) -> Parts:
    arguments = {"lessonid": module.instance, "pageid": page_id, "returncontents": True}
    found = await reading.call("mod_lesson_get_page_data", arguments)
    yield reading.raw("lesson_page_data", found, of=page_id)
    for part in reading.warned(found, Kind.ACTIVITIES):
        yield part
    for part in reading.attached(found.get("contentfiles"), group="activities"):
        yield part
    for answer in objects(found.get("answers")):
        for name in ("answerfiles", "responsefiles"):
            for part in reading.attached(answer.get(name), group="activities"):
                yield part
    into.update(found)


def _described(page: Json, found: Json) -> Json:
    answers = [{"id": ident(one), **pick(one, *_ANSWER)} for one in objects(found.get("answers"))]
    inner = found.get("page")
    said = {**page, **(inner if isinstance(inner, dict) else {})}
    return {"id": ident(page), **pick(said, *_PAGE), **({"answers": answers} if answers else {})}


async def _attempts(reading: Reading, module: Module) -> Parts:
    found = await reading.call("mod_lesson_get_attempts_overview", {"lessonid": module.instance})
    yield reading.raw("lesson_overview", found, of=module.instance)
    for part in reading.warned(found, Kind.RESPONSES):
        yield part
    data = found.get("data")
    students = objects(data.get("students")) if isinstance(data, dict) else []
    wanted = [(student, attempt) for student in students for attempt in objects(student.get("attempts"))]
    for student in students:
        reading.refer(student.get("id"), student.get("fullname"))
    streams = (_attempt(reading, module, ident(student), attempt) for student, attempt in wanted)
    async with aclosing(in_order(streams, width=reading.width)) as parts:
        async for part in parts:
            yield part


async def _attempt(reading: Reading, module: Module, person_id: str, attempt: Json) -> Parts:
    detail: Json = {}
    tried = whole(attempt.get("try")) or 0
    of = f"{module.id}-{person_id}-{tried}"
    asked = _detail(reading, module, person_id, tried, detail)
    async with aclosing(reading.guarded(asked, Kind.RESPONSES, of=of, count=0)) as parts:
        async for part in parts:
            yield part
    for part in reading.mapped(
        Kind.RESPONSES, attempt, partial(_record, module=module, person_id=person_id, detail=detail, of=of), of=of
    ):
        yield part


async def _detail(reading: Reading, module: Module, person_id: str, tried: int, into: Json) -> Parts:
    arguments = {"lessonid": module.instance, "userid": person_id, "lessonattempt": tried}
    found = await reading.call("mod_lesson_get_user_attempt", arguments)
    yield reading.raw("lesson_attempts", found, of=f"{module.instance}-{person_id}-{tried}")
    for part in reading.warned(found, Kind.RESPONSES):
        yield part
    into.update(found)


def _record(item: Json, module: Module, person_id: str, detail: Json, of: str) -> Record:
    ended = moment(item.get("timeend"))
    data = {
        "activity_id": module.id,
        "person_id": person_id,
        "type": "attempt",
        "attempt": (whole(item.get("try")) or 0) + 1,
        "state": "finished" if item.get("end") else "unfinished",
        "created_at": moment(item.get("timestart")),
        "updated_at": ended,
        "score": number(item.get("grade")),
        "answers": [
            pick(one, "title", "contents", "qtype", "answerdata") for one in objects(detail.get("answerpages"))
        ],
        "extra": pick(detail, "userstats"),
    }
    return Record(kind=Kind.RESPONSES, id=of, data=data)
