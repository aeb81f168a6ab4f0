"""Quizzes of a class: their settings, their questions, and what learners answered."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep_kolibri.ledger import Item, Parts
from coursekeep_kolibri.logs import attempt_of, read_tries
from coursekeep_kolibri.reading import Reading

__all__ = ["read_attempts", "read_quiz_attempts", "read_quizzes"]

_KEPT = (
    "active",
    "archive",
    "draft",
    "date_created",
    "date_activated",
    "date_archived",
    "creator",
    "data_model_version",
    "seed",
    "learners_see_fixed_order",
    "instant_report_visibility",
)
_WORDING = (
    "Kolibri keeps the wording and the right answers of questions in the files of the exercises; these lie under files,"
    " as far as they are on the server"
)


async def read_quizzes(reading: Reading) -> Parts:
    """Yield quizzes and drafts of quizzes, with their questions."""
    ledger = reading.ledger
    yield reading.raw("quizzes", reading.quizzes)
    ledger.expect(Kind.QUIZZES, len(reading.quizzes))
    ledger.expect(Kind.QUIZ_QUESTIONS, 0, "question_count")
    for quiz in reading.quizzes:
        reading.met(quiz.get("creator"), *(quiz.get("learner_ids") or ()))
        for part in ledger.mapped(Kind.QUIZZES, quiz, _quiz):
            yield part
        for part in _questions(reading, quiz):
            yield part
    if ledger.captured(Kind.QUIZ_QUESTIONS):
        yield Gap(kind=Kind.QUIZ_QUESTIONS, reason=GapReason.NATIVE_ONLY, detail=_WORDING, count=0)


def _quiz(quiz: Item) -> Record:
    extra = {key: quiz.get(key) for key in _KEPT}
    extra["assignments"] = sorted(quiz.get("assignments") or ())
    extra["learner_ids"] = sorted(quiz.get("learner_ids") or ())
    data = {
        "title": quiz["title"],
        "question_count": quiz.get("question_count"),
        "published": not quiz["draft"],
        "groups": [
            {key: section.get(key) for key in ("section_title", "description", "learners_see_fixed_order")}
            for section in _sections(quiz)
        ],
        "extra": extra,
    }
    return Record(kind=Kind.QUIZZES, id=str(quiz["id"]), data=data)


def _sections(quiz: Item) -> list[dict[str, Any]]:
    """Return the sections of a quiz; before Kolibri 0.17 it had none, and held its questions itself."""
    sources = quiz.get("question_sources") or []
    return sources if quiz.get("data_model_version") == 3 else [{"questions": sources}]


def _questions(reading: Reading, quiz: Item) -> Iterator[Part]:
    ledger, number = reading.ledger, 0
    ledger.expect(Kind.QUIZ_QUESTIONS, int(quiz.get("question_count") or 0), "question_count")
    for place, section in enumerate(_sections(quiz)):
        for source in section.get("questions") or ():
            number += 1
            if source.get("exercise_id"):
                reading.nodes.setdefault(str(source["exercise_id"]))
            if not source.get("question_id"):
                detail = "a quiz of an early Kolibri: each learner's questions were drawn when the quiz was opened"
                yield Gap(
                    kind=Kind.QUIZ_QUESTIONS, reason=GapReason.NOT_OFFERED, id=f"{quiz['id']}-{number}", detail=detail
                )
                continue
            mapper = partial(_question, quiz=quiz, number=number, section=place)
            yield from ledger.mapped(Kind.QUIZ_QUESTIONS, source, mapper)


def _question(source: Item, *, quiz: Item, number: int, section: int) -> Record:
    data = {
        "quiz_id": str(quiz["id"]),
        "position": number,
        "name": source.get("title"),
        "extra": {
            # what attempts call the question
            "item": f"{source.get('exercise_id')}:{source['question_id']}",
            "section": section + 1,
            **{key: source.get(key) for key in ("exercise_id", "question_id", "counter_in_exercise")},
        },
    }
    return Record(kind=Kind.QUIZ_QUESTIONS, id=f"{quiz['id']}-{number}", data=data)


async def read_quiz_attempts(reading: Reading) -> Parts:
    """Yield every learner's tries at every quiz with their answers, also of learners who have left the class."""
    standing = reading.listed("exam_learner_status")
    yield reading.raw("quiz_status", standing)
    reading.ledger.expect(Kind.QUIZ_ATTEMPTS, 0, "tries")
    for one in sorted(standing, key=lambda one: (str(one["exam_id"]), str(one["learner_id"]))):
        # The summary says that there is a try, whether or not it may be read; it does not say how many.
        async for part in read_attempts(reading, str(one["exam_id"]), str(one["learner_id"]), least=1):
            yield part


async def read_attempts(reading: Reading, quiz: str, learner: str, *, least: int) -> Parts:
    """Yield a learner's tries at a quiz; `least` is how many there are known to be."""
    mapper = partial(_attempt, quiz=quiz, learner=learner)
    async for part in read_tries(reading, Kind.QUIZ_ATTEMPTS, quiz, learner, least=least, mapper=mapper):
        yield part


def _attempt(item: Item, *, quiz: str, learner: str) -> Record:
    spent = item.get("time_spent")
    data = {
        **attempt_of(item),
        "quiz_id": quiz,
        "person_id": learner,
        "started_at": item.get("start_timestamp"),
        "finished_at": item.get("completion_timestamp"),
        "seconds_spent": None if spent is None else round(spent),
        "extra": {key: item.get(key) for key in ("mastery_criterion", "end_timestamp", "time_spent")},
    }
    return Record(kind=Kind.QUIZ_ATTEMPTS, id=str(item["id"]), data=data)
