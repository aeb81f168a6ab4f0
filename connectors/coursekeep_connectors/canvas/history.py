"""The gradebook's history: every version of every graded submission."""

from __future__ import annotations

from collections import Counter

from coursekeep import Kind, Record
from coursekeep_connectors.canvas.reading import Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, person, pick, text, whole

__all__ = ["grade_history"]

_EXTRA = (
    "current_grade", "current_graded_at", "current_grader", "new_graded_at", "new_grader", "previous_graded_at",
    "previous_grader", "assignment_name", "user_name", "grader", "workflow_state", "submitted_at", "excused",
)  # fmt: skip


async def grade_history(reading: Reading) -> Parts:
    """Yield the versions in the order of time.

    Versions carry the id of their submission and none of their own, so they are counted per submission. That count
    is stable: history only grows at its end.
    """
    reading.expect(Kind.GRADE_HISTORY, 0)
    counts: Counter[str] = Counter()
    url = f"{reading.base}/gradebook_history/feed"
    async for raw, items in reading.pages(url, [("ascending", "true")], endpoint="gradebook_history", once=False):
        yield raw
        for item in items:
            submission_id = text(item.get("id")) or "unknown"
            counts[submission_id] += 1
            reading.refer(person(item.get("user_id")), name=item.get("user_name"))
            reading.refer(person(item.get("grader_id")))
            version = {**item, "id": f"{submission_id}-{counts[submission_id]}", "submission_id": submission_id}
            for part in reading.mapped(Kind.GRADE_HISTORY, version, _change):
                yield part


def _change(item: Json) -> Record:
    data = {
        "submission_id": item["submission_id"],
        "assignment_id": text(item.get("assignment_id")),
        "person_id": text(item.get("user_id")),
        "grader_id": text(item.get("grader_id")),
        "at": item.get("new_graded_at") or item.get("graded_at"),
        "score_after": item.get("score"),
        "grade_before": text(item.get("previous_grade")),
        "grade_after": text(item.get("new_grade")) or text(item.get("grade")),
        "attempt": whole(item.get("attempt")),
        "extra": pick(item, *_EXTRA),
    }
    return Record(kind=Kind.GRADE_HISTORY, id=ident(item), data=data)
