"""The Canvas connector against the campus, over real HTTP: whole courses, and the campus's known traps."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from coursekeep import (
    ALWAYS,
    Course,
    CourseQuery,
    CredentialsNeeded,
    Expected,
    Gap,
    GapReason,
    Kind,
    NativeExport,
    NoAccess,
    Part,
    RawPage,
    Record,
    RemoteFile,
    RetryPolicy,
)
from coursekeep_campus import CampusServer, generated
from coursekeep_connectors.canvas import CanvasConnector, CanvasSettings

QUICK = RetryPolicy(attempts=4, wait=0.01, longest=0.05)


@pytest.fixture(scope="module")
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=40), throttle=False) as running:
        yield running


def _connector(server: CampusServer, token: str | None = None, **settings: Any) -> CanvasConnector:
    made = CanvasSettings(base_url=server.url, token=token or server.token, export_poll=0.02, **settings)
    return CanvasConnector(made, retry=QUICK)


def _export(server: CampusServer, course_id: object, **settings: Any) -> list[Part]:
    async def main() -> list[Part]:
        async with _connector(server, **settings) as connector:
            course = await connector.course(str(course_id))
            assert course is not None
            return [part async for part in connector.export(course)]

    return asyncio.run(main())


def _trap(server: CampusServer, name: str) -> object:
    traps: Any = server.known["traps"]
    return traps[name]


def _records(parts: list[Part], kind: Kind) -> list[Record]:
    return [part for part in parts if isinstance(part, Record) and part.kind is kind]


def _gaps(parts: list[Part], kind: Kind) -> list[Gap]:
    return [part for part in parts if isinstance(part, Gap) and part.kind is kind]


def _missing(parts: list[Part]) -> dict[Kind, int]:
    """Count per kind what is expected, but neither there nor named."""
    left: Counter[Kind] = Counter()
    for part in parts:
        if isinstance(part, Expected):
            left[part.kind] += part.count
        elif isinstance(part, Gap):
            left[part.kind] -= part.count or 0
        elif isinstance(part, Record) and part.kind is not Kind.FILES:
            left[part.kind] -= 1
        elif isinstance(part, RemoteFile):
            left[Kind.FILES] -= 1
        elif isinstance(part, NativeExport):
            left[Kind.NATIVE_EXPORTS] -= 1
    return {kind: number for kind, number in left.items() if number}


def test_numbers_of_every_course_add_up(server: CampusServer) -> None:
    """For every kind of every readable course: expected = captured + gaps; ids are unique, and nobody is unknown."""
    for course_id in [*server.known["ended"], *server.known["running"]]:
        parts = _export(server, course_id)

        assert _missing(parts) == {}, course_id
        ids = Counter((part.kind, part.id) for part in parts if isinstance(part, Record))
        assert [key for key, number in ids.items() if number > 1] == []
        people = {record.id for record in _records(parts, Kind.PEOPLE)}
        for kind in (Kind.ENROLLMENTS, Kind.SUBMISSIONS, Kind.GRADES):
            assert {record.data["person_id"] for record in _records(parts, kind)} <= people
        assert {str(record.data["author_id"]) for record in _records(parts, Kind.POSTS)} - {"None"} <= people


def test_export_of_an_unchanged_course_is_the_same(server: CampusServer) -> None:
    """Two exports of one course give the same parts, but for what is redacted or an address."""
    course_id = _trap(server, "mixed_addresses")

    first, second = (_settled(_export(server, course_id)) for _ in range(2))

    assert first == second


def _settled(parts: list[Part]) -> list[str]:
    keys = {key for rule in (*ALWAYS, *CanvasConnector.redactions) for key in rule.keys}
    lines = []
    for part in parts:
        if isinstance(part, Record):
            lines.append(json.dumps([part.kind, part.id, _without(dict(part.data), keys)], sort_keys=True, default=str))
        elif isinstance(part, RawPage):
            lines.append(json.dumps([part.endpoint, _without(part.body, keys | {"url"})], sort_keys=True))
        elif isinstance(part, RemoteFile):
            lines.append(f"{part.id} {part.name} {part.size}")
        elif isinstance(part, Gap | Expected):
            lines.append(repr(part))
    return sorted(lines)


def _without(value: Any, keys: set[str]) -> Any:
    if isinstance(value, dict):
        return {key: _without(inner, keys) for key, inner in value.items() if key not in keys}
    return [_without(inner, keys) for inner in value] if isinstance(value, list) else value


def test_ended_courses_are_those_that_have_ended(server: CampusServer) -> None:
    """Of all courses, exactly the ended ones count as ended."""

    async def main() -> dict[str, Course]:
        async with _connector(server) as connector:
            return {course.id: course async for course in connector.courses(CourseQuery())}

    courses = asyncio.run(main())
    assert {key for key in courses if courses[key].ended} >= {str(number) for number in server.known["ended"]}
    assert not any(courses[str(number)].ended for number in server.known["running"])
    assert str(server.known["deleted"]) not in courses


def test_closed_courses(server: CampusServer) -> None:
    """Unknown and deleted courses are none; forbidden and date-restricted ones are not readable."""

    async def main() -> None:
        async with _connector(server) as connector:
            assert await connector.course(str(server.known["unknown"])) is None
            assert await connector.course(str(server.known["deleted"])) is None
            for name in ("forbidden", "date_restricted"):
                with pytest.raises(NoAccess):
                    await connector.course(str(server.known[name]))

    asyncio.run(main())


def test_course_by_sis_id(server: CampusServer) -> None:
    """A course is found by its SIS id too, also an awkward one."""

    async def main() -> None:
        async with _connector(server) as connector:
            course = await connector.course(str(server.known["ended"][0]))
            assert course is not None
            assert course.sis_id is not None
            assert await connector.course(f"sis:{course.sis_id}") == course
            assert await connector.course("sis:no/such.id") is None

    asyncio.run(main())


@pytest.mark.parametrize("name", ["expired", "revoked", "scoped"])
def test_bad_tokens_halt(server: CampusServer, name: str) -> None:
    """An expired, revoked or under-scoped token asks for credentials, and `check` says so without raising."""

    async def main() -> list[bool]:
        async with _connector(server, token=server.tokens[name]) as connector:
            with pytest.raises(CredentialsNeeded):
                async for _ in connector.export(Course(id=str(server.known["ended"][0]), name="")):
                    pass
            return [step.ok async for step in connector.check()]

    assert False in asyncio.run(main())


def test_check_is_good(server: CampusServer) -> None:
    """With an administrator's token every step is good."""

    async def main() -> dict[str, bool]:
        async with _connector(server) as connector:
            return {step.name: step.ok async for step in connector.check()}

    steps = asyncio.run(main())
    assert set(steps) >= {"address", "credentials", "account", "course list", "terms", "grades"}
    assert all(steps.values())


def test_traps_of_talk(server: CampusServer) -> None:
    """Unprepared views, new entries, group discussions and anonymous topics are read or named."""
    prepared = _export(server, _trap(server, "unbuilt_views"))
    merged = _export(server, _trap(server, "new_entries"))
    grouped = _export(server, _trap(server, "group_discussion"))
    anonymous = _export(server, _trap(server, "anonymous_topic"))

    assert _records(prepared, Kind.POSTS)
    assert _gaps(prepared, Kind.POSTS) == _gaps(merged, Kind.POSTS) == _gaps(grouped, Kind.POSTS) == []
    assert any(record.data["deleted"] for record in _records(merged, Kind.POSTS))
    assert any(record.data["group_id"] and record.data["parent_id"] for record in _records(grouped, Kind.DISCUSSIONS))
    assert {gap.reason for gap in _gaps(anonymous, Kind.POSTS)} == {GapReason.NOT_OFFERED}


def test_traps_of_content(server: CampusServer) -> None:
    """Big modules, revisions, locked and hidden files, announcements of all times, switched-off tabs."""
    big = _export(server, _trap(server, "big_module"))
    revised = _export(server, _trap(server, "revisions"))
    locked = _export(server, _trap(server, "locked_file"))
    closed = _export(server, _trap(server, "disabled_tabs"))
    announced = _export(server, _trap(server, "announcements"))

    assert len(_records(big, Kind.STRUCTURE)) > 100
    assert len(_records(revised, Kind.PAGE_REVISIONS)) > len(_records(revised, Kind.PAGES))
    assert [part.withheld for part in locked if isinstance(part, RemoteFile) and not part.url] == [GapReason.LOCKED]
    assert _records(closed, Kind.PAGES) == []
    assert _gaps(closed, Kind.PAGES) == []
    assert sum(bool(record.data["announcement"]) for record in _records(announced, Kind.DISCUSSIONS)) > 1


def test_traps_of_work(server: CampusServer) -> None:
    """Attempts, quizzes, New Quizzes and failed exports are read or named."""
    attempts = _export(server, _trap(server, "attempts"))
    quiz = _export(server, _trap(server, "classic_quiz"))
    unreadable = _export(server, _trap(server, "new_quiz_unreadable"))
    failed = _export(server, _trap(server, "export_fails"))

    assert any(len(record.data["attempts"]) > 1 for record in _records(attempts, Kind.SUBMISSIONS))
    assert all(record.data["answers"] for record in _records(quiz, Kind.QUIZ_ATTEMPTS))
    assert {gap.reason for gap in _gaps(unreadable, Kind.QUIZZES)} == {GapReason.NOT_OFFERED}
    assert [gap.reason for gap in _gaps(failed, Kind.NATIVE_EXPORTS)] == [GapReason.EXPORT_FAILED]
    assert _records(failed, Kind.SUBMISSIONS)


def test_every_enrollment_state(server: CampusServer) -> None:
    """Ended, deleted and rejected enrolments and the test student are captured."""
    parts = _export(server, _trap(server, "enrollment_states"))

    states = {record.data["state"] for record in _records(parts, Kind.ENROLLMENTS)}
    assert {"active", "completed", "deleted", "inactive"} <= states
    assert any(record.data["role"] == "test_student" for record in _records(parts, Kind.ENROLLMENTS))


def test_crowd_in_short_pages(server: CampusServer) -> None:
    """Nobody is lost where pages are clamped and come short."""
    parts = _export(server, _trap(server, "crowd"))

    enrolled = {record.data["person_id"] for record in _records(parts, Kind.ENROLLMENTS)}
    assert len(enrolled) > 100
    assert enrolled <= {record.id for record in _records(parts, Kind.PEOPLE)}


def test_token_goes_to_canvas_only(server: CampusServer) -> None:
    """Every file can be downloaded as its part says, and the files' host never sees the token."""

    async def main() -> list[str]:
        async with _connector(server, native_export=False) as connector:
            course = await connector.course(str(_trap(server, "mixed_addresses")))
            assert course is not None
            sizes = []
            async for part in connector.export(course):
                if isinstance(part, RemoteFile):
                    async with connector.client.download(part.url, auth=part.auth) as download:
                        received = sum([len(chunk) async for chunk in download.chunks])
                    sizes.append("" if received == part.size else part.id)
            return sizes

    server.requests.clear()
    assert set(asyncio.run(main())) == {""}
    assert not [request for request in server.requests if request[4] in server.files_url and request[3]]
