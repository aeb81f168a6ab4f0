"""What Kolibri logs of learners: tries, the answers in them, and where each learner stands with a resource."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from coursekeep import Gap, GapReason, Kind, Record
from coursekeep_kolibri.ledger import Item, Mapper, Parts
from coursekeep_kolibri.reading import Reading

__all__ = ["attempt_of", "read_progress", "read_standing", "read_tries"]

_PROGRESS = "Kolibri tells coaches how far a learner is in words; percentages and the moment of completion stay with it"
_VISITS = (
    "Kolibri gives single visits of learners only as CSV of the whole facility, made by a task of an administrator"
)
_UNKNOWN = "the channel of this resource is not on the server, and Kolibri tells nobody's standing with it"
_HIDDEN = "the learner has left the class, or the signed-in user may not read the learner's log"


async def read_tries(reading: Reading, kind: Kind, content: str, learner: str, *, least: int, mapper: Mapper) -> Parts:
    """Yield a learner's tries at a quiz or an exercise, oldest first, each with its answers.

    `least` is how many Kolibri says elsewhere that there are; those that it does not give are a gap. The mapper finds
    the number of the try and its answers in `attempt` and `answers`. Kolibri gives nobody's tries but one person's.
    """
    params = {"content": content, "user": learner}
    tries = _in_order(await reading.all("/api/logger/masterylog/", params))
    if tries or least:
        reading.met(learner)
    reading.ledger.expect(kind, max(least, len(tries)), "tries")
    if len(tries) < least:
        id_ = f"{content}-{learner}"
        yield Gap(kind=kind, reason=GapReason.NO_ACCESS, id=id_, detail=_HIDDEN, count=least - len(tries))
    if not tries:
        return
    logs = _in_order(await reading.all("/api/logger/attemptlog/", params))
    yield reading.raw("mastery_logs", tries)
    yield reading.raw("attempt_logs", logs)
    for number, found in enumerate(tries, 1):
        answers = [log for log in logs if log.get("masterylog") == found["id"]]
        for part in reading.ledger.mapped(kind, {**found, "attempt": number, "answers": answers}, mapper):
            yield part


def attempt_of(item: Item) -> dict[str, Any]:
    """Return what a try at a quiz and one at an exercise have in common, in the words of Kolibri's coaches."""
    return {
        "attempt": item["attempt"],
        "state": "Completed" if item["complete"] else "Started",
        "score": item.get("correct"),
        "answers": item["answers"],
    }


def _in_order(logs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(logs, key=lambda log: (str(log.get("start_timestamp")), str(log["id"])))


async def read_progress(reading: Reading) -> Parts:
    """Yield where learners stand with the resources of lessons, and their tries at exercises with all answers."""
    standing = reading.listed("content_learner_status")
    async for part in read_standing(reading, standing):
        yield part
    known = {str(one.get("content_id")) for one in reading.listed("content")}
    for lesson in reading.lessons:
        for resource in lesson.get("resources") or ():
            content = str(resource["content_id"])
            if content not in known:
                known.add(content)
                async for part in _unknown(reading, content):
                    yield part
    yield Gap(kind=Kind.COMPLETIONS, reason=GapReason.NOT_OFFERED, detail=_PROGRESS, count=0)
    yield Gap(kind=Kind.RESPONSES, reason=GapReason.NOT_OFFERED, detail=_VISITS, count=0)


async def read_standing(reading: Reading, standing: Sequence[Item]) -> Parts:
    """Yield where learners stand with resources, as far as that has not been told yet, and their tries."""
    yield reading.raw("learner_status", standing)
    reading.ledger.expect(Kind.COMPLETIONS, 0, "learner status")
    reading.ledger.expect(Kind.RESPONSES, 0, "tries")
    for one in sorted(standing, key=lambda one: (str(one["content_id"]), str(one["learner_id"]))):
        content, learner = str(one["content_id"]), str(one["learner_id"])
        if (content, learner) in reading.standing:
            continue
        reading.standing.add((content, learner))
        reading.met(learner)
        for part in reading.ledger.mapped(
            Kind.COMPLETIONS, one, partial(_completion, reading=reading), basis="learner status"
        ):
            yield part
        if one.get("tries"):
            mapper = partial(_response, reading=reading, content=content, learner=learner)
            tries = read_tries(reading, Kind.RESPONSES, content, learner, least=int(one["tries"]), mapper=mapper)
            async for part in tries:
                yield part


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


def _response(item: Item, *, reading: Reading, content: str, learner: str) -> Record:
    data = {
        **attempt_of(item),
        "activity_id": reading.node_of.get(content, content),
        "person_id": learner,
        "type": "attempt",
        "created_at": item.get("start_timestamp"),
        "updated_at": item.get("end_timestamp"),
        "extra": {key: item.get(key) for key in ("mastery_criterion", "completion_timestamp", "time_spent")},
    }
    return Record(kind=Kind.RESPONSES, id=str(item["id"]), data=data)


async def _unknown(reading: Reading, content: str) -> Parts:
    """Yield what learners did with a resource whose channel is gone: the class summary passes it over."""
    yield Gap(kind=Kind.COMPLETIONS, reason=GapReason.NOT_OFFERED, id=content, detail=_UNKNOWN, count=None)
    for learner in reading.learners():
        mapper = partial(_response, reading=reading, content=content, learner=learner)
        async for part in read_tries(reading, Kind.RESPONSES, content, learner, least=0, mapper=mapper):
            yield part
