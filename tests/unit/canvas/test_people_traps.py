"""Canvas's traps around people: states left out, test students, short pages, strangers."""

from __future__ import annotations

from typing import Any

from fakes.canvas_answers import CanvasAnswers, disabled, forbidden, paged, parts_of

from coursekeep import Expected, Gap, GapReason, Kind, Part, Record
from coursekeep_connectors.canvas import people
from coursekeep_connectors.canvas.groups import Groups
from coursekeep_connectors.canvas.reading import Reading

USERS = "/api/v1/courses/7/users"
ENROLLMENTS = "/api/v1/courses/7/enrollments"


def _user(number: int, **more: Any) -> dict[str, Any]:
    return {"id": number, "name": f"Person {number}", **more}


def _enrollment(number: int, user: int, state: str = "active", **more: Any) -> dict[str, Any]:
    return {
        "id": number,
        "user_id": user,
        "type": "StudentEnrollment",
        "role": "StudentEnrollment",
        "enrollment_state": state,
        "course_section_id": 70,
        "user": _user(user),
        **more,
    }


def _all(reading: Reading) -> list[Part]:
    async def stream() -> Any:
        for area in (people.users, people.enrollments, people.others):
            async for part in area(reading):
                yield part

    return parts_of(stream())


def _records(parts: list[Part], kind: Kind) -> dict[str, Record]:
    return {part.id: part for part in parts if isinstance(part, Record) and part.kind is kind}


def test_every_enrollment_state_is_asked_for() -> None:
    """Completed, deleted and rejected enrolments are asked for; Canvas leaves them out by itself."""
    states = ("active", "completed", "deleted", "rejected", "inactive")
    items = [_enrollment(number, number, state) for number, state in enumerate(states, start=1)]
    canvas = CanvasAnswers().on(USERS, []).on(ENROLLMENTS, paged(items[:2], [], items[2:]))

    parts = _all(canvas.reading())

    asked = canvas.asked[1].url.params.get_list("state[]")
    assert {"completed", "deleted", "rejected", "inactive", "active", "invited", "creation_pending"} == set(asked)
    found = _records(parts, Kind.ENROLLMENTS).values()
    assert sorted(str(record.data["state"]) for record in found) == sorted(states)


def test_user_lost_from_short_pages_comes_from_the_enrollment() -> None:
    """Somebody whom the list of users leaves out, but an enrolment names, is in the people."""
    canvas = CanvasAnswers().on(USERS, paged([_user(1)], [], [_user(2)]))
    canvas.on(ENROLLMENTS, [_enrollment(1, 1), _enrollment(2, 2), _enrollment(3, 3, "deleted")])

    parts = _all(canvas.reading())

    assert _records(parts, Kind.PEOPLE).keys() == {"1", "2", "3"}
    assert not [part for part in parts if isinstance(part, Gap)]


def test_test_student_is_asked_for_and_marked() -> None:
    """The test student is in the people, marked as such, and has the role of one."""
    student = _user(9, enrollments=[{"type": "StudentViewEnrollment"}])
    canvas = CanvasAnswers().on(USERS, [student])
    canvas.on(ENROLLMENTS, [_enrollment(1, 9, type="StudentViewEnrollment")])

    parts = _all(canvas.reading())

    assert "test_student" in canvas.asked[0].url.params.get_list("include[]")
    assert _records(parts, Kind.PEOPLE)["9"].data["test_student"] is True
    assert _records(parts, Kind.ENROLLMENTS)["1"].data["role"] == "test_student"


def test_observed_person_and_grades() -> None:
    """An observer's enrolment names whom it observes, who becomes a person; grades come with enrolments."""
    watching = _enrollment(1, 1, type="ObserverEnrollment", associated_user_id=5)
    graded = _enrollment(2, 2, grades={"final_score": 81.5, "final_grade": "B", "unposted_final_score": 80.0})
    canvas = CanvasAnswers().on(USERS, []).on(ENROLLMENTS, [watching, graded])
    canvas.on("/api/v1/users/5", _user(5))

    parts = _all(canvas.reading())

    assert _records(parts, Kind.ENROLLMENTS)["1"].data["observed_person_id"] == "5"
    assert "5" in _records(parts, Kind.PEOPLE)
    grade = _records(parts, Kind.GRADES)["2"].data
    assert (grade["final_score"], grade["extra"]) == (81.5, {"unposted_final_score": 80.0})


def test_unknown_stranger_is_kept_as_an_id_and_named() -> None:
    """Somebody whom Canvas does not describe at all is still a person, with a gap that says so."""
    canvas = CanvasAnswers().on(USERS, []).on(ENROLLMENTS, [])
    reading = canvas.reading()
    reading.refer(77)
    reading.refer(78, name="Known by name")

    parts = _all(reading)

    assert _records(parts, Kind.PEOPLE)["77"].data["name"] is None
    assert _records(parts, Kind.PEOPLE)["78"].data["name"] == "Known by name"
    assert [(part.id, part.count) for part in parts if isinstance(part, Gap)] == [("77", 0)]


def test_ids_beyond_two_to_the_53rd_stay_exact() -> None:
    """Ids of foreign shards are kept digit by digit."""
    big = 10000000000000123
    canvas = CanvasAnswers().on(USERS, [_user(big)]).on(ENROLLMENTS, [_enrollment(big + 2, big)])

    parts = _all(canvas.reading())

    assert "10000000000000123" in _records(parts, Kind.PEOPLE)
    assert "10000000000000125" in _records(parts, Kind.ENROLLMENTS)


def test_record_without_sense_is_a_gap_and_not_the_end() -> None:
    """An enrolment with an impossible time is a gap that does not repeat the value; the others are captured."""
    wrong = _enrollment(1, 1, created_at="secret-nonsense")
    canvas = CanvasAnswers().on(USERS, []).on(ENROLLMENTS, [wrong, _enrollment(2, 2)])

    parts = _all(canvas.reading())

    gaps = [part for part in parts if isinstance(part, Gap) and part.kind is Kind.ENROLLMENTS]
    assert [(gap.id, gap.reason, gap.count) for gap in gaps] == [("1", GapReason.MALFORMED, 1)]
    assert "secret-nonsense" not in gaps[0].detail
    assert _records(parts, Kind.ENROLLMENTS).keys() == {"2"}


def test_expected_is_the_sum_of_pages() -> None:
    """What is expected adds up over short and empty pages, repeated items counted once."""
    canvas = CanvasAnswers().on(USERS, paged([_user(1), _user(2)], [], [_user(2), _user(3)])).on(ENROLLMENTS, [])
    reading = canvas.reading()

    _all(reading)

    assert Expected(kind=Kind.PEOPLE, count=3) in list(reading.expected())


def test_denied_list_is_a_gap_of_the_whole_kind() -> None:
    """A list that may not be read is one gap of unknown size; a list that is switched off is empty."""
    canvas = CanvasAnswers().on(USERS, forbidden()).on("/api/v1/courses/7/sections", disabled())
    reading = canvas.reading()

    denied = parts_of(reading.guarded(people.users(reading), Kind.PEOPLE))
    switched_off = parts_of(reading.guarded(people.sections(reading), Kind.SECTIONS))

    assert [(part.reason, part.id, part.count) for part in denied if isinstance(part, Gap)] == [
        (GapReason.NO_ACCESS, None, None)
    ]
    assert switched_off == []
    assert any(part.kind is Kind.SECTIONS and part.count == 0 for part in reading.expected())


def test_members_in_every_state() -> None:
    """Group members are asked for in every state; only accepted ones are members."""
    canvas = CanvasAnswers().on("/api/v1/courses/7/group_categories", [{"id": 4, "name": "Teams"}])
    canvas.on("/api/v1/courses/7/groups", [{"id": 40, "name": "Red", "group_category_id": 4}])
    memberships = [
        {"id": 2, "user_id": 12, "workflow_state": "invited"},
        {"id": 1, "user_id": 11, "workflow_state": "accepted"},
    ]
    canvas.on("/api/v1/groups/40/memberships", memberships)
    groups, reading = Groups(), canvas.reading()

    record = _records(parts_of(groups.parts(reading)), Kind.GROUPS)["40"]

    assert record.data["member_ids"] == ["11"]
    assert [member["state"] for member in record.data["memberships"]] == ["accepted", "invited"]
    assert record.data["category_name"] == "Teams"
    assert [space.base for space in groups.spaces] == ["/api/v1/groups/40"]
