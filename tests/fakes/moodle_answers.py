"""A stand-in for Moodle: answers by function, for tests of one trap at a time. The campus is the real judge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar
from urllib.parse import parse_qsl

import httpx

from coursekeep import NO_RETRY, Course, Part, RetryPolicy
from coursekeep_connectors.moodle import MoodleConnector, MoodleSettings
from coursekeep_connectors.moodle.needs import NEEDS
from coursekeep_connectors.moodle.reading import Reading

BASE = "https://moodle.test"
TOKEN = "0123456789abcdef0123456789abcdef"  # made up
COURSE = Course(id="7", name="Botany")
INFO = "core_webservice_get_site_info"

T = TypeVar("T")


class MoodleAnswers:
    """Answers functions by name; the service has those that are prepared, and the usual ones."""

    def __init__(self, *without: str) -> None:
        self.answers: dict[str, list[Any]] = {}
        self.files: dict[str, httpx.Response] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.requests: list[httpx.Request] = []
        self.without = set(without)
        self.info: Any = None

    def on(self, function: str, *answers: Any) -> MoodleAnswers:
        """Answer a function with each answer in turn, the last one for ever: JSON, a Response, or a function of it."""
        self.answers[function] = list(answers)
        return self

    def describe(self) -> dict[str, Any]:
        """Describe the site, as its own function does."""
        names = {name for need in NEEDS for name in need.functions} | set(self.answers) - {INFO}
        functions = [{"name": name, "version": "1"} for name in sorted((names | {INFO}) - self.without)]
        return {
            "sitename": "Test",
            "siteurl": BASE,
            "userid": 2,
            "release": "4.5",
            "version": "2024100706",
            "functions": functions,
            "downloadfiles": 1,
        }

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if "pluginfile.php" in request.url.path:
            return self.files.get(request.url.path, httpx.Response(404, json=refused("filenotfound")))
        form = dict(parse_qsl(request.content.decode()))
        function = form["wsfunction"]
        self.asked.append((function, form))
        if function == INFO and function not in self.answers:
            return httpx.Response(200, json=self.describe())
        answers = self.answers.get(function)
        if answers is None:
            return httpx.Response(200, json=error("invalidrecord"))
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if callable(answer):
            answer = answer(form)
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, content=answer.content)
        return httpx.Response(200, json=answer)

    def functions(self) -> list[str]:
        """Return what was asked for, without the site's own description."""
        return [function for function, _ in self.asked if function != INFO]

    def connector(self, *, retry: RetryPolicy = NO_RETRY, **settings: Any) -> MoodleConnector:
        """Make a connector that speaks to this stand-in."""
        made = MoodleSettings(base_url=settings.pop("base_url", BASE), token=TOKEN, **settings)
        return MoodleConnector(made, transport=httpx.MockTransport(self), retry=retry)

    def reading(self, **settings: Any) -> Reading:
        """Begin reading course 7."""
        connector = self.connector(**settings)
        return Reading(connector.calls, COURSE, connector.settings)


def error(
    code: str, message: str = "something", exception: str = "core\\exception\\moodle_exception"
) -> dict[str, Any]:
    """Return an error as functions tell it, with status 200."""
    return {"exception": exception, "errorcode": code, "message": message}


def refused(code: str) -> dict[str, Any]:
    """Return an error as downloads tell it, with status 200."""
    return {"error": "No", "errorcode": code, "stacktrace": None, "debuginfo": None, "reproductionlink": None}


def run(main: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(main)


def parts_of(stream: AsyncIterator[Part]) -> list[Part]:
    """Read a stream of parts to its end."""

    async def collect() -> list[Part]:
        return [part async for part in stream]

    return asyncio.run(collect())
