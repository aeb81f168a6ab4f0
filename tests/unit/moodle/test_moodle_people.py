"""Moodle's traps around people: suspended ones without a mark, pages with holes, strangers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fakes.moodle_answers import MoodleAnswers, error, parts_of

from coursekeep import Gap, GapReason, Kind, Part, Record
from coursekeep_connectors.moodle import grades, groups, people
from coursekeep_connectors.moodle.reading import Parts, Reading

ENROLLED, DESCRIBED = "core_enrol_get_enrolled_users", "core_user_get_users_by_field"


def user(number: int, *roles: str) -> dict[str, Any]:
    listed = [{"roleid": place + 3, "shortname": role} for place, role in enumerate(roles)]
    return {"id": number, "fullname": f"Person {number}", "roles": listed}


def paged(*users: dict[str, Any], active: set[int] | None = None) -> Callable[[dict[str, str]], Any]:
    """Answer pages of the enrolled, or of the active ones among them."""

    def answer(form: dict[str, str]) -> Any:
        count = len([key for key in form if key.endswith("[name]")])
        options = {form[f"options[{n}][name]"]: form[f"options[{n}][value]"] for n in range(count)}
        if options.get("onlyactive"):
            if active is None:
                return error("nopermissions")
            chosen = [one for one in users if one["id"] in active]
        else:
            chosen = list(users)
        first = int(options["limitfrom"])
        page = chosen[first : first + int(options["limitnumber"])]
        return [one for one in page if not one.get("unseen")]

    return answer


def read(moodle: MoodleAnswers, *areas: Callable[[Reading], Parts]) -> list[Part]:
    reading = moodle.reading()

    async def stream() -> Any:
        for area in areas:
            async for part in reading.guarded(area(reading), Kind.PEOPLE):
                yield part

    return parts_of(stream())


def records(parts: list[Part], kind: Kind) -> dict[str, Record]:
    return {part.id: part for part in parts if isinstance(part, Record) and part.kind is kind}


def gaps(parts: list[Part]) -> list[Gap]:
    return [part for part in parts if isinstance(part, Gap)]


def test_suspended_people_are_told_apart() -> None:
    """Whoever is enrolled, but not among the active ones, is suspended; every role is an enrolment."""
    moodle = MoodleAnswers().on(
        ENROLLED, paged(user(1, "student"), user(2), user(3, "student", "teacher"), active={1, 3})
    )

    found = records(read(moodle, people.enrolled), Kind.ENROLLMENTS)

    states = {key: (record.data["state"], record.data["role"]) for key, record in found.items()}
    assert states == {
        "1-3": ("active", "student"),
        "2-0": ("suspended", "other"),
        "3-3": ("active", "student"),
        "3-4": ("active", "assistant"),
    }


def test_without_the_right_nobody_is_said_to_be_active() -> None:
    """Where Moodle does not say who is active, the state is unknown, and a gap says so."""
    parts = read(MoodleAnswers().on(ENROLLED, paged(user(1, "student"))), people.enrolled)

    assert records(parts, Kind.ENROLLMENTS)["1-3"].data["state"] == "unknown"
    assert [(gap.id, gap.reason) for gap in gaps(parts)] == [("suspended", GapReason.NO_ACCESS)]


def test_pages_with_holes_lose_nobody() -> None:
    """A page without those whom the account may not see is short, and not the last one."""
    crowd = [user(number, "student") | {"unseen": number % 3 == 0} for number in range(1, 501)]
    parts = read(MoodleAnswers().on(ENROLLED, paged(*crowd, active=set())), people.enrolled)

    assert len(records(parts, Kind.PEOPLE)) == 500 - 166


def test_a_site_that_does_not_page_is_no_loop() -> None:
    """The same answer again brings nobody new, and is the end."""
    moodle = MoodleAnswers().on(ENROLLED, [user(1, "student")])

    assert len(records(read(moodle, people.enrolled), Kind.PEOPLE)) == 1


def test_an_empty_list_is_suspicious() -> None:
    """A course without anybody is what separate groups look like to an account that may not see them."""
    parts = read(MoodleAnswers().on(ENROLLED, []), people.enrolled)

    assert [(gap.kind, gap.id, gap.count) for gap in gaps(parts)] == [(Kind.ENROLLMENTS, "nobody", None)]


def test_strangers_are_described_or_named() -> None:
    """Whoever is only mentioned is asked for by id, huge ids too; who is not described is a gap with the name met."""
    huge = 9_007_199_254_740_993
    moodle = MoodleAnswers().on(DESCRIBED, [{"id": huge, "fullname": "Huge"}])
    reading = moodle.reading()
    for number in (huge, 50, 0, -5):
        reading.refer(number)
    reading.refer(60, "Known by name")

    parts = parts_of(people.others(reading))

    assert {key: record.data["name"] for key, record in records(parts, Kind.PEOPLE).items()} == {
        str(huge): "Huge",
        "50": None,
        "60": "Known by name",
    }
    assert [(gap.id, gap.reason) for gap in gaps(parts)] == [("50", GapReason.NOT_FOUND)]


def test_groups_have_members() -> None:
    """Members come in a second call, and become known to the course."""
    moodle = MoodleAnswers().on("core_group_get_course_groups", [{"id": 5, "name": "A"}])
    moodle.on("core_group_get_group_members", [{"groupid": 5, "userids": [10, 9]}])

    assert records(read(moodle, groups.groups), Kind.GROUPS)["5"].data["member_ids"] == ["9", "10"]


def test_grades_that_are_none_stay_none() -> None:
    """An absent grade is null, not zero; what the gradebook leaves out is counted or named."""
    item = {"id": 1, "itemtype": "course", "graderaw": None, "gradeformatted": "-"}
    moodle = MoodleAnswers().on(ENROLLED, paged(user(1, "student"), user(2, "student"), active={1}))
    moodle.on("gradereport_user_get_grade_items", {"usergrades": [{"userid": 1, "gradeitems": [item]}], "warnings": []})

    parts = read(moodle, people.enrolled, grades.grades)

    grade = records(parts, Kind.GRADES)["1"].data
    assert (grade["final_score"], grade["final_grade"]) == (None, None)
    assert [(gap.kind, gap.count) for gap in gaps(parts)] == [
        (Kind.ASSIGNMENT_GROUPS, None),
        (Kind.GRADE_HISTORY, None),
        (Kind.GRADES, 1),
    ]


def test_a_missing_function_is_a_gap_that_names_it() -> None:
    """A service without a function is no reason to fail: the part is not offered, and the gap says which function."""
    parts = read(MoodleAnswers(ENROLLED), people.enrolled)

    (gap,) = gaps(parts)
    assert gap.reason is GapReason.NOT_OFFERED
    assert ENROLLED in gap.detail
