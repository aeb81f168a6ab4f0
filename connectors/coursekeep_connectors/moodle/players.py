"""Content that runs by itself: SCORM packages, H5P, and what was said in chats."""

from __future__ import annotations

from contextlib import aclosing
from functools import partial

from coursekeep import Kind, Record
from coursekeep_connectors.moodle.activities import activity
from coursekeep_connectors.moodle.outline import Module
from coursekeep_connectors.moodle.reading import Parts, Reading
from coursekeep_connectors.moodle.values import Json, ident, moment, number, objects, person, pick, text, whole

__all__ = ["chat", "h5p", "scorm"]

_AT_ONCE = 50


async def scorm(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a SCORM package with its parts; tracks of others are in no function."""
    scoes: list[Json] = []
    async with aclosing(
        reading.guarded(_scoes(reading, module, scoes), Kind.ACTIVITIES, of=module.id, count=0)
    ) as parts:
        async for part in parts:
            yield part
    for part in activity(reading, item, module, parts=scoes):
        yield part


async def _scoes(reading: Reading, module: Module, into: list[Json]) -> Parts:
    body, items = await reading.listing("mod_scorm_get_scorm_scoes", {"scormid": module.instance}, key="scoes")
    yield reading.raw("scorm_scoes", items)
    for part in reading.warned(body, Kind.ACTIVITIES):
        yield part
    into += [
        {"id": ident(item), **pick(item, "title", "identifier", "parent", "launch", "scormtype", "organization")}
        for item in items
    ]


async def h5p(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield an H5P activity, and everybody's attempts with what was answered."""
    for part in activity(reading, item, module):
        yield part
    async with aclosing(reading.guarded(_attempts(reading, module), Kind.RESPONSES, of=module.id)) as parts:
        async for part in parts:
            yield part


async def _attempts(reading: Reading, module: Module) -> Parts:
    arguments = {"h5pactivityid": module.instance}
    body, users = await reading.listing("mod_h5pactivity_get_user_attempts", arguments, key="usersattempts")
    yield reading.raw("h5p_attempts", users, of=module.instance)
    for part in reading.warned(body, Kind.RESPONSES):
        yield part
    found = [attempt for user in users for attempt in objects(user.get("attempts"))]
    for start in range(0, len(found), _AT_ONCE):
        batch = found[start : start + _AT_ONCE]
        results: dict[str, Json] = {}
        asked = _results(reading, module, [ident(one) for one in batch], results)
        of = f"{module.id}-results"
        async with aclosing(reading.guarded(asked, Kind.RESPONSES, of=of, count=0)) as parts:
            async for part in parts:
                yield part
        for attempt in batch:
            reading.refer(attempt.get("userid"))
            for part in reading.mapped(Kind.RESPONSES, attempt, partial(_attempt, module=module, results=results)):
                yield part


async def _results(reading: Reading, module: Module, ids: list[str], into: dict[str, Json]) -> Parts:
    function, arguments = "mod_h5pactivity_get_results", {"h5pactivityid": module.instance, "attemptids": ids}
    body, items = await reading.listing(function, arguments, key="attempts")
    yield reading.raw("h5p_results", items)
    for part in reading.warned(body, Kind.RESPONSES):
        yield part
    into.update((ident(item), item) for item in items)


def _attempt(item: Json, module: Module, results: dict[str, Json]) -> Record:
    detail = results.get(ident(item), {})
    data = {
        "activity_id": module.id,
        "person_id": person(item.get("userid")),
        "type": "attempt",
        "attempt": whole(item.get("attempt")),
        "created_at": moment(item.get("timecreated")),
        "updated_at": moment(item.get("timemodified")),
        "score": number(item.get("rawscore")),
        "answers": objects(detail.get("results")),
        "extra": pick(item, "maxscore", "scaled", "duration", "completion", "success"),
    }
    return Record(kind=Kind.RESPONSES, id=f"h5pactivity-{ident(item)}", data=data)


async def chat(reading: Reading, module: Module, item: Json) -> Parts:
    """Yield a chat and what was said in it, session by session."""
    for part in activity(reading, item, module):
        yield part
    async with aclosing(reading.guarded(_sessions(reading, module), Kind.RESPONSES, of=module.id)) as parts:
        async for part in parts:
            yield part


async def _sessions(reading: Reading, module: Module) -> Parts:
    arguments = {"chatid": module.instance, "groupid": 0, "showall": True}
    body, sessions = await reading.listing("mod_chat_get_sessions", arguments, key="sessions")
    yield reading.raw("chat_sessions", body, of=module.instance)
    for part in reading.warned(body, Kind.RESPONSES):
        yield part
    told: set[str] = set()
    for session in sessions:
        times = {key: session.get(key) for key in ("sessionstart", "sessionend")}
        arguments = {"chatid": module.instance, **times, "groupid": 0}
        function = "mod_chat_get_session_messages"
        found, messages = await reading.listing(function, arguments, key="messages")
        for part in reading.warned(found, Kind.RESPONSES):
            yield part
        fresh = [one for one in messages if str(one.get("id")) not in told]
        told.update(str(one.get("id")) for one in fresh)
        yield reading.raw("chat_messages", fresh)
        for message in fresh:
            reading.refer(message.get("userid"))
            for part in reading.mapped(Kind.RESPONSES, message, partial(_message, module=module)):
                yield part


def _message(item: Json, module: Module) -> Record:
    data = {
        "activity_id": module.id,
        "person_id": person(item.get("userid")),
        "group_id": person(item.get("groupid")),
        "type": "message",
        "body_html": text(item.get("message")),
        "created_at": moment(item.get("timestamp")),
        "extra": pick(item, "issystem"),
    }
    return Record(kind=Kind.RESPONSES, id=f"chat-{ident(item)}", data=data)
