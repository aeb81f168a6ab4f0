"""Canvas's course and term objects as Coursekeep's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote

from coursekeep import Account, Course, CourseQuery, MalformedAnswer, Term
from coursekeep_connectors.canvas.ended import CourseDates, ending
from coursekeep_connectors.canvas.values import Json, ident, text

__all__ = [
    "WITHHELD",
    "account_of",
    "address_of",
    "course_of",
    "is_stub",
    "moment",
    "nameless",
    "student_ends",
    "taken",
    "term_of",
]


#: state of courses that Canvas lists without describing them
WITHHELD = "access_restricted_by_date"


def moment(value: object) -> datetime | None:
    """Read one of Canvas's times."""
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise TypeError("a time was expected")
    found = datetime.fromisoformat(value)
    return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)


def term_of(item: Json) -> Term:
    """Map an enrolment term."""
    try:
        return Term(
            id=ident(item),
            name=text(item.get("name")) or "",
            sis_id=text(item.get("sis_term_id")),
            start_at=moment(item.get("start_at")),
            end_at=moment(item.get("end_at")),
        )
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"Canvas described a term that makes no sense: {error}") from error


def account_of(item: object) -> Account:
    """Map an account or sub-account."""
    try:
        if not isinstance(item, dict):
            raise TypeError("an object was expected")
        return Account(
            id=ident(item),
            name=text(item.get("name")) or "",
            sis_id=text(item.get("sis_account_id")),
            parent_id=text(item.get("parent_account_id")),
        )
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"Canvas described an account that makes no sense: {error}") from error


def student_ends(term: Json) -> datetime | None:
    """Return the end that a term has for students in particular."""
    overrides = term.get("overrides")
    dates = overrides.get("StudentEnrollment") if isinstance(overrides, dict) else None
    return moment(dates.get("end_at")) if isinstance(dates, dict) else None


def is_stub(item: Json) -> bool:
    """Tell whether Canvas withholds the course because of the dates of the caller's own enrolment."""
    return item.get("access_restricted_by_date") is True


def course_of(item: object, *, base_url: str, now: datetime, overrides: Mapping[str, datetime] | None = None) -> Course:
    """Map a course; `overrides` are the terms' ends for students, needed where Canvas does not say `concluded`."""
    try:
        if not isinstance(item, dict):
            raise TypeError("an object was expected")
        return _course(item, base_url, now, overrides or {})
    except (TypeError, ValueError) as error:
        raise MalformedAnswer(f"Canvas described a course that makes no sense: {error}") from error


def _course(item: Json, base_url: str, now: datetime, overrides: Mapping[str, datetime]) -> Course:
    course_id = ident(item)
    term = item.get("term") if isinstance(item.get("term"), dict) else None
    term_id = text(item.get("enrollment_term_id"))
    account = item.get("account") if isinstance(item.get("account"), dict) else None
    concluded = item.get("concluded")
    dates = CourseDates(
        state=text(item.get("workflow_state")),
        end_at=moment(item.get("end_at")),
        restricted=item.get("restrict_enrollments_to_course_dates") is True,
        term_end_at=moment(term.get("end_at")) if term else None,
        term_student_end_at=(student_ends(term) if term else None) or overrides.get(term_id or ""),
        concluded=concluded if isinstance(concluded, bool) else None,
    )
    verdict = ending(dates, now)
    return Course(
        id=course_id,
        # With a nickname of the token's owner, `name` is the nickname.
        name=text(item.get("original_name")) or text(item.get("name")) or "",
        code=text(item.get("course_code")),
        sis_id=text(item.get("sis_course_id")),
        term_id=term_id,
        term_name=text(term.get("name")) if term else None,
        account_id=text(item.get("account_id")),
        account_name=text(account.get("name")) if account else text(item.get("account_name")),
        state=WITHHELD if is_stub(item) else dates.state,
        start_at=moment(item.get("start_at")),
        end_at=dates.end_at,
        term_end_at=dates.term_end_at,
        ended=verdict.ended,
        ended_at=verdict.at,
        url=f"{base_url.rstrip('/')}/courses/{course_id}",
    )


def nameless(item: object) -> Course:
    """Map a course of which only the id makes sense. Raises `MalformedAnswer` where not even that does."""
    try:
        return Course(id=ident(item if isinstance(item, dict) else {}), name="", state=WITHHELD)
    except (TypeError, ValueError) as error:
        raise MalformedAnswer("Canvas listed a course without an id") from error


def taken(course: Course, query: CourseQuery) -> bool:
    """Tell whether a course meets the query's condition on its end.

    A course that Canvas lists, but does not describe, is taken: it then fails visibly, rather than vanish.
    """
    return course.state == WITHHELD or query.end_fits(course)


def address_of(course_id: str) -> str | None:
    """Return how a course is named in addresses: an id, or `sis:...`; None where it can be no id of Canvas's."""
    if course_id.startswith("sis:"):
        return _sis_address(course_id.removeprefix("sis:"))
    shard, _, local = course_id.partition("~")
    numeric = shard.isascii() and shard.isdigit() and (not local or (local.isascii() and local.isdigit()))
    return course_id if numeric and not course_id.endswith("~") else None


def _sis_address(sis_id: str) -> str | None:
    if not sis_id:
        return None
    if all(letter.isascii() and (letter.isalnum() or letter in "-_") for letter in sis_id):
        return f"sis_course_id:{sis_id}"
    if all(letter not in "/." for letter in sis_id):
        return f"sis_course_id:{quote(sis_id, safe='')}"
    # Slashes and dots are unescaped by some proxies even when quoted; hexadecimal cannot be misread.
    return f"hex:sis_course_id:{sis_id.encode().hex()}"
