"""A stand-in for Canvas: answers by path, for tests of one trap at a time. The campus is the real judge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, TypeVar

import httpx

from coursekeep import NO_RETRY, Course, Part, RetryPolicy
from coursekeep_connectors.canvas import CanvasConnector, CanvasSettings
from coursekeep_connectors.canvas.reading import Reading

BASE = "https://canvas.test"
COURSE = Course(id="7", name="Botany")

T = TypeVar("T")


class CanvasAnswers:
    """Answers requests by path; what was not prepared does not exist."""

    def __init__(self) -> None:
        self.routes: dict[str, list[Any]] = {}
        self.asked: list[httpx.Request] = []

    def on(self, path: str, *answers: Any) -> CanvasAnswers:
        """Answer a path with each answer in turn, the last one for ever: JSON, a Response, or a function of both."""
        self.routes[path] = list(answers)
        return self

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        answers = self.routes.get(request.url.path)
        if answers is None:
            return missing()
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer = answer(request)
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, json=answer)

    def paths(self) -> list[str]:
        """Return what was asked for."""
        return [request.url.path for request in self.asked]

    def connector(self, *, retry: RetryPolicy = NO_RETRY, **settings: Any) -> CanvasConnector:
        """Make a connector that speaks to this stand-in."""
        values = {"native_export": False, "export_poll": 0.001, "view_timeout": 5.0, **settings}
        made = CanvasSettings(base_url=BASE, token="secret-token", **values)
        return CanvasConnector(made, transport=httpx.MockTransport(self), retry=retry)

    def reading(self, **settings: Any) -> Reading:
        """Begin reading course 7."""
        connector = self.connector(**settings)
        return Reading(connector.client, COURSE, connector.settings, NO_RETRY)


def missing() -> httpx.Response:
    return httpx.Response(404, json={"errors": [{"message": "The specified resource does not exist."}]})


def disabled() -> httpx.Response:
    return httpx.Response(404, json={"message": "That page has been disabled for this course"})


def forbidden() -> httpx.Response:
    body = {"status": "unauthorized", "errors": [{"message": "user not authorized to perform that action"}]}
    return httpx.Response(403, json=body)


def paged(*pages: list[Any], key: str | None = None) -> Callable[[httpx.Request], httpx.Response]:
    """Answer a list in pages, linked by opaque bookmarks."""

    def answer(request: httpx.Request) -> httpx.Response:
        number = int(request.url.params.get("page", "bookmark:0").removeprefix("bookmark:"))
        headers = {}
        if number + 1 < len(pages):
            following = request.url.copy_set_param("page", f"bookmark:{number + 1}")
            headers["link"] = f'<{following}>; rel="next"'
        body = pages[number] if key is None else {key: pages[number]}
        return httpx.Response(200, json=body, headers=headers)

    return answer


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


def parts_of(stream: AsyncIterator[Part]) -> list[Part]:
    """Read a stream of parts to its end."""

    async def collect() -> list[Part]:
        return [part async for part in stream]

    return asyncio.run(collect())
