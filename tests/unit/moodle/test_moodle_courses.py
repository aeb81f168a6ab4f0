"""Finding Moodle's courses: none is lost that is hidden or closed, and none is said to have ended that has not."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from fakes.moodle_answers import MoodleAnswers, error, run

from coursekeep import Course, CourseQuery, CredentialsNeeded, MalformedAnswer, NoAccess, NotFound, Term
from coursekeep_connectors.moodle.ended import CourseDates, Ending, ending

NOW = datetime(2026, 3, 15, tzinfo=UTC)
PAST, COMING = NOW - timedelta(days=30), NOW + timedelta(days=30)
ALL, FIELD, MINE = "core_course_get_courses", "core_course_get_courses_by_field", "core_enrol_get_users_courses"
CATEGORIES = [
    {"id": 1, "name": "Science", "path": "/1", "parent": 0, "coursecount": 1},
    {"id": 2, "name": "Winter", "path": "/1/2", "parent": 1, "idnumber": "W26", "coursecount": 2},
    {"id": 3, "name": "Arts", "path": "/3", "parent": 0, "coursecount": 1},
]


def course(number: int, category: int = 2, **more: Any) -> dict[str, Any]:
    return {"id": number, "shortname": f"C{number}", "fullname": f"Course {number}", "categoryid": category,
            "format": "topics", "startdate": 0, "enddate": 0, "visible": 1, **more}  # fmt: skip


def moodle(*courses: Any) -> MoodleAnswers:
    return MoodleAnswers().on("core_course_get_categories", CATEGORIES).on(ALL, list(courses)).on(
        FIELD, {"courses": list(courses), "warnings": []}
    )  # fmt: skip


def listed(answers: MoodleAnswers, query: CourseQuery | None = None, **settings: Any) -> list[Course]:
    async def main() -> list[Course]:
        async with answers.connector(**settings) as connector:
            return [found async for found in connector.courses(query or CourseQuery())]

    return run(main())


def terms(answers: MoodleAnswers, **settings: Any) -> list[Term]:
    async def main() -> list[Term]:
        async with answers.connector(**settings) as connector:
            return [term async for term in connector.terms()]

    return run(main())


def one(answers: MoodleAnswers, course_id: str) -> Course | None:
    async def main() -> Course | None:
        async with answers.connector() as connector:
            return await connector.course(course_id)

    return run(main())


@pytest.mark.parametrize(
    ("dates", "expected"),
    [
        (CourseDates(), Ending(ended=False, at=None)),
        (CourseDates(end_at=PAST), Ending(ended=True, at=PAST)),
        (CourseDates(end_at=COMING, term_end_at=PAST), Ending(ended=False, at=COMING)),
        (CourseDates(term_end_at=PAST), Ending(ended=True, at=PAST)),
        (CourseDates(changed_at=PAST), Ending(ended=False, at=None)),
        (CourseDates(changed_at=PAST, idle_days=10), Ending(ended=True, at=PAST + timedelta(days=10))),
        (CourseDates(changed_at=PAST, idle_days=60), Ending(ended=False, at=None)),
        (CourseDates(end_at=COMING, changed_at=PAST, idle_days=1), Ending(ended=False, at=COMING)),
    ],
)
def test_when_a_course_has_ended(dates: CourseDates, expected: Ending) -> None:
    """The course's own end counts, then its term's, then a long rest where that is asked for; else it has not."""
    assert ending(dates, NOW) == expected


def test_an_end_of_zero_is_none() -> None:
    """Moodle writes 0 for a course without an end; it has not ended in 1970."""
    (found,) = listed(moodle(course(7)))

    assert (found.end_at, found.ended, found.ended_at) == (None, False, None)


def test_courses_come_by_id_without_the_front_page() -> None:
    """Moodle's list has no order, and the site's own page in it; huge ids are kept to the last digit."""
    huge = 9_007_199_254_740_993
    front = {"id": 1, "fullname": "Front", "format": "site", "categoryid": 0}

    assert [found.id for found in listed(moodle(course(huge), course(30), front, course(4)))] == ["4", "30", str(huge)]


def test_one_closed_course_does_not_hide_the_others() -> None:
    """Where the full list fails, the tolerant one and the account's own enrolments are put together."""
    answers = moodle(course(4), course(5)).on(ALL, error("nopermissions"))
    own = {"id": 9, "fullname": "Hidden", "category": 3, "visible": 0, "format": "topics", "enddate": 0}
    answers.on(MINE, [own, course(4)])

    assert [found.id for found in listed(answers)] == ["4", "5", "9"]
    assert listed(answers)[-1].account_id == "3"


def test_a_service_with_the_tolerant_list_only() -> None:
    """No other function is needed to find courses."""
    answers = moodle(course(4))
    answers.without |= {ALL, MINE}

    assert [found.id for found in listed(answers)] == ["4"]


def test_a_course_that_is_listed_and_closed_is_taken() -> None:
    """A course with its public face only fails where it can be seen, rather than vanish."""
    lobby = {"id": 8, "fullname": "Lobby", "shortname": "L", "categoryid": 2}
    found = listed(moodle(lobby).on(ALL, error("errorcoursecontextnotvalid")), CourseQuery(ended_before=NOW))

    assert [(one.id, one.state) for one in found] == [("8", "not_enterable")]


def test_queries_by_category_term_text_and_end() -> None:
    """A category takes all below it, a term likewise; text looks at names; an end is judged course by course."""
    past = int(PAST.timestamp())
    answers = moodle(course(4, 2), course(5, 3, fullname="Ancient Art"), course(6, 1, enddate=past))

    assert [c.id for c in listed(answers, CourseQuery(account="1"))] == ["4", "6"]
    assert [c.id for c in listed(answers, CourseQuery(term_ids=["1"]))] == ["4", "6"]
    assert [c.id for c in listed(answers, CourseQuery(text="ANCIENT"))] == ["5"]
    assert [c.id for c in listed(answers, CourseQuery(ended_before=NOW))] == ["6"]
    assert [c.id for c in listed(answers, category="3")] == ["5"]
    for query in (CourseQuery(account="99"), CourseQuery(term_ids=["99"])):
        with pytest.raises(NotFound):
            listed(answers, query)


def test_terms_are_categories_id_numbers_or_a_field() -> None:
    """What stands for terms is the operator's choice, and so are their ends."""
    field = [{"shortname": "term", "value": "Winter 26", "valueraw": "W26"}]
    answers = moodle(course(4, idnumber="2026-WS-BOT", customfields=field), course(5, idnumber="none"))
    end = datetime(2026, 4, 1, tzinfo=UTC)

    assert [term.id for term in terms(answers)] == ["1", "2", "3"]
    assert [term.name for term in terms(answers, term_depth=2)] == ["Winter"]
    assert [term.id for term in terms(answers, terms_from="idnumber")] == ["2026-WS"]
    assert [(t.id, t.name) for t in terms(answers, terms_from="custom_field")] == [("W26", "Winter 26")]
    assert terms(answers, terms_from="none") == []
    ends = {"W26": date(2026, 3, 31)}
    assert [term.end_at for term in terms(answers, term_ends=ends)] == [None, end, None]
    assert [c.term_end_at for c in listed(answers, term_ends=ends)] == [end, end]


def test_accounts_are_categories() -> None:
    """Categories are accounts, with the one above; below the setting's category, that one is the top."""

    async def main(**settings: Any) -> list[tuple[str, str | None]]:
        async with moodle().connector(**settings) as connector:
            return [(account.id, account.parent_id) async for account in connector.accounts()]

    assert run(main()) == [("1", None), ("2", "1"), ("3", None)]
    assert run(main(category="2")) == [("2", None)]


def test_an_empty_answer_is_looked_into() -> None:
    """No course may mean none or a closed one: the error of its contents tells which."""
    answers = moodle()
    answers.on("core_course_get_contents", error("invalidrecord"))
    assert one(answers, "7") is None

    answers.on("core_course_get_contents", error("errorcoursecontextnotvalid"))
    with pytest.raises(NoAccess):
        one(answers, "7")

    answers.on("core_course_get_contents", []).on(ALL, [course(7)])
    found = one(answers, "7")
    assert found is not None
    assert found.id == "7"


def test_by_id_number() -> None:
    """`sis:` asks for the id number; two courses with one are an error, and odd ids are no courses."""
    assert one(moodle(course(7, idnumber="A/1 ä")), "sis:A/1 ä") is not None
    assert one(moodle(), "sis:none") is None
    with pytest.raises(MalformedAnswer):
        one(moodle(course(7), course(8)), "sis:twice")
    for odd in ("", "1", "x", "sis:", "٧"):
        assert one(moodle(course(7)), odd) is None


def test_a_bad_token_halts() -> None:
    """Whatever is asked, a token that Moodle does not know asks for credentials."""
    answers = moodle(course(7)).on("core_webservice_get_site_info", error("invalidtoken"))

    with pytest.raises(CredentialsNeeded):
        one(answers, "7")
    with pytest.raises(CredentialsNeeded):
        listed(answers)
