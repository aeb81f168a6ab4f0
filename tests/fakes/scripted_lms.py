"""A connector whose LMS is a script in memory: for tests of what the framework does with what a connector says."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from coursekeep import (
    CheckStep,
    Connector,
    ConnectorSettings,
    Course,
    CourseQuery,
    CourseSource,
    Download,
    FileAuth,
    Kind,
    Part,
    Record,
    RemoteFile,
    Selection,
    SourceContext,
    SourceParams,
    Term,
)

__all__ = ["Reply", "Script", "ScriptedConnector", "ScriptedSource", "course", "person"]


def course(course_id: str = "7", **more: Any) -> Course:
    """Make a course."""
    return Course(id=course_id, name=f"Course {course_id}", code=f"C-{course_id}", **more)


def person(person_id: str = "1", **fields: Any) -> Record:
    """Make a record of a person."""
    return Record(kind=Kind.PEOPLE, id=person_id, data={"name": f"Person {person_id}"} | fields)


class Reply:
    """What a download answers: chunks, and perhaps an error behind them or instead of them."""

    def __init__(
        self,
        *chunks: bytes,
        error: Exception | None = None,
        refuse: Exception | None = None,
        content_type: str | None = None,
        size: int | None = None,
    ) -> None:
        self.chunks = chunks
        self.error = error
        self.refuse = refuse
        self.content_type = content_type
        self.size = size


class Script:
    """What the LMS has and does. Tests change it as they go."""

    def __init__(self) -> None:
        self.courses: dict[str, Course | Exception | None] = {}
        #: parts of an export; an exception among them is raised when it is reached, a function is called
        self.parts: list[Part | Exception | Callable[[], Any]] = []
        #: replies to downloads by address, one after the other; the last stays
        self.files: dict[str, list[Reply]] = {}
        self.fresh: dict[str, RemoteFile] = {}
        self.terms: list[Term | Exception] = []
        self.asked: list[str] = []


class _Client:
    def __init__(self, script: Script) -> None:
        self._script = script

    async def __aenter__(self) -> _Client:
        return self

    async def __aexit__(self, *exc: object) -> None:
        return None

    @asynccontextmanager
    async def download(self, url: str, *, auth: FileAuth = FileAuth.TOKEN) -> AsyncIterator[Download]:
        self._script.asked.append(url)
        replies = self._script.files[url]
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        if reply.refuse is not None:
            raise reply.refuse

        async def chunks() -> AsyncIterator[bytes]:
            for chunk in reply.chunks:
                yield chunk
            if reply.error is not None:
                raise reply.error

        yield Download(chunks=chunks(), size=reply.size, content_type=reply.content_type, host="lms.example.edu")


class ScriptedConnector(Connector[ConnectorSettings]):
    """Does what its script says."""

    name: ClassVar[str] = "scripted"
    title: ClassVar[str] = "Scripted"

    def __init__(self, script: Script, base_url: str = "https://lms.example.edu") -> None:
        self.script = script
        super().__init__(ConnectorSettings(base_url=base_url, token="t"))  # type: ignore[arg-type]

    def make_client(self, **_: Any) -> Any:
        return _Client(self.script)

    async def check(self) -> AsyncIterator[CheckStep]:
        yield CheckStep(name="address", ok=True)

    async def terms(self) -> AsyncIterator[Term]:
        self.script.asked.append("terms")
        for term in self.script.terms:
            if isinstance(term, Exception):
                raise term
            yield term

    async def courses(self, query: CourseQuery) -> AsyncIterator[Course]:
        for one in self.script.courses.values():
            if isinstance(one, Course):
                yield one

    async def course(self, course_id: str) -> Course | None:
        self.script.asked.append(f"course {course_id}")
        found = self.script.courses.get(course_id)
        if isinstance(found, Exception):
            raise found
        return found

    async def export(self, course: Course) -> AsyncIterator[Part]:
        self.script.asked.append(f"export {course.id}")
        for part in self.script.parts:
            if isinstance(part, Exception):
                raise part
            if callable(part):
                await part()
            else:
                yield part

    async def refresh_file(self, file: RemoteFile) -> RemoteFile | None:
        return self.script.fresh.get(file.url)


class ScriptedParams(SourceParams):
    """No parameters but one, so that there is something to misspell."""

    refs: tuple[str, ...] = ()


class ScriptedSource(CourseSource[ScriptedParams]):
    """Yields the selections it is given, and raises the exceptions among them."""

    name: ClassVar[str] = "scripted"
    title: ClassVar[str] = "Scripted"
    Params: ClassVar[type[SourceParams]] = ScriptedParams
    selections: ClassVar[Sequence[Selection | Exception]] = ()
    contexts: ClassVar[list[SourceContext]]

    async def select(
        self, connector: Connector[Any], params: ScriptedParams, context: SourceContext
    ) -> AsyncIterator[Selection]:
        self.contexts.append(context)
        for selection in self.selections:
            if isinstance(selection, Exception):
                raise selection
            if selection.ref not in context.done:
                yield selection
