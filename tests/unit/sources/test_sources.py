"""The course sources: what they take, leave out and refuse."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from fakes.source_connector import NOW, KnownCourses, selected
from pydantic import ValidationError

import coursekeep_connectors
from coursekeep import Course, EndOf, Outcome, Term
from coursekeep_connectors.end_date import EndDateParams, EndDateSource
from coursekeep_connectors.ids import IdsParams, IdsSource
from coursekeep_connectors.search import SearchParams, SearchSource
from coursekeep_connectors.terms import TermsParams, TermsSource

ENDED = Course(id="1", name="Ended", sis_id="A-1", term_id="10", ended=True)
RUNNING = Course(id="2", name="Running", term_id="10", ended_at=datetime(2026, 12, 31, tzinfo=UTC))
OTHER = Course(id="3", name="Other", term_id="11", ended=True)
TERMS = (Term(id="10", name="Spring", sis_id="2026S"), Term(id="11", name="Autumn"))


def _known() -> KnownCourses:
    return KnownCourses(ENDED, RUNNING, OTHER, terms=TERMS)


def test_registered_like_a_stranger() -> None:
    """The built-in connectors and all five sources are registered by hooks, each with a name of its own."""
    sources = {source.name for source in coursekeep_connectors.register_course_sources()}

    assert sources == {"terms", "csv", "ids", "search", "end_date"}
    connectors = {connector.name for connector in coursekeep_connectors.register_connectors()}
    assert connectors == {"canvas", "moodle", "oneroster", "packages"}


def test_ids_in_order_with_what_became_of_each() -> None:
    """Every id gets one answer, in the order given: found, not found, not readable, or another course."""
    refs = ("2", "sis:A-1", "99", "13", " 1 ", "14", "15", "sis:none", "2")

    found = selected(IdsSource(), _known(), IdsParams(ids=refs))

    assert [(item.ref, item.outcome, item.course and item.course.id) for item in found] == [
        ("2", Outcome.FOUND, "2"),
        ("sis:A-1", Outcome.FOUND, "1"),
        ("99", Outcome.NOT_FOUND, None),
        ("13", Outcome.NO_ACCESS, None),
        ("1", Outcome.FOUND, "1"),
        ("14", Outcome.NO_ACCESS, None),
        ("15", Outcome.EXCLUDED, None),
        ("sis:none", Outcome.NOT_FOUND, None),
    ]
    assert "sis:" in found[2].detail


def test_ids_are_asked_some_at_a_time() -> None:
    """No more courses are asked for at once than the context allows."""
    connector = _known()

    selected(IdsSource(), connector, IdsParams(ids=tuple(map(str, range(20, 60)))), concurrency=3)

    assert connector.most_at_once == 3


def test_ids_go_on_where_planning_stopped() -> None:
    """References dealt with before an interruption are not asked for again."""
    found = selected(IdsSource(), _known(), IdsParams(ids=("1", "2", "3")), done=("1", "2"))

    assert [item.ref for item in found] == ["3"]


@pytest.mark.parametrize("ids", [(), ("1", " "), ("sis:",)])
def test_empty_ids_are_refused(ids: tuple[str, ...]) -> None:
    """No id, or an empty one, is refused with what to do."""
    with pytest.raises(ValueError, match="ids"):
        IdsSource().validate(IdsParams(ids=ids), NOW)


def test_terms_leave_out_running_courses_visibly() -> None:
    """Courses of the term that still run are shown as left out, with the day they end."""
    found = selected(TermsSource(), _known(), TermsParams(terms=("10",)))

    assert [(item.ref, item.outcome) for item in found] == [("1", Outcome.FOUND), ("2", Outcome.EXCLUDED)]
    assert "2026-12-31" in found[1].detail


def test_terms_take_running_courses_when_told() -> None:
    """Running courses are taken where that is asked for; terms are known by SIS id too."""
    found = selected(TermsSource(), _known(), TermsParams(terms=("sis:2026S", "11"), include_running=True))

    assert [(item.ref, item.outcome) for item in found] == [
        ("1", Outcome.FOUND),
        ("2", Outcome.FOUND),
        ("3", Outcome.FOUND),
    ]


def test_unknown_term_is_named() -> None:
    """A term that the LMS does not know is named, and nothing is selected."""
    with pytest.raises(ValueError, match="'77'"):
        selected(TermsSource(), _known(), TermsParams(terms=("10", "77")))


def test_search_takes_what_was_chosen() -> None:
    """Of the courses found the chosen ones are taken; chosen ones that were not found are said so."""
    found = selected(SearchSource(), _known(), SearchParams(text="er", ids=("3", "8")))

    assert [(item.ref, item.outcome) for item in found] == [("3", Outcome.FOUND), ("8", Outcome.NOT_FOUND)]
    assert [item.ref for item in selected(SearchSource(), _known(), SearchParams(text="er"))] == ["1", "2", "3"]


@pytest.mark.parametrize("text", ["", "x", "  y "])
def test_short_searches_are_refused(text: str) -> None:
    """A search for less than two characters is refused."""
    with pytest.raises(ValueError, match="at least 2"):
        SearchSource().validate(SearchParams(text=text), NOW)


def test_end_date_asks_for_courses_ended_before() -> None:
    """A day begins at midnight UTC, a moment is taken as it is, and the end may be the term's."""
    connector = _known()

    selected(EndDateSource(), connector, EndDateParams.model_validate({"before": "2026-08-01"}))
    selected(
        EndDateSource(), connector, EndDateParams.model_validate({"before": "2026-08-01T12:00:00Z", "ended_by": "term"})
    )

    assert [(query.ended_before, query.ended_by) for query in connector.queries] == [
        (datetime(2026, 8, 1, tzinfo=UTC), EndOf.COURSE),
        (datetime(2026, 8, 1, 12, tzinfo=UTC), EndOf.TERM),
    ]


def test_end_date_survives_being_stored() -> None:
    """Parameters read back from their JSON mean the same."""
    for text in ("2026-08-01", "2026-08-01T12:00:00Z", "2026-08-01T00:00:00Z", "2026-08-01T12:00:00+02:00"):
        params = EndDateParams.model_validate({"before": text})

        assert EndDateParams.model_validate_json(params.model_dump_json()).moment() == params.moment()


def test_future_end_date_is_refused() -> None:
    """A day in the future is refused, and the message names the last possible one."""
    params = EndDateParams(before=(NOW + timedelta(days=2)).date())

    with pytest.raises(ValueError, match="future; give a day up to 2026-09-01"):
        EndDateSource().validate(params, NOW)
    EndDateSource().validate(EndDateParams(before=date(2026, 9, 1)), NOW)


@pytest.mark.parametrize("before", ["soon", "31/06/2026", "2026-02-30", None])
def test_impossible_end_date_is_refused(before: object) -> None:
    """What is no day is refused."""
    with pytest.raises(ValidationError):
        EndDateParams.model_validate({"before": before})
