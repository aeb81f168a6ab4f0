"""Submissions: every attempt, attachment, comment and assessment, placeholders and quiz attempts included.

They are read per assignment in pages: one list over all students and assignments would be huge and slow pages for
Canvas. Attachments differ from attempt to attempt, so each attempt of the history brings its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import aclosing

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep.ordered import in_order
from coursekeep_connectors.canvas.assignments import AssignmentRef
from coursekeep_connectors.canvas.attempts import QuizAttempts
from coursekeep_connectors.canvas.files import attached, media
from coursekeep_connectors.canvas.reading import Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, objects, person, pick, text, whole

__all__ = ["submissions"]

_INCLUDES = (
    "submission_history",
    "submission_comments",
    "rubric_assessment",
    "full_rubric_assessment",
    "visibility",
    "group",
)
_EXTRA = (
    "grade_matches_current_submission", "late_policy_status", "cached_due_date", "extra_attempts", "redo_request",
    "grading_period_id", "external_tool_url", "turnitin_data", "vericite_data", "has_originality_report", "sticker",
    "full_rubric_assessment", "assignment_visible", "custom_grade_status_id", "provisional_grades",
    "proxy_submitter_id", "discussion_entries",
)  # fmt: skip


async def submissions(reading: Reading, refs: list[AssignmentRef]) -> Parts:
    """Yield the submissions of all published assignments; unpublished ones cannot have any."""
    reading.expect(Kind.SUBMISSIONS, 0)
    streams = (_guarded(reading, ref) for ref in refs if ref.published)
    async with aclosing(in_order(streams, width=reading.width)) as parts:
        async for part in parts:
            yield part


async def _guarded(reading: Reading, ref: AssignmentRef) -> Parts:
    kinds = (
        (Kind.SUBMISSIONS, Kind.FILES) if ref.quiz_id is None else (Kind.SUBMISSIONS, Kind.FILES, Kind.QUIZ_ATTEMPTS)
    )
    async with aclosing(reading.guarded(_of_assignment(reading, ref), *kinds, of=f"assignment-{ref.id}")) as parts:
        async for part in parts:
            yield part


async def _of_assignment(reading: Reading, ref: AssignmentRef) -> Parts:
    quiz = None if ref.quiz_id is None else QuizAttempts(reading, ref.quiz_id)
    if quiz is not None:
        async with aclosing(quiz.load()) as parts:
            async for part in parts:
                yield part
    held = 0
    params = [("include[]", name) for name in _INCLUDES]
    url = f"{reading.base}/assignments/{ref.id}/submissions"
    async for raw, items in reading.pages(url, params, endpoint="submissions"):
        yield raw
        for item in items:
            held += item.get("submission_type") == "basic_lti_launch"
            for part in _submission(reading, item):
                yield part
            if quiz is not None:
                for part in quiz.answered(item):
                    yield part
    if quiz is not None:
        for part in quiz.unanswered():
            yield part
    if held:
        detail = f"the work itself of {held} submissions is held by an external tool; Canvas has only the pointer"
        yield Gap(
            kind=Kind.SUBMISSIONS, reason=GapReason.NOT_OFFERED, id=f"assignment-{ref.id}", detail=detail, count=0
        )


def _submission(reading: Reading, item: Json) -> Iterator[Part]:
    owner = person(item.get("user_id"))
    reading.refer(owner)
    reading.refer(person(item.get("grader_id")))
    try:
        history = _history(item)
        for version in [*history, item]:
            yield from attached(reading, version, group="submissions", owner=owner)
            yield from media(reading, version, group="submissions", owner=owner)
        for comment in objects(item.get("submission_comments")):
            author = person(comment.get("author_id"))
            reading.refer(author, name=comment.get("author_name"))
            yield from attached(reading, comment, group="submissions", owner=author)
            yield from media(reading, comment, group="submissions", owner=author)
    except (TypeError, ValueError):
        history = []  # the record itself will say what is wrong
    yield from reading.mapped(Kind.SUBMISSIONS, item, lambda found: _record(found, history))


def _history(item: Json) -> list[Json]:
    """Return the attempts, oldest first. A placeholder's history holds one version that is no attempt."""
    versions = [found for found in objects(item.get("submission_history")) if _attempted(found)]
    return sorted(versions, key=lambda found: whole(found.get("attempt")) or 0)


def _attempted(version: Json) -> bool:
    return version.get("attempt") is not None or version.get("submitted_at") is not None


def _result(item: Json) -> Json:
    """Map what a submission and each of its attempts have in common."""
    return {
        "state": text(item.get("workflow_state")),
        "attempt": whole(item.get("attempt")),
        "type": text(item.get("submission_type")),
        "body_html": text(item.get("body")),
        "url": text(item.get("url")),
        "submitted_at": item.get("submitted_at"),
        "score": item.get("score"),
        "grade": text(item.get("grade")),
        "entered_score": item.get("entered_score"),
        "entered_grade": text(item.get("entered_grade")),
        "graded_at": item.get("graded_at"),
        "posted_at": item.get("posted_at"),
        "grader_id": text(item.get("grader_id")),
        "late": item.get("late"),
        "missing": item.get("missing"),
        "excused": item.get("excused"),
        "points_deducted": item.get("points_deducted"),
        "seconds_late": whole(item.get("seconds_late")),
        "file_ids": [ident(found) for found in objects(item.get("attachments"))],
        "media": item.get("media_comment"),
    }


def _record(item: Json, history: list[Json]) -> Record:
    group = item.get("group")
    data = {
        **_result(item),
        "assignment_id": ident(item, "assignment_id"),
        "person_id": text(item.get("user_id")),
        "anonymous_id": text(item.get("anonymous_id")),
        "attempts": [_attempt(found) for found in history],
        "comments": [_comment(found) for found in objects(item.get("submission_comments"))],
        "rubric_assessment": item.get("rubric_assessment"),
        "group_id": text(group.get("id")) if isinstance(group, dict) else None,
        "extra": pick(item, *_EXTRA),
    }
    return Record(kind=Kind.SUBMISSIONS, id=ident(item), data=data)


def _attempt(version: Json) -> Json:
    """Map one attempt; quiz answers are in `quiz_attempts`."""
    said = {key: value for key, value in _result(version).items() if value not in (None, [])}
    return {**said, **pick(version, "turnitin_data", "external_tool_url", "discussion_entries")}


def _comment(item: Json) -> Json:
    files = [*objects(item.get("attachments"))]
    single = item.get("attachment")
    if isinstance(single, dict):
        files.append(single)
    return {
        "id": text(item.get("id")),
        "author_id": text(item.get("author_id")),
        "author_name": text(item.get("author_name")),
        "comment": text(item.get("comment")),
        **pick(item, "created_at", "edited_at", "attempt", "media_comment"),
        "file_ids": list(dict.fromkeys(ident(found) for found in files)),
    }
