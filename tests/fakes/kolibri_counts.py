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
_TRIES = "SELECT count(*) FROM logger_masterylog m JOIN logger_contentsummarylog s ON s.id = m.summarylog_id"
_ATTENDANCE = "SELECT id FROM attendance_attendancesession WHERE collection_id = :class"
_COURSES = "SELECT {} FROM courses_coursesession WHERE collection_id = :class"
_BELOW_COURSES = (
    "SELECT n.id FROM content_contentnode n JOIN content_contentnode top ON n.tree_id = top.tree_id"
    f" AND n.lft > top.lft AND n.rght < top.rght WHERE top.id IN ({_COURSES.format('course')})"
)
#: under which ids tests before and after units were logged, as the logs of single visits say
_TESTS = (
    "SELECT DISTINCT content_id FROM logger_contentsessionlog WHERE"
    " json_extract(extra_fields, '$.context.unit_id') IS NOT NULL AND"
    f" json_extract(extra_fields, '$.context.course_session_id') IN ({_COURSES.format('id')})"
)


class _Counter:
    """Asks for numbers of one class."""

    def __init__(self, server: KolibriServer, class_: str) -> None:
        self._server = server
        self._class = class_

    def number(self, statement: str) -> int:
        return int(self.rows(statement)[0][0])

    def table(self, name: str) -> int:
        return self.number(f"SELECT count(*) FROM {name} WHERE collection_id = :class")

    def column(self, statement: str) -> set[str]:
        return {str(row[0]) for row in self.rows(statement)}

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
    contents, nodes = {one["content_id"] for one in resources}, {one["contentnode_id"] for one in resources}
    courses = ask.column(_BELOW_COURSES)
    leaves = ask.column(f"SELECT id FROM content_contentnode WHERE kind <> 'topic' AND id IN ({_quoted(courses)})")
    contents |= ask.column(f"SELECT content_id FROM content_contentnode WHERE id IN ({_quoted(leaves)})")
    here = f"SELECT id FROM content_contentnode WHERE id IN ({_quoted(nodes | set(exercises) | leaves)})"
    known = f"SELECT content_id FROM content_contentnode WHERE content_id IN ({_quoted(contents)})"
    quizzes = ask.column("SELECT id FROM exams_exam WHERE collection_id = :class")
    tests = ask.column(_TESTS)
    attendance = f"SELECT count(*) FROM attendance_attendancerecord WHERE attendance_session_id IN ({_ATTENDANCE})"
    progress = (
        f"SELECT count(*) FROM logger_contentsummarylog WHERE content_id IN ({known}) AND user_id IN ({_MEMBERS})"
    )
    practised = f"{_TRIES} WHERE s.content_id IN ({_quoted(contents)}) AND m.user_id IN ({_MEMBERS})"
    return {
        "enrollments": ask.table("kolibriauth_membership") + ask.table("kolibriauth_role"),
        "groups": ask.number("SELECT count(*) FROM kolibriauth_collection WHERE parent_id = :class"),
        "structure": ask.table("lessons_lesson") + len(resources) + ask.table("courses_coursesession") + len(courses),
        "quizzes": len(quizzes) + ask.table("exams_draftexam") + len(tests),
        "quiz_questions": len(exercises),
        "quiz_attempts": ask.number(f"{_TRIES} WHERE s.content_id IN ({_quoted(quizzes | tests)})"),
        "completions": ask.number(progress),
        "responses": ask.number(practised) + ask.number(attendance),
        "activities": ask.number(f"SELECT count(*) FROM ({here})") + ask.table("attendance_attendancesession"),
        "files": ask.number(f"SELECT count(*) FROM content_file WHERE contentnode_id IN ({here})"),
        "people": ask.number(f"SELECT count(*) FROM ({_people(quizzes | tests)})"),
    }


def _people(quizzes: set[str]) -> str:
    """Say who has any part in the class: members, coaches, makers, and whoever took a quiz."""
    made = (
        ("lessons_lesson", "created_by_id"),
        ("courses_coursesession", "created_by_id"),
        ("exams_exam", "creator_id"),
        ("exams_draftexam", "creator_id"),
    )
    parts = [
        "SELECT user_id FROM kolibriauth_membership WHERE collection_id = :class",
        "SELECT user_id FROM kolibriauth_role WHERE collection_id = :class",
        *(f"SELECT {column} FROM {table} WHERE collection_id = :class" for table, column in made),
        f"SELECT user_id FROM logger_contentsummarylog WHERE content_id IN ({_quoted(quizzes)})",
    ]
    return " UNION ".join(parts)


def _quoted(ids: set[str]) -> str:
    return ", ".join(f"'{id_}'" for id_ in sorted(ids))
