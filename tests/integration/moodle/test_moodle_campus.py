"""The Moodle connector against the campus, over real HTTP: old sites, poor services, weak accounts and bad days."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.moodle_bench import MoodleBench

from coursekeep import (
    CheckStep,
    Course,
    CourseQuery,
    CredentialsNeeded,
    Gap,
    GapReason,
    Kind,
    NativeExport,
    NoAccess,
    RetryLater,
    RetryPolicy,
)
from coursekeep.testing import Export, collect
from coursekeep_campus import Fault
from coursekeep_campus.moodle import MoodleServer, Options, moodle_content
from coursekeep_connectors.moodle import MoodleConnector, MoodleSettings
from coursekeep_connectors.moodle.needs import NEEDS
from coursekeep_daemon.runs.states import ItemStatus

QUICK = RetryPolicy(attempts=3, wait=0.01, longest=0.02)

Order = Callable[..., MoodleServer]


@pytest.fixture
def order() -> Iterator[Order]:
    """Start servers of one's own; they end with the test."""
    running: list[MoodleServer] = []

    def start(courses: int = 2, closed: tuple[str, ...] = (), **options: Any) -> MoodleServer:
        server = MoodleServer(moodle_content(courses=courses, closed=closed), options=Options(**options))
        server.start()
        running.append(server)
        return server

    yield start
    for server in running:
        server.stop()


def connector(server: MoodleServer, token: str = "archive", **settings: Any) -> MoodleConnector:  # a name
    made = MoodleSettings(base_url=server.url, token=server.tokens.get(token, token), **settings)
    return MoodleConnector(made, retry=QUICK)


def export(server: MoodleServer, **settings: Any) -> Export:
    async def main() -> Export:
        async with connector(server, **settings) as made:
            course = await made.course(str(server.known["ended"][0]))
            assert course is not None
            return await collect(made, course)

    return asyncio.run(main())


def check(server: MoodleServer, token: str = "archive") -> dict[str, CheckStep]:  # a name
    async def main() -> dict[str, CheckStep]:
        async with connector(server, token) as made:
            return {step.name: step async for step in made.check()}

    return asyncio.run(main())


def courses(server: MoodleServer, token: str = "archive", **query: Any) -> list[Course]:  # a name
    async def main() -> list[Course]:
        async with connector(server, token) as made:
            return [course async for course in made.courses(CourseQuery(**query))]

    return asyncio.run(main())


def adds_up(found: Export) -> bool:
    """Tell whether expected = captured + gaps for every kind with gaps of known sizes."""
    for kind in {expected.kind for expected in found.expected}:
        counts = [gap.count for gap in found.gaps_of(kind)]
        wanted = sum(expected.count for expected in found.expected if expected.kind is kind)
        if None not in counts and wanted != found.captured(kind) + sum(count or 0 for count in counts):
            return False
    return True


def test_moodle_3_9(order: Order) -> None:
    """A site of 2020 lacks functions and fields of today; its course is read, and what it lacks is named."""
    newer = {"mod_quiz_get_user_quiz_attempts", "mod_h5pactivity_get_user_attempts", "mod_h5pactivity_get_results"}
    server = order(release="3.9.25", version="2020061525", without=newer)

    found = export(server)

    assert adds_up(found)
    assert len(found.of(Kind.POSTS)) == sum(
        len(posts) for one in server.site.courses[21].of("forum") for posts in one.data["posts"].values()
    )
    named = [gap for gap in found.gaps_of(Kind.RESPONSES) if "mod_h5pactivity_get_user_attempts" in gap.detail]
    assert [gap.reason for gap in named] == [GapReason.NOT_OFFERED]
    assert all(step.ok for name, step in check(server).items()), "a site is not blamed for its age"


def test_moodle_5(order: Order) -> None:
    """A site of 2025 has no chats, no surveys, and attempts at quizzes under a new name."""
    gone = {"mod_chat_get_chats_by_courses", "mod_chat_get_sessions", "mod_chat_get_session_messages"}
    gone |= {"mod_survey_get_surveys_by_courses", "mod_survey_get_questions", "mod_quiz_get_user_attempts"}
    server = order(release="5.0.1", version="2025041401", without=gone)

    found = export(server)

    assert adds_up(found)
    assert len(found.of(Kind.QUIZ_ATTEMPTS)) == len(server.site.courses[21].of("quiz")[0].data["attempts"])
    assert all(step.ok for step in check(server).values())


def test_a_service_with_nothing_but_the_least(order: Order) -> None:
    """With three functions a course is an outline and files; every other part is a gap that names a function."""
    least = {"core_webservice_get_site_info", "core_course_get_courses_by_field", "core_course_get_contents"}
    every = {name for need in NEEDS for name in need.functions} | {"mod_assign_get_user_mappings"}
    server = order(without=every - least)

    found = export(server)

    assert adds_up(found)
    assert len(found.of(Kind.ACTIVITIES)) + len(found.of(Kind.PAGES)) > 20
    blamed = {name for name in every - least if any(name in gap.detail for gap in found.gaps)}
    assert blamed >= {
        "core_enrol_get_enrolled_users", "core_group_get_course_groups", "gradereport_user_get_grade_items",
        "mod_assign_get_assignments", "mod_forum_get_forums_by_courses", "mod_glossary_get_entries_by_letter",
        "mod_wiki_get_subwikis", "mod_lesson_get_attempts_overview", "mod_data_get_entries", "core_files_get_files",
        "core_completion_get_activities_completion_status", "mod_workshop_get_submissions",
    }  # fmt: skip
    assert {gap.reason for gap in found.gaps if "lacks the function" in gap.detail} == {GapReason.NOT_OFFERED}


@pytest.mark.parametrize(
    ("capability", "kind", "step"),
    [
        ("moodle/course:managegroups", Kind.GROUPS, "groups"),
        ("moodle/grade:viewall", Kind.GRADES, "grades"),
        ("moodle/course:enrolreview", Kind.ENROLLMENTS, "suspended enrolments"),
        ("moodle/course:viewparticipants", Kind.ENROLLMENTS, "people"),
        ("mod/assign:viewgrades", Kind.SUBMISSIONS, "submissions"),
        ("mod/quiz:viewreports", Kind.QUIZ_ATTEMPTS, "quiz attempts"),
        ("mod/forum:viewdiscussion", Kind.DISCUSSIONS, "discussions"),
        ("report/progress:view", Kind.COMPLETIONS, "completion"),
        ("moodle/badges:viewotherbadges", Kind.BADGES, "badges"),
        ("moodle/competency:coursecompetencyview", Kind.OUTCOMES, "competencies"),
        ("moodle/restore:viewautomatedfilearea", Kind.NATIVE_EXPORTS, "backups"),
    ],
)
def test_a_lacking_capability(order: Order, capability: str, kind: Kind, step: str) -> None:
    """What the account may not see is a gap of that kind, the rest goes on, and the check says which right it is."""
    server = order(courses=1, lacking={capability})

    found = export(server)
    steps = check(server)

    assert [gap for gap in found.gaps_of(kind) if gap.reason in (GapReason.NO_ACCESS, GapReason.UNEXPLAINED)]
    assert found.of(Kind.STRUCTURE)
    assert adds_up(found)
    if step != "people":  # nobody is seen, and so nobody's grades can be looked at either
        assert [name for name, one in steps.items() if not one.ok] == [step]
    assert capability in steps[step].remedy


def test_missing_functions_are_named_by_the_check(order: Order) -> None:
    """The check names each function that the service lacks, and where to add it."""
    server = order(without={"mod_wiki_get_subwiki_files", "core_badges_get_user_badges"})

    failed = {name: step for name, step in check(server).items() if not step.ok}

    assert set(failed) == {"functions for wikis", "functions for badges"}
    assert "mod_wiki_get_subwiki_files" in failed["functions for wikis"].detail
    assert "External services" in failed["functions for wikis"].remedy


def test_a_service_without_downloads(order: Order) -> None:
    """The check says that files cannot be had before the first course is archived."""
    assert not check(order(), "nofiles")["downloads"].ok


@pytest.mark.parametrize("token", ["nobody", "expired", "suspended", "unfinished"])
def test_bad_tokens_halt(order: Order, token: str) -> None:
    """Unknown and expired tokens, suspended and unfinished accounts ask for credentials, and the check says so."""
    server = order(courses=1)

    with pytest.raises(CredentialsNeeded):
        courses(server, token)
    assert not check(server, token)["credentials"].ok


def test_closed_courses_do_not_hide_others(order: Order) -> None:
    """A forbidden course fails Moodle's own list; all others are found, hidden ones too, and a lobby fails visibly."""
    server = order(courses=4, closed=("forbidden", "lobby"))

    ids = [course.id for course in courses(server)]

    async def main() -> None:
        async with connector(server) as made:
            assert await made.course(str(server.known["unknown"])) is None
            for name in ("forbidden", "lobby"):
                with pytest.raises(NoAccess):
                    await made.course(str(server.known[name]))

    asyncio.run(main())
    assert ids == [str(one) for one in (*server.known["ended"], *server.known["running"], server.known["lobby"])]
    assert any(not server.site.courses[int(one)].visible for one in ids)


def test_hidden_courses_need_a_right(order: Order) -> None:
    """Without the right to see hidden courses they are not found, and the check says how many are missing."""
    step = check(order(courses=3, lacking={"moodle/course:viewhiddencourses"}))["course list"]

    assert not step.ok
    assert "categories count 3" in step.detail
    assert "moodle/course:viewhiddencourses" in step.remedy


def test_a_teachers_token_finds_the_teachers_courses(order: Order) -> None:
    """A token that may not use Moodle's full list still finds the courses that it is enrolled in, hidden ones too."""
    server = order(courses=4)

    found = {course.id: course.state for course in courses(server, "teacher")}

    mine = [
        one.id for one in server.site.courses.values() if server.known["teacher"] in {e.user_id for e in one.enrolments}
    ]
    assert {str(one) for one in mine} <= {key for key, state in found.items() if state != "not_enterable"}


def test_ended_courses(order: Order) -> None:
    """Exactly the courses with a past end date have ended; one without an end has not."""
    server = order(courses=12)

    found = {course.id: course for course in courses(server)}

    assert {key for key, course in found.items() if course.ended} == {str(one) for one in server.known["ended"]}
    assert any(course.end_at is None for course in found.values())


def test_suspended_and_huge(order: Order) -> None:
    """Suspended enrolments are told apart, and an id beyond what a double holds is kept to the last digit."""
    server = order(courses=2)

    async def main() -> Export:
        async with connector(server) as made:
            course = await made.course("22")
            assert course is not None
            return await collect(made, course)

    found = asyncio.run(main())
    states = Counter(data["state"] for data in found.of(Kind.ENROLLMENTS).values())
    assert states["suspended"] == 2
    assert str(server.known["huge_user"]) in found.of(Kind.PEOPLE)
    assert found.of(Kind.PEOPLE)["2001"]["name"] == "Former Student"


def test_backups_are_kept(order: Order) -> None:
    """The newest of the backups that Moodle made by itself is a native export, or all, or none."""
    server = order(courses=1)

    names = {
        mode: [native.name[-11:] for native in export(server, backups=mode).native]
        for mode in ("newest", "all", "none")
    }

    assert names == {"newest": ["2026110.mbz"], "all": ["2026110.mbz", "2026100.mbz"], "none": []}


def test_maintenance_is_an_outage(order: Order) -> None:
    """A site under maintenance is asked again later; its check fails with what to do."""
    server = order(courses=1, maintenance=True)

    with pytest.raises(RetryLater):
        courses(server)
    assert not check(server)["address"].ok


@pytest.mark.parametrize("kind", ["status", "reset", "truncated", "html", "empty", "throttle429"])
def test_bad_moments_are_outlived(order: Order, kind: str) -> None:
    """A broken answer or two in the middle of a course costs a second question, and nothing of the course."""
    server = order(courses=1)
    whole = {kind: len(records) for kind, records in export(server).records.items()}
    server.faults.add(Fault(match="POST *", kind=kind, status=502, after=40, times=2))

    found = export(server)

    assert {kind: len(records) for kind, records in found.records.items()} == whole


def test_a_course_that_fails_in_one_function(order: Order) -> None:
    """A function that answers with HTML for ever is a gap, and the rest of the course is kept."""
    server = order(courses=1)
    server.faults.add(Fault(match="POST *mod_forum_get_forum_discussions", kind="html"))

    found = export(server)

    assert {gap.reason for gap in found.gaps_of(Kind.DISCUSSIONS)} == {GapReason.MALFORMED}
    assert found.of(Kind.SUBMISSIONS)


def test_files_that_are_refused_become_gaps(tmp_path: Path, order: Order) -> None:
    """JSON or a log-in page with status 200 in place of a file is never stored as the file; the gap says why."""
    server = order(courses=1)
    traps = {"notes.txt": "refused", "data.json": "refused", "saved.html": "login", "brief.txt": "missing"}
    for path, file in server.site.files.items():
        file.trap = traps.get(path.rsplit("/", 1)[1], "")
    bench = MoodleBench(tmp_path, server)

    async def main() -> Any:
        async with bench.service() as service:
            run = await bench.finished(service, await bench.run_ids(service, "21"))
            return (await bench.items(service, run))["21"]

    item = asyncio.run(main())
    assert item.status is ItemStatus.COMPLETED
    kept = [path for path in (tmp_path / "archive").rglob("*") if path.is_file() and "/files/" in path.as_posix()]
    assert not [path for path in kept if path.name in traps]
    assert not [path for path in kept if b"requireloginerror" in path.read_bytes()]
    text = next((tmp_path / "archive").rglob("gaps.jsonl")).read_text()
    assert text.count('"kind":"files"') + text.count('"kind": "files"') == 3 + 3


def test_the_token_goes_to_moodle_alone(order: Order) -> None:
    """No address of a request holds the token, neither of functions nor of downloads."""
    server = order(courses=1)
    found = export(server)

    async def main() -> None:
        async with connector(server) as made, made.client.download(found.files[0].url) as download:
            assert [block async for block in download.chunks]

    asyncio.run(main())
    assert not [request for request in server.requests if server.token in request[1]]
    assert {request[0] for request in server.requests} == {"POST"}
    assert all(isinstance(native, NativeExport) and server.token not in native.url for native in found.native)
    assert not [gap for gap in found.gaps if isinstance(gap, Gap) and server.token in gap.detail]
