"""The coach's view of a class, and how it is known to be of this class.

Kolibri serves the view with objects that all requests share (`lesson_viewset` and `exam_viewset` in its
`class_summary_api`): two requests at the same moment may get the lessons and quizzes of each other's class. Nothing in
the answer says so. Lessons and quizzes are therefore listed by themselves, and a view with others is asked for anew.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from coursekeep import LmsClient, MalformedAnswer, NoAccess, NotFound, RetryLater
from coursekeep_kolibri.ledger import Item
from coursekeep_kolibri.reading import Reading

__all__ = ["ClassSummaries", "read_summary"]

#: how often to ask before the whole class is left for later
_TIMES = 10


class ClassSummaries:
    """Asks for one class summary at a time, so that at least our own requests do not mix with each other."""

    def __init__(self, client: LmsClient) -> None:
        self._client = client
        self._turn = asyncio.Lock()

    async def of(self, class_id: str) -> Mapping[str, Any]:
        """Return what Kolibri gives as the summary of a class. Raises as `LmsClient.get`, and `MalformedAnswer`."""
        async with self._turn:
            answer = await self._client.get(f"/coach/api/classsummary/{class_id}/")
        if not isinstance(answer.body, dict):
            raise MalformedAnswer("the class summary is no object", where=answer.where)
        return answer.body


async def read_summary(reading: Reading, summaries: ClassSummaries) -> None:
    """Read lessons, quizzes and the summary that belongs to them; what keeps the summary away is noted.

    Raises `RetryLater` where Kolibri keeps giving the summary of others, or the class is being changed, and
    `MalformedAnswer` where there is no list of lessons or quizzes.
    """
    for _ in range(_TIMES):
        try:
            reading.lessons = await reading.all("/api/lessons/lesson/", {"collection": reading.id})
            reading.quizzes = await reading.all("/api/exams/exam/", {"collection": reading.id})
        except NotFound as error:  # the class is there, so this is no Kolibri that the connector knows
            raise MalformedAnswer(error.message, where=error.where, status=error.status) from error
        try:
            summary = await summaries.of(reading.id)
            if _same(reading.lessons, summary.get("lessons")) and _same(reading.quizzes, summary.get("exams")):
                reading.summary = summary
                return
        except (NoAccess, NotFound, MalformedAnswer) as error:
            reading.no_summary = error
            return
    raise RetryLater(
        "Kolibri gave a summary with lessons or quizzes that are not those of the class; it mixes up classes that are"
        " looked at in the same moment",
        where=f"GET /coach/api/classsummary/{reading.id}/",
    )


def _same(listed: Sequence[Item], summed: object) -> bool:
    if not isinstance(summed, list) or not all(isinstance(item, dict) for item in summed):
        raise MalformedAnswer("the class summary lacks lessons or quizzes")
    return sorted(str(item["id"]) for item in listed) == sorted(str(item.get("id")) for item in summed)
