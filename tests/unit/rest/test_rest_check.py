"""The check that is made from declarations: which list cannot be read, and what to do."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from fakes.rest_lms import COURSE, listing, make_connector, pages_stream, serve_course
from fakes.scripted_server import ScriptedServer, answer_json, status

from coursekeep import CheckStep, Kind
from coursekeep.rest import SWITCHED_OFF, Endpoint, Files, Parent, Stream

TOPICS = pages_stream(name="topics", path="/courses/{course_id}/topics")
POSTS = Stream(
    name="posts",
    parent="topics",
    path="/topics/{parent_id}/posts",
    key="items",
    kind=Kind.POSTS,
    fields={"discussion_id": Parent("id")},
)


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer() as server:
        serve_course(server)
        server.on("/courses/1/pages", listing())
        yield server


def steps(server: ScriptedServer, *streams: Endpoint, **declared: Any) -> dict[str, CheckStep]:
    """Check a connector with these streams."""
    connector = make_connector(server.url, *streams, **declared)

    async def main() -> list[CheckStep]:
        async with connector:
            return [step async for step in connector.check()]

    return {step.name: step for step in asyncio.run(main())}


def test_every_stream_is_tried(server: ScriptedServer) -> None:
    """Each stream is asked for with a course that has ended, lists below with an object of their parent's."""
    server.on("/courses/1/topics", listing({"title": "no id"}, {"id": 5, "title": "Hello"}))
    server.on("/topics/5/posts", listing())
    inside = Files(name="attached", parent="topics", inside="files?")
    found = steps(server, pages_stream(), TOPICS, POSTS, inside)

    assert list(found) == ["courses", "pages", "topics", "posts", "attached"]
    assert all(step.ok for step in found.values())
    assert "/topics/5/posts" in server.targets()


@pytest.mark.parametrize(("code", "remedy"), [(403, "right to read"), (404, "Check base_url"), (400, "API of the LMS")])
def test_a_stream_that_cannot_be_read_fails_alone(server: ScriptedServer, code: int, remedy: str) -> None:
    """The step names the call and what to do; the streams behind it are tried all the same."""
    server.on("/courses/1/topics", status(code))
    found = steps(server, TOPICS, POSTS, pages_stream())

    assert not found["topics"].ok
    assert "GET /courses/1/topics" in found["topics"].detail
    assert remedy in found["topics"].remedy
    assert found["pages"].ok
    assert "no topics to try it with" in found["posts"].detail


def test_a_list_below_that_is_not_there_names_what_it_was_asked_for_with(server: ScriptedServer) -> None:
    """The remedy of a 404 below a parent is about the stream's path and the id in it, not about the address."""
    server.on("/courses/1/topics", listing({"id": 5, "title": "Hello"}))
    server.on("/topics/5/posts", status(404))
    found = steps(server, TOPICS, POSTS)

    assert "GET /topics/5/posts" in found["posts"].detail
    assert "`path` of the stream 'posts': {parent_id} was '5'" in found["posts"].remedy
    assert "base_url" not in found["posts"].remedy


def test_what_refusals_mean_is_no_failure(server: ScriptedServer) -> None:
    """A list that is switched off, or that is known to be withheld, is as it should be, and says so."""
    server.on("/courses/1/topics", status(404))
    off = pages_stream(name="topics", path="/courses/{course_id}/topics", means={404: SWITCHED_OFF})
    locked = pages_stream(name="locked", path="/courses/{course_id}/topics", means={404: "locked"})
    found = steps(server, off, locked)

    assert found["topics"].ok
    assert "switched off" in found["topics"].detail
    assert found["locked"].ok
    assert "gap here (locked)" in found["locked"].detail


def test_a_course_that_cannot_be_read_is_not_tried_with(server: ScriptedServer) -> None:
    """The first course that can be read serves, one that has ended before others."""
    running = {"id": 2, "name": "Optics", "end": None}
    server.on("/courses", listing({"id": 9, "name": "Closed", "end": None}, running, COURSE))
    server.on("/courses/9", status(403))
    server.on("/courses/2", answer_json(running))

    assert steps(server, pages_stream())["courses"].detail == "tried with course 1"


def test_no_course_at_all_is_a_failure(server: ScriptedServer) -> None:
    """An account that sees no course cannot archive any."""
    server.on("/courses", listing())
    found = steps(server, pages_stream())

    assert list(found) == ["courses"]
    assert not found["courses"].ok
    assert found["courses"].remedy


def test_refused_credentials_end_the_check(server: ScriptedServer) -> None:
    """Behind a token that is not accepted, and an LMS that is down, nothing more is asked."""
    server.on("/me", status(401))
    found = steps(server, pages_stream(), probe="/me")
    server.on("/me", answer_json({"id": 1}))
    server.on("/courses/1/topics", status(503))
    later = steps(server, TOPICS, pages_stream(), probe="/me")

    assert list(found) == ["address and credentials"]
    assert "new credentials" in found["address and credentials"].remedy
    assert list(later) == ["address and credentials", "courses", "topics"]
    assert not later["topics"].ok
