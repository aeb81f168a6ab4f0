"""What a real Kolibri says, and what the connector makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any, TypeVar, cast

import pytest
from fakes.kolibri_school import EXERCISE, FACILITY, ODD_NAMES, School
from pydantic import SecretStr

from coursekeep import NO_RETRY, Account, CheckStep, Course, CourseQuery, CredentialsNeeded, Kind, NoAccess, NotFound
from coursekeep.testing import Export, collect
from coursekeep_kolibri import KolibriConnector, KolibriSettings

# slow, since the first of them waits for a server to be made
pytestmark = [pytest.mark.xdist_group("kolibri"), pytest.mark.slow]

T = TypeVar("T")


def _ask(school: School, main: Callable[[KolibriConnector], Awaitable[T]], user: str = "archive", **settings: Any) -> T:
    """Open a connector that signs in as this user, and ask it."""
    about = {"username": user, "password": SecretStr(f"{user}-pass"), **settings}
    connector = KolibriConnector(KolibriSettings(base_url=school.server.url, **about), retry=NO_RETRY)

    async def opened() -> T:
        async with connector:
            return await main(connector)

    return asyncio.run(opened())


def _export(school: School, class_: str, user: str = "archive", **settings: Any) -> Export:
    async def main(connector: KolibriConnector) -> Export:
        course = await connector.course(class_)
        assert course is not None
        return await collect(connector, course)

    return _ask(school, main, user, **settings)


async def _steps(connector: KolibriConnector) -> dict[str, CheckStep]:
    return {step.name: step async for step in connector.check()}


async def _courses(connector: KolibriConnector, **query: Any) -> list[Course]:
    return [course async for course in connector.courses(CourseQuery(**query))]


def test_answers_stand_with_their_attempt(school: School) -> None:
    """An attempt at a quiz holds every answer with what was chosen, and says how many were right."""
    export = _export(school, school.biology)

    mine = [one for one in export.of(Kind.QUIZ_ATTEMPTS).values() if one["quiz_id"] == school.quiz]
    (ada,) = [one for one in mine if one["person_id"] == school.people["ada"]]
    assert (ada["score"], ada["state"], ada["seconds_spent"]) == (2, "Completed", 61)
    questions = {one["extra"]["item"] for one in export.of(Kind.QUIZ_QUESTIONS).values()}
    assert {answer["item"] for answer in ada["answers"]} == questions
    assert sorted(answer["answer"]["chosen"] for answer in ada["answers"]) == [0, 1, 1]


def test_tries_at_an_exercise_are_kept_apart(school: School) -> None:
    """Two tries at an exercise are two responses, each with its own answers."""
    export = _export(school, school.biology)

    tries = [one for one in export.of(Kind.RESPONSES).values() if one["activity_id"] == EXERCISE.id]
    assert sorted(one["attempt"] for one in tries) == [1, 2]
    assert [len(one["answers"]) for one in tries] == [3, 3]


def test_odd_names_are_handed_on_as_they_are(school: School) -> None:
    """Titles with path escapes, control characters, marks of direction and tags come as Kolibri has them."""
    course = _ask(school, lambda connector: connector.course(school.odd))
    titles = [one["title"] for one in _export(school, school.odd).of(Kind.STRUCTURE).values()]

    assert course is not None
    assert course.name == "Ke/mi <b>../2025</b> 🧪"
    assert set(ODD_NAMES) <= set(titles)


def test_who_left_is_told_by_state(school: School) -> None:
    """A deleted account keeps its enrolment with the state deleted; somebody who left the class is among the people."""
    export = _export(school, school.biology)

    states = {one["person_id"]: one["state"] for one in export.of(Kind.ENROLLMENTS).values()}
    assert states[school.people["fay"]] == "deleted"
    assert school.people["eve"] not in states
    assert {school.people["eve"], school.people["fay"]} <= set(export.of(Kind.PEOPLE))


def test_coach_of_one_class_is_told_what_is_hidden(school: School) -> None:
    """A coach of single classes reads them, with gaps for learners who left; check says which classes are missing."""
    export = _export(school, school.biology, "coach")
    steps = _ask(school, _steps, "coach")

    hidden = {(gap.kind, gap.reason.value) for gap in export.gaps if gap.reason == "no_access"}
    assert hidden == {(Kind.QUIZ_ATTEMPTS, "no_access"), (Kind.PEOPLE, "no_access")}
    assert not steps["classes"].ok
    assert "2 of 3" in steps["classes"].detail


def test_learner_is_told_to_become_a_coach(school: School) -> None:
    """The check of an account without rights fails at the classes, and says what to do."""
    steps = _ask(school, _steps, "cy")

    assert not steps["classes"].ok
    assert "facility coach" in steps["classes"].remedy


def test_wrong_password_is_told(school: School) -> None:
    """A wrong password fails the check at signing in, without being repeated."""
    steps = _ask(school, _steps, password=SecretStr("a wrong one"))

    assert not steps["sign-in"].ok
    assert "INVALID_CREDENTIALS" in steps["sign-in"].detail
    assert "a wrong one" not in repr(steps)


def test_facility_is_chosen_by_name_or_id(school: School) -> None:
    """The classes of the named facility are listed; a name that no facility has is told with those that there are."""
    by_name = _ask(school, _courses, "admin", facility="Other School")
    by_id = _ask(school, _courses, "admin", facility=str(by_name[0].account_id))

    assert [course.id for course in by_name] == [school.foreign] == [course.id for course in by_id]
    with pytest.raises(CredentialsNeeded, match=f"Nowhere.*{FACILITY}"):
        _ask(school, _courses, facility="Nowhere")


def test_facilities_are_accounts(school: School) -> None:
    """Facilities are accounts, and a query for one gives its classes; one that there is not is not found."""

    async def main(connector: KolibriConnector) -> tuple[list[Account], list[Course]]:
        accounts = [account async for account in connector.accounts()]
        (mine,) = [account.id for account in accounts if account.name == FACILITY]
        return accounts, await _courses(connector, account=mine)

    accounts, courses = _ask(school, main)
    assert {account.name for account in accounts} == {FACILITY, "Other School"}
    assert {course.id for course in courses} == set(school.classes.values())
    with pytest.raises(NotFound):
        _ask(school, lambda connector: _courses(connector, account="0" * 32))


def test_classes_end_where_the_operator_says_so(school: School) -> None:
    """No class has ended by itself; patterns of names and ids say which have, at an unknown moment."""
    none = _ask(school, _courses)
    some = _ask(school, _courses, ended_classes=("bio* 2025", school.classes["Physics 2026"]))

    assert not any(course.ended for course in none)
    assert {course.name for course in some if course.ended} == {"Biology 2025", "Physics 2026"}
    assert {course.ended_at for course in some} == {None}


def test_classes_are_found_by_text_but_not_by_term(school: School) -> None:
    """A text finds classes by name; there are no terms, and a query for one is refused."""
    assert [course.name for course in _ask(school, lambda one: _courses(one, text="BIO"))] == ["Biology 2025"]
    with pytest.raises(NotFound, match="no terms"):
        _ask(school, lambda connector: _courses(connector, term_ids=["1"]))


def test_ids_of_other_things_are_no_classes(school: School) -> None:
    """The id of a facility or of a group is not found, rather than forbidden."""
    facility = _ask(school, _courses)[0].account_id
    group = school.server.rows("SELECT id FROM kolibriauth_collection WHERE kind = 'learnergroup'", {})[0][0]

    for id_ in (str(facility), str(group), "x", "../../etc"):
        assert _ask(school, lambda connector, id_=id_: connector.course(id_)) is None  # type: ignore[misc]


def test_ended_session_is_never_taken_for_an_empty_school(school: School) -> None:
    """Kolibri answers an ended session with empty lists; the connector signs in anew, and reads the same again."""

    async def main(connector: KolibriConnector) -> tuple[list[Course], list[Course]]:
        before = await _courses(connector)
        school.server.forget_sessions(school.people["archive"])
        return before, await _courses(connector)

    before, after = _ask(school, main)
    assert before == after
    assert before


def test_session_that_ends_within_an_export_loses_nothing(school: School) -> None:
    """An export during which the session ends is as whole as one during which it does not."""

    async def main(connector: KolibriConnector) -> int:
        course = await connector.course(school.biology)
        assert course is not None
        parts = []
        async with aclosing(cast(Any, connector.export(course))) as stream:
            async for part in stream:
                parts.append(part)
                if len(parts) % 25 == 0:
                    school.server.forget_sessions(school.people["archive"])
        return len(parts)

    export = _export(school, school.biology)
    whole = sum(map(len, (export.pages, export.expected, export.gaps, export.files, *export.records.values())))
    assert _ask(school, main) == whole


def test_rights_that_end_within_an_export_are_noticed(school: School) -> None:
    """An export fails where the user may no longer read the class at its end: what came may be too little."""
    admin, coach = school.server.user("admin"), school.people["coach"]
    class_ = school.odd

    async def main(connector: KolibriConnector) -> None:
        course = await connector.course(class_)
        assert course is not None
        (role,) = admin.get("/api/auth/role/", user=coach, collection=class_)
        async with aclosing(cast(Any, connector.export(course))) as stream:
            await anext(stream)
            admin.delete(f"/api/auth/role/{role['id']}/")
            try:
                async for _ in stream:
                    pass
            finally:
                admin.post("/api/auth/role/", user=coach, collection=class_, kind="coach")

    with pytest.raises(NoAccess):
        _ask(school, main, "coach")


def test_demographics_are_kept_only_where_asked_for(school: School) -> None:
    """Gender and birth year are left out, unless the operator wants them."""

    def people(**settings: Any) -> list[dict[str, Any]]:
        pages = _export(school, school.biology, **settings).pages
        return [person for page in pages if page.endpoint == "people" for person in page.body]

    assert not any("gender" in person or "birth_year" in person for person in people())
    assert {person["gender"] for person in people(demographics=True)} == {"FEMALE"}


def test_long_lists_are_read_page_by_page(school: School) -> None:
    """People come whole, whatever the size of pages."""
    few = _export(school, school.biology, page_size=1)

    assert few.of(Kind.PEOPLE) == _export(school, school.biology).of(Kind.PEOPLE)
    assert len([page for page in few.pages if page.endpoint == "people"]) > 4
