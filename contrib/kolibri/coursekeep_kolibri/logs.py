"""What Kolibri logs of learners: tries, the answers in them, and where each learner stands with a resource."""

from __future__ import annotations

from functools import partial
from typing import Any

from coursekeep import Gap, GapReason, Kind, Record
from coursekeep_kolibri.ledger import Item, Parts
from coursekeep_kolibri.reading import Reading

__all__ = ["attempts_of", "read_progress", "tries_of"]

_PROGRESS = "Kolibri tells coaches how far a learner is in words; percentages and the moment of completion stay with it"
_VISITS = (
    "Kolibri gives single visits of learners only as CSV of the whole facility, made by a task of an administrator"
)
_UNKNOWN = "the channel of this resource is not on the server, and Kolibri tells nobody's standing with it"


async def tries_of(reading: Reading, content: str, learner: str) -> list[dict[str, Any]]:
    """Read a learner's tries at a quiz or an exercise, oldest first."""
    found = await reading.all("/api/logger/masterylog/", {"content": content, "user": learner})
    return sorted(found, key=lambda log: (str(log.get("start_timestamp")), str(log["id"])))


async def attempts_of(reading: Reading, content: str, learner: str) -> list[dict[str, Any]]:
    """Read a learner's answers in all tries, oldest first."""
    found = await reading.all("/api/logger/attemptlog/", {"content": content, "user": learner})
    return sorted(found, key=lambda log: (str(log.get("start_timestamp")), str(log["id"])))


async def read_progress(reading: Reading) -> Parts:
    """Yield where learners stand with the resources of lessons, and their tries at exercises with all answers."""
    ledger = reading.ledger
    standing = reading.listed("content_learner_status")
    yield reading.raw("learner_status", standing)
    ledger.expect(Kind.COMPLETIONS, len(standing), "class summary")
    ledger.expect(Kind.RESPONSES, 0, "tries")
    for one in sorted(standing, key=lambda one: (str(one["content_id"]), str(one["learner_id"]))):
        reading.met(one["learner_id"])
        for part in ledger.mapped(Kind.COMPLETIONS, one, partial(_completion, reading=reading)):
            yield part
        tries = one.get("tries")
        if tries:
            ledger.expect(Kind.RESPONSES, int(tries), "tries")
            async for part in _responses(reading, str(one["content_id"]), str(one["learner_id"])):
                yield part
    async for part in _unknown_contents(reading):
        yield part
    yield Gap(kind=Kind.COMPLETIONS, reason=GapReason.NOT_OFFERED, detail=_PROGRESS, count=0)
    yield Gap(kind=Kind.RESPONSES, reason=GapReason.NOT_OFFERED, detail=_VISITS, count=0)


def _completion(item: Item, *, reading: Reading) -> Record:
    content = str(item["content_id"])
    data = {
        "person_id": item["learner_id"],
        "target_kind": str(Kind.ACTIVITIES),
        "target_id": reading.node_of.get(content),
        "state": item["status"],
        "extra": {key: value for key, value in item.items() if key not in ("learner_id", "status")},
    }
    return Record(kind=Kind.COMPLETIONS, id=f"{content}-{item['learner_id']}", data=data)


async def _unknown_contents(reading: Reading) -> Parts:
    """Yield what learners did with resources whose channel is gone: the class summary passes them over."""
    known = {str(one.get("content_id")) for one in reading.listed("content")}
    for lesson in reading.listed("lessons"):
        for resource in lesson.get("resources") or ():
            content = str(resource["content_id"])
            if content in known:
                continue
            known.add(content)
            yield Gap(kind=Kind.COMPLETIONS, reason=GapReason.NOT_OFFERED, id=content, detail=_UNKNOWN, count=None)
            params = {"content": content, "classroom": reading.id}
            logs = await reading.all("/api/logger/attemptlog/", params)
            for learner in sorted({str(log["user"]) for log in logs if log.get("user")}):
                reading.met(learner)
                tries = {log["masterylog"] for log in logs if log.get("user") == learner and log.get("masterylog")}
                reading.ledger.expect(Kind.RESPONSES, len(tries), "tries")
                async for part in _responses(reading, content, learner):
                    yield part


async def _responses(reading: Reading, content: str, learner: str) -> Parts:
    tries = await tries_of(reading, content, learner)
    attempts = await attempts_of(reading, content, learner)
    yield reading.raw("mastery_logs", tries)
    yield reading.raw("attempt_logs", attempts)
    for number, found in enumerate(tries, 1):
        answers = [log for log in attempts if log.get("masterylog") == found["id"]]
        activity = reading.node_of.get(content, content)
        mapper = partial(_response, activity=activity, learner=learner, number=number, answers=answers)
        for part in reading.ledger.mapped(Kind.RESPONSES, found, mapper):
            yield part


def _response(found: Item, *, activity: str, learner: str, number: int, answers: list[dict[str, Any]]) -> Record:
    data = {
        "activity_id": activity,
        "person_id": learner,
        "type": "attempt",
        "attempt": number,
        "state": "Completed" if found["complete"] else "Started",
        "created_at": found.get("start_timestamp"),
        "updated_at": found.get("end_timestamp"),
        "score": found.get("correct"),
        "answers": answers,
        "extra": {key: found.get(key) for key in ("mastery_criterion", "completion_timestamp", "time_spent")},
    }
    return Record(kind=Kind.RESPONSES, id=str(found["id"]), data=data)
