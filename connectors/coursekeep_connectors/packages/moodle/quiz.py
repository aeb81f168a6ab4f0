"""Quizzes, attempts and question banks of a Moodle backup."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from xml.etree.ElementTree import Element

from coursekeep import Kind, Part
from coursekeep_connectors.packages.documents import children, descendants, local
from coursekeep_connectors.packages.moodle.activity import Activity
from coursekeep_connectors.packages.moodle.state import Backup
from coursekeep_connectors.packages.moodle.texts import elements, facts, identified, plain, said, time_of, trees
from coursekeep_connectors.packages.values import number, whole

__all__ = ["question_parts", "quiz_parts"]

_METHODS = {"1": "keep_highest", "2": "keep_average", "3": "keep_first", "4": "keep_latest"}
_LISTS = ("question_instances", "sections", "feedbacks", "overrides", "grades")
#: what opens a quiz, and may open others
_SECRET = ("password",)


def quiz_parts(backup: Backup, activity: Activity) -> Iterator[Part]:
    """Yield the quiz with its slots, and every attempt with its answers."""
    shell, id_ = activity.shell, f"quiz-{activity.id}"
    attempts = whole(said(shell, "attempts_number") or said(shell, "attempts"))
    item = next(iter(activity.grade_items), None)
    seconds = whole(said(shell, "timelimit"))
    lists = {name: trees(backup.documents, activity.main, name) for name in _LISTS if activity.lists.get(name)}
    data: dict[str, Any] = {
        "title": said(shell, "name"),
        "description_html": said(shell, "intro"),
        "quiz_type": "quiz",
        "assignment_id": None if item is None else f"item-{item.get('id')}",
        "points_possible": number(said(shell, "grade")),
        "question_count": activity.lists.get("question_instances"),
        "time_limit_seconds": seconds or None,
        "allowed_attempts": -1 if attempts == 0 else attempts,
        "scoring_policy": _METHODS.get(said(shell, "grademethod") or ""),
        "unlock_at": time_of(backup.package, shell, "timeopen", id_),
        "lock_at": time_of(backup.package, shell, "timeclose", id_),
        "published": activity.visible,
        "extra": {"quiz": facts(shell, "name", "intro", *_SECRET), **lists},
    }
    yield backup.sheet.record(Kind.QUIZZES, id_, data, basis="quiz.xml")
    for attempt in elements(backup.documents, activity.main, "attempt"):
        own = attempt.get("id", "")
        yield backup.sheet.record(Kind.QUIZ_ATTEMPTS, own, _attempt(backup, attempt, id_), basis="quiz.xml")


def _attempt(backup: Backup, attempt: Element, quiz: str) -> dict[str, Any]:
    where = f"attempt-{attempt.get('id')}"
    return {
        "quiz_id": quiz,
        "person_id": identified(attempt, "userid") or identified(attempt, "user"),
        "attempt": whole(said(attempt, "attemptnum") or said(attempt, "attempt")),
        "state": said(attempt, "state"),
        "started_at": time_of(backup.package, attempt, "timestart", where),
        "finished_at": time_of(backup.package, attempt, "timefinish", where),
        "score": number(said(attempt, "sumgrades")),
        "answers": [plain(each) for each in descendants(attempt, "question_attempt")],
        "extra": {"attempt": facts(attempt)},
    }


def question_parts(backup: Backup, name: str) -> Iterator[Part]:
    """Yield the categories of questions as quizzes of their own type, and every version of every question."""
    positions: dict[str, int] = {}
    for category in _categories(backup, name):
        data = {"title": said(category, "name"), "quiz_type": "question_bank", "extra": {"category": facts(category)}}
        yield backup.sheet.record(Kind.QUIZZES, f"category-{category.get('id')}", data, basis=name)
    for path, question in backup.documents.stream(name, "question"):
        around = {local(each): each for each in path}
        category_id = (
            f"category-{around['question_category'].get('id')}" if "question_category" in around else "category-"
        )
        positions[category_id] = positions.get(category_id, 0) + 1
        version = {key: facts(around[key]) for key in ("question_bank_entry", "question_versions") if key in around}
        own = {key: value for key, value in _as_object(question).items() if key not in ("name", "questiontext")}
        content: dict[str, Any] = {
            "quiz_id": category_id,
            "position": positions[category_id],
            "name": said(question, "name"),
            "type": said(question, "qtype"),
            "text_html": said(question, "questiontext"),
            "points_possible": number(said(question, "defaultmark") or said(question, "defaultgrade")),
            "answers": [plain(each) for each in descendants(question, "answer") if len(each)],
            "extra": {"question": own, **version},
        }
        yield backup.sheet.record(Kind.QUIZ_QUESTIONS, question.get("id", ""), content, basis=name)


def _categories(backup: Backup, name: str) -> Iterator[Element]:
    return children(backup.documents.shell(name)[0], "question_category")


def _as_object(element: Element) -> dict[str, Any]:
    found = plain(element)
    return found if isinstance(found, dict) else {}
