"""Attempts at classic quizzes.

Canvas tells of them in two places: the quiz's own list has the newest attempt per person with its times, and the
history of the quiz's submissions has the answers of every attempt. Practice quizzes and surveys have no submissions;
their answers are asked for attempt by attempt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing
from typing import Any

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.canvas.reading import Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, objects, person, pick, text, whole

__all__ = ["QuizAttempts"]

#: states of quiz submissions that hold no attempt of anybody
_EMPTY = {"settings_only", "preview"}
_EXTRA = (
    "fudge_points",
    "extra_attempts",
    "extra_time",
    "manually_unlocked",
    "quiz_version",
    "excused?",
    "overdue_and_needs_submission",
)


class QuizAttempts:
    """The attempts at one quiz."""

    def __init__(self, reading: Reading, quiz_id: str) -> None:
        self._reading = reading
        self.quiz_id = quiz_id
        #: newest quiz submission per person, as slim as possible
        self._newest: dict[str, Json] = {}
        self._told: dict[str, set[int]] = {}

    async def load(self) -> Parts:
        """Read the quiz's own list; without it the history still has the answers."""
        self._reading.expect(Kind.QUIZ_ATTEMPTS, 0)
        async with aclosing(
            self._reading.guarded(self._load(), Kind.QUIZ_ATTEMPTS, of=f"quiz-{self.quiz_id}", count=0)
        ) as parts:
            async for part in parts:
                yield part

    async def _load(self) -> Parts:
        url = f"{self._reading.base}/quizzes/{self.quiz_id}/submissions"
        async for raw, items in self._reading.pages(url, endpoint="quiz_submissions", key="quiz_submissions"):
            yield raw
            for item in items:
                who = text(item.get("user_id")) or f"anonymous-{ident(item)}"
                self._reading.refer(person(item.get("user_id")))
                if item.get("workflow_state") not in _EMPTY and item.get("attempt"):
                    self._newest[who] = item

    def answered(self, submission: Json) -> Iterator[Part]:
        """Yield the attempts that a submission's history knows, with their answers."""
        who = text(submission.get("user_id")) or ""
        for version in objects(submission.get("submission_history")):
            number = whole(version.get("attempt"))
            if number is None or number in self._told.setdefault(who, set()):
                continue
            self._told[who].add(number)
            yield from self._mapped(who, number, version, ident(submission))

    def unanswered(self) -> Iterator[Part]:
        """Yield the newest attempts that no history told of, and name the older ones that nothing tells of."""
        for who, item in self._newest.items():
            told = self._told.get(who, set())
            last = whole(item.get("attempt")) or 0
            missing = [number for number in range(1, last + 1) if number not in told]
            if last in missing:
                yield from self._mapped(who, last, {}, text(item.get("submission_id")))
                detail = "Canvas gave no answers for this attempt"
                if item.get("workflow_state") not in ("untaken", None):
                    yield self._gap(who, last, detail, count=0)
            for number in missing:
                if number != last:
                    self._reading.expect(Kind.QUIZ_ATTEMPTS, 1, "quiz_submissions.attempt")
                    yield self._gap(
                        who, number, "Canvas gave neither times nor answers of this earlier attempt", count=1
                    )

    def _gap(self, who: str, number: int, detail: str, *, count: int) -> Gap:
        attempt_id = f"{self.quiz_id}-{who}-{number}"
        return Gap(kind=Kind.QUIZ_ATTEMPTS, reason=GapReason.NOT_OFFERED, id=attempt_id, detail=detail, count=count)

    async def asked(self) -> Parts:
        """Yield the attempts at a quiz without submissions, asking for the answers of each."""
        wanted = [
            (who, item, number)
            for who, item in self._newest.items()
            for number in range(1, (whole(item.get("attempt")) or 0) + 1)
        ]
        streams = (self._asked(who, item, number) for who, item, number in wanted)
        async with aclosing(in_order(streams, width=self._reading.width)) as parts:
            async for part in parts:
                yield part

    async def _asked(self, who: str, item: Json, number: int) -> Parts:
        answers: list[Json] = []
        attempt_id = f"{self.quiz_id}-{who}-{number}"
        questions = self._questions(item, number, answers)
        async with aclosing(self._reading.guarded(questions, Kind.QUIZ_ATTEMPTS, of=attempt_id, count=0)) as parts:
            async for part in parts:
                yield part
        for part in self._mapped(who, number, {"submission_data": answers}, None):
            yield part

    async def _questions(self, item: Json, number: int, answers: list[Json]) -> Parts:
        url = f"/api/v1/quiz_submissions/{ident(item)}/questions"
        params = [("quiz_submission_attempt", str(number))]
        pages = self._reading.pages(
            url,
            params,
            endpoint="quiz_submission_questions",
            key="quiz_submission_questions",
            of=f"{ident(item)}-{number}",
        )
        async for raw, items in pages:
            yield raw
            answers.extend(items)

    def _mapped(self, who: str, number: int, version: Json, submission_id: str | None) -> Iterator[Part]:
        newest = self._newest.get(who, {})
        current = newest if whole(newest.get("attempt")) == number else {}
        item = {"id": f"{self.quiz_id}-{who}-{number}"}
        yield from self._reading.mapped(
            Kind.QUIZ_ATTEMPTS,
            item,
            lambda found: self._record(found["id"], who, number, version, current, submission_id),
        )

    def _record(
        self, attempt_id: str, who: str, number: int, version: Json, current: Json, submission_id: str | None
    ) -> Record:
        answers: list[Any] = objects(version.get("submission_data"))
        score = version.get("score")
        data = {
            "quiz_id": self.quiz_id,
            "person_id": None if who.startswith("anonymous-") else who or None,
            "submission_id": submission_id,
            "attempt": number,
            "state": text(version.get("workflow_state")) or text(current.get("workflow_state")),
            "started_at": version.get("started_at") or current.get("started_at"),
            "finished_at": version.get("finished_at") or current.get("finished_at") or version.get("submitted_at"),
            "end_at": version.get("end_at") or current.get("end_at"),
            "score": current.get("score") if score is None else score,
            "kept_score": current.get("kept_score"),
            "seconds_spent": whole(current.get("time_spent")),
            "answers": answers,
            "extra": pick(current, *_EXTRA),
        }
        return Record(kind=Kind.QUIZ_ATTEMPTS, id=attempt_id, data=data)
