"""What the areas of a course's export share: calls, what was seen so far, counting, and guards.

An area is an asynchronous generator of parts. It calls functions through `Reading.call`, hands out Moodle's answers
with `Reading.raw`, maps items with `Reading.mapped`, and is run under `Reading.guarded`, which turns what Moodle
denies, lacks or garbles into gaps. Memory holds ids, never contents.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import aclosing
from typing import Any

from coursekeep import (
    ConnectorError,
    Course,
    Gap,
    GapReason,
    Kind,
    MalformedAnswer,
    NoAccess,
    NotFound,
    Part,
    Record,
    Unavailable,
)
from coursekeep.tally import Parts, Tally, reason_of
from coursekeep_connectors.moodle.calls import Calls
from coursekeep_connectors.moodle.files import addresses_in, file_of, id_of_address
from coursekeep_connectors.moodle.settings import MoodleSettings
from coursekeep_connectors.moodle.values import Json, objects, person, text

__all__ = ["Mapper", "Parts", "Reading", "reason_of"]

Mapper = Callable[[Json], Record]
#: warnings by which Moodle says that somebody may not see something
_REFUSALS = frozenset({"1", "2", "nopermissions", "cannotaccess", "notviewable"})
#: kinds whose records name files
_WITH_FILES = frozenset(
    {
        Kind.ACTIVITIES, Kind.ASSIGNMENTS, Kind.DISCUSSIONS, Kind.PAGES, Kind.POSTS, Kind.QUIZ_ATTEMPTS, Kind.QUIZZES,
        Kind.RESPONSES, Kind.SUBMISSIONS,
    }
)  # fmt: skip


class Reading(Tally):
    """One export of one course in progress."""

    def __init__(self, calls: Calls, course: Course, settings: MoodleSettings) -> None:
        super().__init__()
        self.calls = calls
        self.course = course
        self.settings = settings
        #: at most this many requests of one course at once
        self.width = min(4, settings.max_concurrency)
        self.people: set[str] = set()
        self.enrolled: set[str] = set()
        self.students: set[str] = set()
        self.files: set[str] = set()
        #: people met in other places than the list of the enrolled, with what was said about them there
        self.referred: dict[str, Json] = {}

    # -- counting

    def refer(self, person_id: object, name: object = None) -> str | None:
        """Note that a person has to do with the course, and return the id; the first that says a name is kept."""
        found = person(person_id)
        if found is None or found in self.people:
            return found
        known = self.referred.setdefault(found, {})
        if isinstance(name, str) and name and not known.get("fullname"):
            known["fullname"] = name
        return found

    # -- reading

    async def call(self, function: str, arguments: Mapping[str, Any] | None = None) -> Json:
        """Call a function that answers with an object."""
        body = await self.calls.call(function, arguments)
        if not isinstance(body, dict):
            raise MalformedAnswer("an object was expected", where=function)
        return body

    async def listing(
        self, function: str, arguments: Mapping[str, Any] | None = None, *, key: str | None = None
    ) -> tuple[Json, list[Json]]:
        """Call a function that answers with a list, bare or under `key`; return the whole answer and the items."""
        body = await self.calls.call(function, arguments)
        try:
            if key is None:
                return {}, objects(body)
            if not isinstance(body, dict) or key not in body:
                raise MalformedAnswer(f"the answer has no {key!r}", where=function)
            return body, objects(body[key])
        except TypeError as error:
            raise MalformedAnswer(str(error), where=function) from error

    def warned(self, body: Mapping[str, Any], kind: Kind, *, usual: frozenset[str] = frozenset()) -> Iterator[Part]:
        """Yield a gap for every warning: Moodle warns where it leaves something out. `usual` ones mean nothing."""
        for warning in objects(body.get("warnings")):
            code = str(warning.get("warningcode"))
            if code in usual:
                continue
            reason = GapReason.NO_ACCESS if code in _REFUSALS else GapReason.UNEXPLAINED
            of = f"{warning.get('item')}-{warning.get('itemid')}"
            detail = f"Moodle warns that it left something out: {code}: {str(warning.get('message'))[:200]}"
            yield Gap(kind=kind, reason=reason, id=of, detail=detail, count=None)

    # -- mapping

    def mapped(
        self, kind: Kind, item: Json, mapper: Mapper, *, of: str | None = None, basis: str = "listed"
    ) -> Iterator[Part]:
        """Map one object to its record, or to a gap where it makes no sense; counts it as expected.

        Files that the record's texts point to are handed out with it.
        """
        part = self.record_or_gap(kind, item, mapper, of=of, basis=basis)
        yield part
        if isinstance(part, Record):
            yield from self._linked(kind, part.data)

    # -- files

    def file(self, item: Json, *, group: str, owner: str | None = None) -> Iterator[Part]:
        """Yield a file the first time it is met, and count it; one without sense is a gap."""
        try:
            file = file_of(item, self.calls, group=group, owner=owner)
        except (TypeError, ValueError) as error:
            self.expect(Kind.FILES, 1, "listed")
            name = item.get("filename")
            detail = f"a file without sense: {error}"
            yield Gap(
                kind=Kind.FILES, reason=GapReason.MALFORMED, id=name if isinstance(name, str) else None, detail=detail
            )
            return
        if file.id not in self.files:
            self.files.add(file.id)
            self.refer(file.person_id)
            self.expect(Kind.FILES, 1, "listed")
            yield file

    def attached(self, value: object, *, group: str, owner: str | None = None) -> Iterator[Part]:
        """Yield the files of a list."""
        for item in objects(value):
            yield from self.file(item, group=group, owner=owner)

    def ids_of(self, value: object) -> list[str]:
        """Return the ids of the files of a list."""
        found = (id_of_address(text(item.get("fileurl")) or text(item.get("url")) or "") for item in objects(value))
        return [file_id for file_id in found if file_id]

    def _linked(self, kind: Kind, value: Any) -> Iterator[Part]:
        """Yield the files that texts point to and no list has told of: not every text has such a list."""
        for address in addresses_in(value, self.calls):
            file_id = id_of_address(address)
            if file_id and file_id not in self.files:
                self.files.add(file_id)
                self.expect(Kind.FILES, 1, "linked in texts")
                yield file_of({"fileurl": address}, self.calls, group=str(kind))

    # -- guards

    async def guarded(self, parts: Parts, *kinds: Kind, of: str | None = None, count: int | None = None) -> Parts:
        """Yield the parts; what Moodle denies, lacks or garbles becomes one gap per kind, and the rest goes on.

        With `of` the guard is for one object, else for a list of the course's. Credentials and outages are not caught.
        """
        try:
            async with aclosing(parts) as stream:
                async for part in stream:
                    yield part
        except (Unavailable, NoAccess, NotFound, MalformedAnswer) as error:
            if isinstance(error, NotFound) and of is None:
                await self.confirm()
            for kind in kinds:
                yield Gap(kind=kind, reason=reason_of(error), id=of, detail=str(error), count=count)
            if _WITH_FILES.intersection(kinds) and Kind.FILES not in kinds:
                yield self.files_unknown(error, of)

    def files_unknown(self, error: ConnectorError, of: str | None = None) -> Gap:
        """Say that there may be files of what could not be read."""
        detail = f"which files belong to what could not be read is not known: {error}"
        return Gap(kind=Kind.FILES, reason=reason_of(error), id=of, detail=detail, count=None)

    async def confirm(self) -> None:
        """Make sure that the course is still there; raises `NotFound` where it vanished during the export."""
        options = [{"name": "excludemodules", "value": "1"}]
        try:
            await self.calls.call("core_course_get_contents", {"courseid": self.course.id, "options": options})
        except NotFound as error:
            raise NotFound("the course vanished while it was being read", where=error.where) from error
        except (NoAccess, MalformedAnswer, Unavailable):
            return
