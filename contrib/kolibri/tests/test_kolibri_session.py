"""Sessions and class summaries of a Kolibri that misbehaves; needs no Kolibri."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import httpx
import pytest
from pydantic import SecretStr

from coursekeep import NO_RETRY, Account, CourseQuery, CredentialsNeeded, Kind, MalformedAnswer, RetryLater
from coursekeep.testing import Export, collect
from coursekeep_kolibri import KolibriConnector, KolibriSettings, register_connectors
from coursekeep_kolibri.finding import described
from coursekeep_kolibri.session import Session

T = TypeVar("T")

FACILITY, CLASS, LESSON = "f" * 32, "c" * 32, "1" * 32
GONE = 'kolibri=""; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/'
SETTINGS = KolibriSettings(base_url="http://127.0.0.1:1", username="archive", password=SecretStr("s3cret-word\n"))


class FakeKolibri:
    """As much of a Kolibri as one class with one lesson needs. Sessions end when told to."""

    def __init__(self) -> None:
        self.signed_in = 0
        self.forms: list[str] = []
        self.ended: set[str] = set()
        self.always_ended = False
        #: lessons that summaries of the class give, one after the other; the last one again and again
        self.mixed: list[list[str]] = [[LESSON]]
        #: paths that this Kolibri does not have
        self.missing: set[str] = set()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == "/api/auth/session/":
            return self._sign_in(request)
        session = request.headers.get("cookie", "").removeprefix("kolibri=")
        if self.always_ended or session in self.ended or not session:
            return httpx.Response(200, json=[], headers={"Set-Cookie": GONE})
        return self._answer(request)

    def _sign_in(self, request: httpx.Request) -> httpx.Response:
        self.signed_in += 1
        self.forms.append(request.content.decode())
        cookies = [
            ("Set-Cookie", " kolibri_csrftoken=x; Path=/"),
            ("Set-Cookie", f" kolibri=s{self.signed_in}; HttpOnly"),
        ]
        return httpx.Response(200, json={"user_id": "u", "facility_id": FACILITY, "kind": ["coach"]}, headers=cookies)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        classroom = {"id": CLASS, "name": "Class", "parent": FACILITY, "learner_count": 0, "coaches": []}
        facility = {"id": FACILITY, "name": "School", "num_classrooms": 1}
        answers: dict[str, Any] = {
            "/api/auth/facility/": [facility],
            f"/api/auth/facility/{FACILITY}/": facility,
            "/api/auth/classroom/": [classroom],
            f"/api/auth/classroom/{CLASS}/": classroom,
            "/api/lessons/lesson/": [_lesson(LESSON)],
        }
        if path in self.missing:
            return httpx.Response(404, html="<h1>Not Found</h1>")
        if path.startswith("/coach/api/classsummary/"):
            lessons = self.mixed.pop(0) if len(self.mixed) > 1 else self.mixed[0]
            return httpx.Response(200, json=_summary(lessons))
        if "page_size" in request.url.params:
            return httpx.Response(200, json={"page": 1, "count": 0, "total_pages": 1, "results": []})
        return httpx.Response(200, json=answers.get(path, []))


def _lesson(id_: str) -> dict[str, Any]:
    return {"id": id_, "title": "Lesson", "resources": [], "active": True, "collection": CLASS, "assignments": []}


def _summary(lessons: list[str]) -> dict[str, Any]:
    empty = ("exams", "learners", "groups", "adhoclearners", "exam_learner_status", "content", "content_learner_status")
    return {"id": CLASS, "lessons": [_lesson(id_) for id_ in lessons], **{key: [] for key in empty}}


def _ask(kolibri: Callable[[httpx.Request], httpx.Response], main: Callable[[KolibriConnector], Awaitable[T]]) -> T:
    async def opened() -> T:
        async with KolibriConnector(SETTINGS, transport=httpx.MockTransport(kolibri), retry=NO_RETRY) as connector:
            return await main(connector)

    return asyncio.run(opened())


async def _names(connector: KolibriConnector) -> list[str]:
    return [course.name async for course in connector.courses(CourseQuery())]


async def _exported(connector: KolibriConnector) -> Export:
    course = await connector.course(CLASS)
    assert course is not None
    return await collect(connector, course)


def test_one_session_serves_all_requests() -> None:
    """The user signs in once, with the password but for the line's end, and its cookie goes with all requests."""
    kolibri = FakeKolibri()

    assert _ask(kolibri, _names) == ["Class"]
    assert kolibri.forms == ["username=archive&password=s3cret-word"]


def test_ended_session_is_replaced_once() -> None:
    """An answer that takes the cookie back counts for nothing: the user signs in again, and the request is repeated."""
    kolibri = FakeKolibri()
    kolibri.ended = {"s1"}

    assert _ask(kolibri, _names) == ["Class"]
    assert kolibri.signed_in == 2


def test_sessions_that_end_at_once_ask_for_an_operator() -> None:
    """Where a new session has ended too, an operator is needed; the empty list is not believed."""
    kolibri = FakeKolibri()
    kolibri.always_ended = True

    with pytest.raises(CredentialsNeeded, match="session has ended"):
        _ask(kolibri, _names)


def test_session_is_renewed_before_it_ends() -> None:
    """After ten minutes the user signs in anew, and not before; Kolibri forgets sessions after twenty."""
    kolibri, clock = FakeKolibri(), [0.0]
    session = Session(SETTINGS, retry=NO_RETRY, transport=httpx.MockTransport(kolibri), now=lambda: clock[0])

    async def main() -> list[int]:
        counts = []
        for moment in (0.0, 599.0, 601.0):
            clock[0] = moment
            await session.renew()
            counts.append(kolibri.signed_in)
        return counts

    assert asyncio.run(main()) == [1, 1, 2]


def test_requests_under_way_keep_their_session_while_the_user_signs_in_anew() -> None:
    """A session that is no longer fresh serves until the next one is there, also where signing in fails at first."""
    kolibri, clock, down = FakeKolibri(), [0.0], [False]
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if kolibri.signed_in:
            seen.append(session.headers()["Cookie"])
        return httpx.Response(503) if down[0] else kolibri(request)

    session = Session(SETTINGS, retry=NO_RETRY, transport=httpx.MockTransport(answer), now=lambda: clock[0])

    async def main() -> None:
        await session.renew()
        clock[0], down[0] = 601.0, True
        with pytest.raises(RetryLater):
            await session.renew()
        down[0] = False
        await session.renew()

    asyncio.run(main())
    assert seen == ["kolibri=s1", "kolibri=s1"]
    assert session.headers() == {"Cookie": "kolibri=s2"}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx.Response(400, json=[{"id": "NOT_FOUND", "metadata": {"field": "username"}}]), CredentialsNeeded),
        (httpx.Response(401, json=[{"id": "INVALID_CREDENTIALS"}]), CredentialsNeeded),
        (httpx.Response(403, html="<h1>s3cret-word</h1>"), CredentialsNeeded),
        (httpx.Response(503, json={}), RetryLater),
        (httpx.Response(200, json={"facility_id": FACILITY}), MalformedAnswer),
        (httpx.Response(200, json=[], headers={"Set-Cookie": "kolibri=s1"}), MalformedAnswer),
    ],
)
def test_refused_sign_in_is_told_without_the_password(answer: httpx.Response, error: type[Exception]) -> None:
    """What keeps the user out is told by what happens next, and no message holds the password."""
    with pytest.raises(error) as told:
        _ask(lambda request: answer, _names)

    assert "s3cret-word" not in f"{told.value!r} {told.value}"


def test_summary_of_another_class_is_asked_for_anew() -> None:
    """A class summary with lessons of another class is thrown away, and the next one is taken."""
    kolibri = FakeKolibri()
    kolibri.mixed = [["2" * 32], [], [LESSON]]

    export = _ask(kolibri, _exported)

    assert set(export.of(Kind.STRUCTURE)) == {LESSON}
    assert len(kolibri.mixed) == 1


def test_summaries_that_stay_mixed_up_leave_the_class_for_later() -> None:
    """Where every summary has others' lessons, the class is tried again later rather than archived wrongly."""
    kolibri = FakeKolibri()
    kolibri.mixed = [["2" * 32]]

    with pytest.raises(RetryLater, match="mixes up classes"):
        _ask(kolibri, _exported)


def test_missing_summary_is_a_gap() -> None:
    """Without the coach's view of a class, lessons and quizzes come all the same; what only it tells is a gap."""
    kolibri = FakeKolibri()
    kolibri.missing = {f"/coach/api/classsummary/{CLASS}/", "/api/attendance/attendancesession/"}

    export = _ask(kolibri, _exported)

    assert set(export.of(Kind.STRUCTURE)) == {LESSON}
    lost = {gap.kind for gap in export.gaps if gap.count is None}
    assert lost == {Kind.GROUPS, Kind.QUIZ_ATTEMPTS, Kind.COMPLETIONS, Kind.RESPONSES, Kind.ACTIVITIES}


def test_missing_lists_are_no_missing_class() -> None:
    """A class whose lessons cannot be listed at all makes no sense; it is not taken for one that does not exist."""
    kolibri = FakeKolibri()
    kolibri.missing = {"/api/lessons/lesson/"}

    with pytest.raises(MalformedAnswer):
        _ask(kolibri, _exported)


def test_facilities_of_one_name_are_told_apart_by_id() -> None:
    """A name that two facilities have is refused, with their ids."""
    facilities = [{"id": "a" * 32, "name": "School"}, {"id": "b" * 32, "name": "School"}]
    settings = SETTINGS.model_copy(update={"facility": "School"})
    session = Session(
        settings, retry=NO_RETRY, transport=httpx.MockTransport(lambda _: httpx.Response(200, json=facilities))
    )

    with pytest.raises(CredentialsNeeded, match=r"several.*aaaa.*bbbb"):
        asyncio.run(session.renew())


@pytest.mark.parametrize(
    ("pattern", "over"),
    [("class", True), ("CL*S", True), ("*", True), ("Class?", False), ("[C]lass", False), ("", False)],
)
def test_patterns_of_ended_classes_know_only_the_star(pattern: str, over: bool) -> None:
    """In a pattern `*` means any text, and every other sign itself, upper and lower case alike."""
    school = Account(id=FACILITY, name="School")

    assert described({"id": CLASS, "name": "Class"}, school, [pattern]).ended is over
    assert described({"id": CLASS, "name": "Class [a]?"}, school, ["* [a]?"]).ended


def test_connector_is_registered() -> None:
    """The plugin gives its connector to the framework."""
    assert register_connectors() == [KolibriConnector]
