"""How much is in a class, counted in Kolibri's own database, without its API and without the connector."""

from __future__ import annotations

import json

from fakes.kolibri_server import KolibriServer

__all__ = ["count_class"]

#: users of the class who may still sign in
_MEMBERS = (
    "SELECT user_id FROM kolibriauth_membership m JOIN kolibriauth_facilityuser u ON u.id = m.user_id"
    " WHERE collection_id = :class AND date_deleted IS NULL"
)


class _Counter:
    """Asks for numbers of one class."""

    def __init__(self, server: KolibriServer, class_: str) -> None:
        self._server = server
        self._class = class_

    def number(self, statement: str) -> int:
        return int(self.rows(statement)[0][0])

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        return self._server.rows(statement, {"class": self._class})

    def resources(self) -> list[dict[str, str]]:
        lessons = self.rows("SELECT resources FROM lessons_lesson WHERE collection_id = :class")
        return [resource for (text,) in lessons for resource in json.loads(str(text))]

    def exercises(self) -> list[str]:
        """Return the exercise of every question of every quiz and draft."""
        both = "SELECT question_sources FROM exams_{} WHERE collection_id = :class"
        rows = [row for table in ("exam", "draftexam") for row in self.rows(both.format(table))]
        sections = [section for (text,) in rows for section in json.loads(str(text))]
        return [question["exercise_id"] for section in sections for question in section["questions"]]


def count_class(server: KolibriServer, class_: str) -> dict[str, int]:
    """Return how many records of each kind a class must give."""
    ask = _Counter(server, class_)
    resources, exercises = ask.resources(), ask.exercises()
    contents = _quoted({one["content_id"] for one in resources})
    nodes = _quoted({one["contentnode_id"] for one in resources} | set(exercises))
    here = f"SELECT id FROM content_contentnode WHERE id IN ({nodes})"
    known = f"SELECT content_id FROM content_contentnode WHERE content_id IN ({contents})"
    tries = "SELECT count(*) FROM logger_masterylog m JOIN logger_contentsummarylog s ON s.id = m.summarylog_id"
    quizzes = "SELECT id FROM exams_exam WHERE collection_id = :class"
    sessions = "SELECT id FROM attendance_attendancesession WHERE collection_id = :class"
    attendance = f"SELECT count(*) FROM attendance_attendancerecord WHERE attendance_session_id IN ({sessions})"
    progress = (
        f"SELECT count(*) FROM logger_contentsummarylog WHERE content_id IN ({known}) AND user_id IN ({_MEMBERS})"
    )
    practised = f"{tries} WHERE s.content_id IN ({contents}) AND m.user_id IN ({_MEMBERS})"
    return {
        "enrollments": ask.number("SELECT count(*) FROM kolibriauth_membership WHERE collection_id = :class")
        + ask.number("SELECT count(*) FROM kolibriauth_role WHERE collection_id = :class"),
        "groups": ask.number("SELECT count(*) FROM kolibriauth_collection WHERE parent_id = :class"),
        "structure": ask.number("SELECT count(*) FROM lessons_lesson WHERE collection_id = :class") + len(resources),
        "quizzes": ask.number(f"SELECT count(*) FROM ({quizzes})")
        + ask.number("SELECT count(*) FROM exams_draftexam WHERE collection_id = :class"),
        "quiz_questions": len(exercises),
        "quiz_attempts": ask.number(f"{tries} WHERE s.content_id IN ({quizzes})"),
        "completions": ask.number(progress),
        "responses": ask.number(practised) + ask.number(attendance),
        "activities": ask.number(f"SELECT count(*) FROM ({here})") + ask.number(f"SELECT count(*) FROM ({sessions})"),
        "files": ask.number(f"SELECT count(*) FROM content_file WHERE contentnode_id IN ({here})"),
        "people": ask.number(f"SELECT count(*) FROM ({_people(quizzes)})"),
    }


def _people(quizzes: str) -> str:
    """Say who has any part in the class: members, coaches, makers, and whoever took a quiz."""
    made = ("lessons_lesson", "created_by_id"), ("exams_exam", "creator_id"), ("exams_draftexam", "creator_id")
    parts = [
        "SELECT user_id FROM kolibriauth_membership WHERE collection_id = :class",
        "SELECT user_id FROM kolibriauth_role WHERE collection_id = :class",
        *(f"SELECT {column} FROM {table} WHERE collection_id = :class" for table, column in made),
        f"SELECT user_id FROM logger_contentsummarylog WHERE content_id IN ({quizzes})",
    ]
    return " UNION ".join(parts)


def _quoted(ids: set[str]) -> str:
    return ", ".join(f"'{id_}'" for id_ in sorted(ids))
