"""Classic quizzes with questions, question groups and attempts, and New Quizzes as far as Canvas lets them be read."""

from __future__ import annotations

from contextlib import aclosing

from coursekeep import ConnectorError, CredentialsNeeded, Gap, GapReason, Kind, Record, RetryLater
from coursekeep.ordered import in_order
from coursekeep_connectors.canvas.assignments import AssignmentRef
from coursekeep_connectors.canvas.attempts import QuizAttempts
from coursekeep_connectors.canvas.reading import Parts, Reading
from coursekeep_connectors.canvas.values import Json, ident, pick, text, whole

__all__ = ["new_quizzes", "quizzes"]

_EXTRA = (
    "shuffle_answers", "hide_results", "show_correct_answers", "show_correct_answers_at", "hide_correct_answers_at",
    "show_correct_answers_last_attempt", "one_time_results", "one_question_at_a_time", "cant_go_back", "ip_filter",
    "has_access_code", "question_types", "anonymous_submissions", "version_number", "assignment_group_id", "all_dates",
    "only_visible_to_overrides", "require_lockdown_browser",
)  # fmt: skip
_QUESTION_EXTRA = (
    "assessment_question_id", "correct_comments", "correct_comments_html", "incorrect_comments", "matches",
    "incorrect_comments_html", "neutral_comments", "neutral_comments_html", "variables", "formulas", "answer_tolerance",
    "formula_decimal_places", "matching_answer_incorrect_matches", "text_after_answers",
)  # fmt: skip


async def quizzes(reading: Reading) -> Parts:
    """Yield the classic quizzes. Attempts at graded ones come with the submissions of their assignments."""
    for kind in (Kind.QUIZZES, Kind.QUIZ_QUESTIONS, Kind.QUIZ_ATTEMPTS):
        reading.expect(kind, 0)
    async for raw, items in reading.pages(f"{reading.base}/quizzes", endpoint="quizzes"):
        yield raw
        async with aclosing(in_order((_quiz(reading, item) for item in items), width=reading.width)) as parts:
            async for part in parts:
                yield part


async def _quiz(reading: Reading, item: Json) -> Parts:
    quiz_id = str(item.get("id"))
    groups: list[Json] = []
    questions = _questions(reading, item, groups)
    async with aclosing(reading.guarded(questions, Kind.QUIZ_QUESTIONS, of=f"quiz-{quiz_id}")) as parts:
        async for part in parts:
            yield part
    for part in reading.mapped(Kind.QUIZZES, item, lambda found: _record(found, groups)):
        yield part
    if item.get("assignment_id") is None:
        attempts = QuizAttempts(reading, quiz_id)
        async with aclosing(attempts.load()) as parts:
            async for part in parts:
                yield part
        async with aclosing(attempts.asked()) as parts:
            async for part in parts:
                yield part


async def _questions(reading: Reading, quiz: Json, groups: list[Json]) -> Parts:
    quiz_id = ident(quiz)
    url = f"{reading.base}/quizzes/{quiz_id}"
    group_ids: dict[str, None] = {}
    async for raw, items in reading.pages(f"{url}/questions", endpoint="quiz_questions"):
        yield raw
        for item in items:
            if group_id := text(item.get("quiz_group_id")):
                group_ids[group_id] = None
            for part in reading.mapped(Kind.QUIZ_QUESTIONS, item, lambda found: _question(found, quiz_id)):
                yield part
    for group_id in group_ids:
        fetched = _group(reading, f"{url}/groups/{group_id}", groups)
        async with aclosing(reading.guarded(fetched, Kind.QUIZZES, of=f"group-{group_id}", count=0)) as parts:
            async for part in parts:
                yield part


async def _group(reading: Reading, url: str, groups: list[Json]) -> Parts:
    """Read one question group: Canvas has no list of them, only their ids in the questions."""
    found = await reading.get(url)
    yield reading.raw("quiz_groups", found)
    groups.append(pick(found, "id", "name", "pick_count", "question_points", "assessment_question_bank_id", "position"))


def _record(item: Json, groups: list[Json]) -> Record:
    minutes = item.get("time_limit")
    data = {
        "title": text(item.get("title")),
        "description_html": text(item.get("description")),
        "quiz_type": text(item.get("quiz_type")),
        "engine": "classic",
        "assignment_id": text(item.get("assignment_id")),
        "points_possible": item.get("points_possible"),
        "question_count": whole(item.get("question_count")),
        "time_limit_seconds": None if minutes is None else whole(minutes * 60),
        "allowed_attempts": whole(item.get("allowed_attempts")),
        "scoring_policy": text(item.get("scoring_policy")),
        "unlock_at": item.get("unlock_at"),
        "due_at": item.get("due_at"),
        "lock_at": item.get("lock_at"),
        "published": item.get("published"),
        "groups": groups,
        "extra": pick(item, *_EXTRA),
    }
    return Record(kind=Kind.QUIZZES, id=ident(item), data=data)


def _question(item: Json, quiz_id: str) -> Record:
    data = {
        "quiz_id": text(item.get("quiz_id")) or quiz_id,
        "group_id": text(item.get("quiz_group_id")),
        "position": whole(item.get("position")),
        "name": text(item.get("question_name")),
        "type": text(item.get("question_type")),
        "text_html": text(item.get("question_text")),
        "points_possible": item.get("points_possible"),
        "answers": item.get("answers") or [],
        "extra": pick(item, *_QUESTION_EXTRA),
    }
    return Record(kind=Kind.QUIZ_QUESTIONS, id=ident(item), data=data)


async def new_quizzes(reading: Reading, refs: list[AssignmentRef]) -> Parts:
    """Yield what can be read of New Quizzes: the quiz and its items. Responses cannot, and are named as gaps."""
    mine = [ref for ref in refs if ref.new_quiz]
    async with aclosing(in_order((_new_quiz(reading, ref) for ref in mine), width=reading.width)) as parts:
        async for part in parts:
            yield part


async def _new_quiz(reading: Reading, ref: AssignmentRef) -> Parts:
    url = f"/api/quiz/v1/courses/{reading.course.id}/quizzes/{ref.id}"
    try:
        item = await reading.get(url)
    except (CredentialsNeeded, RetryLater):
        raise
    except ConnectorError as error:
        reading.expect(Kind.QUIZZES, 1, "assignments.is_quiz_lti_assignment")
        detail = f"a New Quiz that cannot be read through the API: {error}"
        for kind, count in ((Kind.QUIZZES, 1), (Kind.QUIZ_QUESTIONS, None)):
            yield Gap(kind=kind, reason=GapReason.NOT_OFFERED, id=f"new-{ref.id}", detail=detail, count=count)
    else:
        yield reading.raw("new_quizzes", item)
        for part in reading.mapped(Kind.QUIZZES, item, lambda found: _new_record(found, ref)):
            yield part
        items = _new_items(reading, f"{url}/items", ref)
        async with aclosing(reading.guarded(items, Kind.QUIZ_QUESTIONS, of=f"new-{ref.id}")) as parts:
            async for part in parts:
                yield part
    detail = "Canvas's API has no answers to New Quizzes; the scores are in the submissions"
    yield Gap(kind=Kind.QUIZ_ATTEMPTS, reason=GapReason.NOT_OFFERED, id=f"new-{ref.id}", detail=detail, count=None)


def _new_record(item: Json, ref: AssignmentRef) -> Record:
    data = {
        "title": text(item.get("title")) or ref.title,
        "description_html": text(item.get("instructions")),
        "engine": "new",
        "assignment_id": ref.id,
        "points_possible": item.get("points_possible"),
        "unlock_at": item.get("unlock_at"),
        "due_at": item.get("due_at"),
        "lock_at": item.get("lock_at"),
        "published": item.get("published"),
        "extra": pick(item, "grading_type", "quiz_settings", "assignment_group_id"),
    }
    return Record(kind=Kind.QUIZZES, id=f"new-{ref.id}", data=data)


async def _new_items(reading: Reading, url: str, ref: AssignmentRef) -> Parts:
    async for raw, items in reading.pages(url, endpoint="new_quiz_items", of=ref.id):
        yield raw
        for item in items:
            for part in reading.mapped(Kind.QUIZ_QUESTIONS, item, lambda found: _new_question(found, ref)):
                yield part


def _new_question(item: Json, ref: AssignmentRef) -> Record:
    entry = item.get("entry")
    said = entry if isinstance(entry, dict) else {}
    data = {
        "quiz_id": f"new-{ref.id}",
        "position": whole(item.get("position")),
        "name": text(said.get("title")),
        "type": text(said.get("interaction_type_slug")) or text(item.get("entry_type")),
        "text_html": text(said.get("item_body")),
        "points_possible": item.get("points_possible"),
        "extra": {"entry": said},
    }
    return Record(kind=Kind.QUIZ_QUESTIONS, id=f"new-{ident(item)}", data=data)
