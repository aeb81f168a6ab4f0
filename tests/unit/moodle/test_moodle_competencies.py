"""Moodle's traps around competencies: switched off, unrated, and people who cannot be rated."""

from __future__ import annotations

from typing import Any

from fakes.moodle_answers import MoodleAnswers, error, parts_of

from coursekeep import Expected, Gap, GapReason, Kind, Part, Record
from coursekeep_connectors.moodle.competencies import competencies

COURSE, RATINGS = "core_competency_list_course_competencies", "report_competency_data_for_report"


def linked(number: int, **about: Any) -> dict[str, Any]:
    competency = {"id": number, "shortname": f"Skill {number}", "description": "<p>x</p>", "parentid": 0, **about}
    return {"competency": competency, "coursecompetency": {"id": number + 100, "sortorder": 1, "ruleoutcome": 2}}


def rated(person: int, competency: int, grade: int | None) -> dict[str, Any]:
    proficiency = None if grade is None else grade > 1
    of = {"userid": person, "competencyid": competency, "courseid": 7, "grade": grade, "proficiency": proficiency}
    return {"usercompetencycourse": {"id": 9, **of, "gradename": "Good" if grade else "-"}, "competency": {}}


def read(moodle: MoodleAnswers, *enrolled: str) -> list[Part]:
    reading = moodle.reading()
    reading.enrolled.update(enrolled)

    async def stream() -> Any:
        async for part in reading.guarded(competencies(reading), Kind.OUTCOMES, Kind.OUTCOME_RESULTS):
            yield part
        for part in reading.expected():
            yield part

    return parts_of(stream())


def records(parts: list[Part], kind: Kind) -> dict[str, Record]:
    return {part.id: part for part in parts if isinstance(part, Record) and part.kind is kind}


def test_ratings_that_nobody_gave_are_no_records() -> None:
    """Only given ratings are results; what was not rated is neither a record nor a gap."""
    answers = {"3": [rated(3, 1, 2), rated(3, 2, None)], "4": [rated(4, 1, None), rated(4, 2, None)]}
    moodle = MoodleAnswers().on(COURSE, [linked(1), linked(2, parentid=1)])
    moodle.on(RATINGS, lambda form: {"courseid": 7, "usercompetencies": answers[form["userid"]]})

    parts = read(moodle, "3", "4")

    outcomes, results = records(parts, Kind.OUTCOMES), records(parts, Kind.OUTCOME_RESULTS)
    assert {key: record.data["parent_id"] for key, record in outcomes.items()} == {"1": None, "2": "1"}
    assert {key: (record.data["score"], record.data["mastery"]) for key, record in results.items()} == {
        "1-3": (2, True)
    }
    assert not [part for part in parts if isinstance(part, Gap)]


def test_teachers_cannot_be_rated() -> None:
    """Moodle's fault about somebody who cannot be rated is an ordinary answer; others are asked all the same."""
    fault = error("codingerror", "Coding error detected, it must be fixed by a programmer: invaliduser")
    moodle = MoodleAnswers().on(COURSE, [linked(1)])
    moodle.on(RATINGS, lambda form: fault if form["userid"] == "3" else {"usercompetencies": [rated(4, 1, 1)]})

    parts = read(moodle, "3", "4")

    assert list(records(parts, Kind.OUTCOME_RESULTS)) == ["1-4"]
    assert not [part for part in parts if isinstance(part, Gap)]


def test_competencies_switched_off() -> None:
    """A site without competencies has none: nothing is expected, and nothing is a gap."""
    parts = read(MoodleAnswers().on(COURSE, error("competenciesarenotenabled")), "3")

    assert {(part.kind, part.count) for part in parts if isinstance(part, Expected)} == {
        (Kind.OUTCOMES, 0),
        (Kind.OUTCOME_RESULTS, 0),
    }
    assert not [part for part in parts if isinstance(part, Gap)]


def test_a_service_without_the_functions() -> None:
    """Where the service lacks the list, both kinds are gaps; where it lacks the ratings, each person's are."""
    without = read(MoodleAnswers(COURSE), "3")
    half = read(MoodleAnswers(RATINGS).on(COURSE, [linked(1)]), "3")

    assert [(gap.kind, gap.reason) for gap in without if isinstance(gap, Gap)] == [
        (Kind.OUTCOMES, GapReason.NOT_OFFERED),
        (Kind.OUTCOME_RESULTS, GapReason.NOT_OFFERED),
    ]
    assert [(gap.kind, gap.id) for gap in half if isinstance(gap, Gap)] == [(Kind.OUTCOME_RESULTS, "ratings-3")]


def test_a_rating_without_sense_is_a_gap() -> None:
    """A rating whose grade is no number is a gap of its own, and the next one is read."""
    moodle = MoodleAnswers().on(COURSE, [linked(1), linked(2)])
    wrong = rated(3, 1, 1)
    wrong["usercompetencycourse"]["grade"] = "good"
    moodle.on(RATINGS, {"usercompetencies": [wrong, rated(3, 2, 1)]})

    parts = read(moodle, "3")

    assert list(records(parts, Kind.OUTCOME_RESULTS)) == ["2-3"]
    assert [gap.reason for gap in parts if isinstance(gap, Gap)] == [GapReason.MALFORMED]
