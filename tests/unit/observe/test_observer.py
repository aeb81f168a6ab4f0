"""What a client tells of its requests: enough to count and to trace, and nothing that names a person or a key."""

from __future__ import annotations

import pytest
from fakes.http_client import TOKEN, make_client, run
from fakes.scripted_server import ScriptedServer, answer, answer_json, redirect, reset, status

from coursekeep import Asked, Observer, RetryLater
from coursekeep.observing import template_of


class Kept(Observer):
    """Keeps all that it is told."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.bytes = self.throttles = self.retries = 0

    def asked(self, request: Asked) -> None:
        self.requests.append(request)

    def received(self, size: int) -> None:
        self.bytes += size

    def throttled(self) -> None:
        self.throttles += 1

    def retried(self) -> None:
        self.retries += 1


@pytest.fixture
def server():
    with ScriptedServer() as server:
        yield server


def test_every_request_is_told(server):
    """Answers, failures, redirects, throttling and retries are told, each as often as it happened."""
    kept = Kept()
    server.on("/api/v1/courses/7", status(502), reset, reset, status(429), answer_json({"id": 7}))
    server.on("/api/v1/old", redirect("/api/v1/new"))
    server.on("/api/v1/new", answer_json({}))

    async def main():
        async with make_client(server.url) as client:
            client.observe(kept)
            await client.get("/api/v1/courses/7", {"search": "Anna"})
            await client.get("/api/v1/old")

    run(main())
    assert [one.status for one in kept.requests] == [502, None, 429, 200, 302, 200]
    assert [bool(one.failure) for one in kept.requests] == [False, True, False, False, False, False]
    assert (kept.retries, kept.throttles) == (3, 1)
    assert all(0 < one.seconds < 10 for one in kept.requests)
    assert kept.requests[0].path == "/api/v1/courses/{id}"
    assert "Anna" not in repr(kept.requests)


def test_files_are_counted_and_not_named(server):
    """The bytes of a file are told as they came; its path, which holds its name, is not."""
    kept = Kept()
    server.on("/files/9/anna-essay", answer(b"x" * 3_000_000))

    async def main():
        async with make_client(server.url) as client:
            client.observe(kept)
            async with client.download("/files/9/anna-essay") as download:
                async for _ in download.chunks:
                    pass

    run(main())
    assert kept.bytes == 3_000_000
    assert [(one.method, one.path, one.status) for one in kept.requests] == [("GET", "", 200)]


def test_a_refusal_of_everything_is_told_too(server):
    """Requests that fail for good have been told before their error is raised."""
    kept = Kept()
    server.on("/x", status(503))

    async def main():
        async with make_client(server.url) as client:
            client.observe(kept)
            with pytest.raises(RetryLater):
                await client.get("/x")

    run(main())
    assert [one.status for one in kept.requests] == [503, 503, 503]
    assert kept.retries == 2


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/api/v1/courses/12/assignments/5/submissions/77", "/api/v1/courses/{id}/assignments/{id}/submissions/{id}"),
        ("/api/v1/users/anna/courses", "/api/v1/users/{id}/courses"),
        ("/api/v1/users/sis_user_id:anna.moore", "/api/v1/users/{id}"),
        ("/api/v1/courses/1/pages/notes", "/api/v1/courses/{id}/pages/{id}"),
        ("/webservice/rest/server.php", "/webservice/rest/server.php"),
        ("/ims/oneroster/v1p1/classes/4f-2/students", "/ims/{id}/v1p1/classes/{id}/students"),
        (f"/token/{TOKEN}", "/token/{id}"),
        ("/Anna%20Moore/files", "/{id}/files"),
        ("/" + "a" * 33, "/{id}"),
        ("/", "/"),
    ],
)
def test_paths_keep_words_and_lose_names(path, template):
    """Of a path only words that name resources stay: no id, no name, no key."""
    assert template_of(path) == template
