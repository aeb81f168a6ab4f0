"""A package as a course: its id is its path, its term the folder that it lies in."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import PurePosixPath
from urllib.parse import unquote

from coursekeep import Course, CourseQuery, EndOf, MalformedAnswer, Term
from coursekeep_connectors.packages.recognise import NotAPackage, Sight

__all__ = ["TOP", "course_of", "taken", "term_of"]

#: the term of packages that lie in no folder of their own
TOP = "."


def term_of(course_id: str) -> Term:
    """Return the folder of a package as a term."""
    parent = str(PurePosixPath(course_id).parent)
    return Term(id=parent, name="(no folder)" if parent == TOP else unquote(parent) if "%" in course_id else parent)


def course_of(course_id: str, sight: Sight | NotAPackage | MalformedAnswer) -> Course:
    """Return the course of a file. One whose end is not known counts as ended: an export is of the past."""
    term = term_of(course_id)
    file_name = PurePosixPath(course_id).name
    if not isinstance(sight, Sight):
        state = "no_package" if isinstance(sight, NotAPackage) else "unreadable"
        return Course(id=course_id, name=file_name, term_id=term.id, term_name=term.name, state=state, ended=True)
    return Course(
        id=course_id,
        name=sight.name or file_name,
        code=sight.code,
        sis_id=sight.sis_id,
        term_id=term.id,
        term_name=term.name,
        account_id=sight.category_id,
        account_name=sight.category,
        state=str(sight.format),
        start_at=sight.start_at,
        end_at=sight.end_at,
        ended=sight.end_at is None or sight.end_at <= datetime.now(UTC),
        ended_at=sight.end_at,
    )


def taken(course: Course, query: CourseQuery) -> bool:
    """Tell whether a query asks for a course."""
    if query.term_ids and course.term_id not in query.term_ids:
        return False
    if query.account is not None and course.account_id != query.account:
        return False
    if query.text is not None and not _holds(course, query.text.strip().casefold()):
        return False
    if query.ended_before is None:
        return True
    unknown = course.ended_at is None or query.ended_by is EndOf.TERM
    return course.ended and (unknown or (course.ended_at is not None and course.ended_at < query.ended_before))


def _holds(course: Course, text: str) -> bool:
    return any(text in (said or "").casefold() for said in (course.name, course.code, course.sis_id, course.id))
