"""Accounts, terms, the lists of courses, and who the caller is."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from coursekeep_campus.call import Call
from coursekeep_campus.content import Doc, Person
from coursekeep_campus.course_shape import course_doc
from coursekeep_campus.model import Account, Course, Term
from coursekeep_campus.replies import Reply, bad_request, not_found
from coursekeep_campus.router import Routes
from coursekeep_campus.shapes import user_doc
from coursekeep_campus.times import parse

__all__ = ["routes"]

routes = Routes()


def _account(call: Call) -> Account:
    call.need_admin()
    text = call.names["account"]
    accounts = call.campus.accounts
    if text in ("self", "default"):
        return accounts[call.campus.root_id]
    if text.startswith("sis_account_id:"):
        found = [a for a in accounts.values() if a.sis_id == text.removeprefix("sis_account_id:")]
    else:
        found = [accounts[int(text)]] if text.isdecimal() and int(text) in accounts else []
    if not found:
        raise not_found()
    return found[0]


def _describe(call: Call, account: Account) -> Doc:
    return {
        "id": account.id,
        "name": account.name,
        "workflow_state": "active",
        "parent_account_id": account.parent_id,
        "root_account_id": None if account.parent_id is None else call.campus.root_id,
        "uuid": f"campus-account-{account.id:06d}",
        "default_storage_quota_mb": 500,
        "default_time_zone": "Etc/UTC",
        "sis_account_id": account.sis_id,
        "integration_id": None,
    }


@routes.get("accounts")
def accounts(call: Call) -> Reply:
    """List the accounts that the caller administers."""
    found = list(call.campus.accounts.values()) if call.caller.admin else []
    return call.page(found, lambda account: _describe(call, account))


@routes.get("accounts/{account}")
def account(call: Call) -> Reply:
    """Show one account."""
    return call.reply(_describe(call, _account(call)))


@routes.get("accounts/{account}/sub_accounts")
def sub_accounts(call: Call) -> Reply:
    """List the accounts directly below, or all below."""
    parent = _account(call)
    below = call.campus.account_and_below(parent.id) - {parent.id}
    found = [a for a in call.campus.accounts.values() if a.id in below]
    if not call.flag("recursive"):
        found = [a for a in found if a.parent_id == parent.id]
    return call.page(found, lambda account: _describe(call, account))


_RIGHTS = ("read_course_list", "read_sis", "view_all_grades", "manage_grades", "read_course_content", "read_reports")


@routes.get("accounts/{account}/permissions")
def account_permissions(call: Call) -> Reply:
    """Tell which of the named rights the caller has in an account."""
    _account(call)
    return call.reply({name: name in _RIGHTS for name in call.values("permissions") or _RIGHTS})


@routes.get("users/{user}")
def user(call: Call) -> Reply:
    """Show the caller, or a user by id."""
    text = call.names["user"]
    if text not in ("self", str(call.caller.user_id)):
        return call.reply(user_doc(_person(call, text)))
    doc: Doc = {
        "id": call.caller.user_id,
        "name": call.caller.name,
        "created_at": "2020-01-01T00:00:00Z",
        "sortable_name": call.caller.name,
        "short_name": call.caller.name,
        "avatar_url": None,
        "locale": None,
        "effective_locale": "en",
        "permissions": {"can_update_name": False, "can_update_avatar": False, "limit_parent_app_web_access": False},
    }
    return call.reply(doc)


def _person(call: Call, text: str) -> Person:
    call.need_admin()
    for course in call.campus.courses.values():
        if course.eager and text.isdecimal() and int(text) in course.content.people:
            return course.content.people[int(text)]
    raise not_found()


@routes.get("users/{user}/courses")
def own_courses(call: Call) -> Reply:
    """List the courses that the caller is enrolled in: an administrator in none."""
    if call.names["user"] not in ("self", str(call.caller.user_id)):
        raise call.no_right()
    return call.page(_own(call), lambda course: course_doc(call, course))


@routes.get("courses")
def my_courses(call: Call) -> Reply:
    """List the courses that the caller is enrolled in."""
    return call.page(_own(call), lambda course: course_doc(call, course))


def _own(call: Call) -> list[Course]:
    if call.caller.admin:
        return []
    return [course for course in call.campus.courses.values() if course.taught and course.state != "deleted"]


@routes.get("accounts/{account}/terms")
def terms(call: Call) -> Reply:
    """List the terms of the root account, the latest start first; sub-accounts have none."""
    if _account(call).parent_id is not None:
        raise bad_request({"message": "Terms only belong to root_accounts."})
    states = call.values("workflow_state") or ["active"]
    found = [t for t in call.campus.terms.values() if "all" in states or t.state in states]
    found.sort(key=lambda term: (term.start_at is not None, term.start_at or call.campus.now, term.id), reverse=True)
    with_overrides = "overrides" in call.includes
    return call.page(
        found, lambda term: call.campus.describe_term(term, overrides=with_overrides), wrap="enrollment_terms"
    )


@routes.get("accounts/{account}/terms/{term}")
def term(call: Call) -> Reply:
    """Show one term, with its overrides."""
    if _account(call).parent_id is not None:
        raise bad_request({"message": "Terms only belong to root_accounts."})
    return call.reply(call.campus.describe_term(_term(call, call.names["term"]), overrides=True))


def _term(call: Call, text: str) -> Term:
    found = _term_or_none(call, text)
    if found is None:
        raise not_found()
    return found


def _term_or_none(call: Call, text: str) -> Term | None:
    terms = call.campus.terms
    if text.startswith("sis_term_id:"):
        return next((t for t in terms.values() if t.sis_id == text.removeprefix("sis_term_id:")), None)
    if text == "default":
        return next((t for t in terms.values() if t.start_at is None and t.end_at is None), None)
    if text == "current":
        now = call.campus.now
        matching = [t for t in terms.values() if t.start_at and t.end_at and t.start_at <= now <= t.end_at]
        return matching[0] if len(matching) == 1 else None
    return terms.get(int(text)) if text.isdecimal() else None


@routes.get("accounts/{account}/courses")
def courses(call: Call) -> Reply:
    """List the courses of an account and all below it. There is a filter for much, but none for "has ended"."""
    below = call.campus.account_and_below(_account(call).id)
    tests = [_by_state(call), *_by_term(call), *_by_dates(call), *_by_people(call), *_by_text(call)]
    found = [
        course
        for course in call.campus.courses.values()
        if course.account_id in below and all(test(course) for test in tests)
    ]
    _sort(call, found)
    return call.page(found, lambda course: course_doc(call, course, listed=True), total=False)


_Test = Callable[[Course], bool]


def _by_state(call: Call) -> _Test:
    states = set(call.values("state"))
    if "all" in states:
        return lambda course: True
    if states:
        return lambda course: course.state in states
    return lambda course: course.state != "deleted"


def _by_term(call: Call) -> list[_Test]:
    asked = call.values("enrollment_term_id")
    if not asked:
        return []
    wanted = {_term(call, text).id for text in asked}
    return [lambda course: course.term_id in wanted]


def _by_dates(call: Call) -> list[_Test]:
    tests: list[_Test] = []
    campus = call.campus
    if before := _moment(call, "starts_before"):
        # Null dates pass, and either date will do: as in Canvas.
        tests.append(
            lambda course: any(
                at is None or at < before for at in (course.start_at, campus.terms[course.term_id].start_at)
            )
        )
    if after := _moment(call, "ends_after"):
        tests.append(
            lambda course: any(at is None or at > after for at in (course.end_at, campus.terms[course.term_id].end_at))
        )
    if call.values("completed"):
        wanted = call.flag("completed")
        tests.append(lambda course: campus.naive_completed(course) is wanted)
    return tests


def _moment(call: Call, name: str) -> datetime | None:
    text = call.value(name)
    if not text:
        return None
    try:
        return parse(text)
    except ValueError:
        raise bad_request({"errors": {name: [{"message": f"Invalid date or invalid datetime for {name}"}]}}) from None


def _by_people(call: Call) -> list[_Test]:
    tests: list[_Test] = []
    if call.values("published"):
        published = call.flag("published")
        tests.append(lambda course: (course.state in ("available", "completed")) is published)
    if call.values("with_enrollments"):
        wanted = call.flag("with_enrollments")
        tests.append(lambda course: bool(course.enrolled) is wanted)
    if call.flag("hide_enrollmentless_courses"):
        tests.append(lambda course: bool(course.enrolled))
    if call.values("blueprint"):
        blueprint = call.flag("blueprint")
        tests.append(lambda course: course.blueprint is blueprint)
    if accounts := set(call.numbers("by_subaccounts")):
        tests.append(lambda course: course.account_id in accounts)
    if teachers := set(call.numbers("by_teachers")):
        tests.append(lambda course: any(teacher.id in teachers for teacher in course.teachers))
    return tests


def _by_text(call: Call) -> list[_Test]:
    text = call.value("search_term").strip().lower()
    if not text:
        return []
    if len(text) < 2:
        raise bad_request({"errors": [{"message": "search_term must be at least 2 characters long"}]})
    if call.value("search_by") == "teacher":
        return [lambda course: any(text in teacher.name.lower() for teacher in course.teachers)]
    return [lambda course: any(text in (part or "").lower() for part in _searched(course, text))]


def _searched(course: Course, text: str) -> tuple[str | None, ...]:
    number = str(course.id) if text == str(course.id) else None
    return (course.name, course.code, course.sis_id, number)


def _sort(call: Call, found: list[Course]) -> None:
    campus = call.campus
    keys: dict[str, Callable[[Course], str]] = {
        "course_name": lambda course: course.name.lower(),
        "sis_course_id": lambda course: course.sis_id or "",
        "teacher": lambda course: course.teachers[0].sortable_name if course.teachers else "",
        "account_name": lambda course: campus.accounts[course.account_id].name,
        "term": lambda course: campus.terms[course.term_id].name,
    }
    found.sort(key=lambda course: course.id)
    if key := keys.get(call.value("sort")):
        found.sort(key=key, reverse=call.value("order") == "desc")
