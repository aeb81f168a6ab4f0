"""What an operator is told about an integration: address, credentials, and each list that can or cannot be read."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from coursekeep.errors import (
    ConnectorError,
    CredentialsNeeded,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
)
from coursekeep.http import LmsClient
from coursekeep.records import CheckStep, Course, CourseQuery
from coursekeep.rest.catalogue import Catalogue
from coursekeep.rest.fields import Doubt, From
from coursekeep.rest.lists import Lists, meaning_of
from coursekeep.rest.mapping import Mapper
from coursekeep.rest.places import look
from coursekeep.rest.streams import SWITCHED_OFF, Endpoint

__all__ = ["Check"]

Steps = AsyncGenerator[CheckStep]
#: of a sample object: its id, and the places that streams below it need
Sample = tuple[str, Mapping[tuple[str, ...], Any]]

#: courses that are tried until one can be read
_TRIED = 10
#: courses that are looked at for one that has ended
_LISTED = 500


class Check:
    """One check of an integration, made from what its connector declares. Its steps raise nothing."""

    def __init__(
        self,
        client: LmsClient,
        *,
        probe: str | None,
        catalogue: Catalogue,
        lists: Lists,
        streams: Sequence[Endpoint],
        mappers: Mapping[str, Mapper],
    ) -> None:
        self._client = client
        self._probe = probe
        self._catalogue = catalogue
        self._lists = lists
        self._streams = streams
        self._mappers = mappers
        self._samples: dict[str, Sample] = {}

    async def steps(self) -> Steps:
        """Yield the steps; those that make no sense after a failed one are left out."""
        if self._probe is not None:
            try:
                answer = await self._client.get(self._probe)
                if not isinstance(answer.body, Mapping | list):
                    raise MalformedAnswer("the answer is neither an object nor a list", where=answer.where)
            except ConnectorError as error:
                yield _failed("address and credentials", error)
                return
            yield CheckStep(name="address and credentials", ok=True)
        try:
            terms = [term.name async for term in self._catalogue.terms()]
        except ConnectorError as error:
            yield _failed("terms", error)
            return
        if self._catalogue.has_terms:
            yield CheckStep(name="terms", ok=True, detail=f"{len(terms)} terms")
        try:
            course = await self._sample_course()
        except ConnectorError as error:
            yield _failed("courses", error)
            return
        if course is None:
            detail = "the account sees no course that it may read, so that nothing of a course could be tried"
            remedy = "Give the account the right to read all courses that are to be archived."
            yield CheckStep(name="courses", ok=False, detail=detail, remedy=remedy)
            return
        yield CheckStep(name="courses", ok=True, detail=f"tried with course {course.id}")
        for stream in self._streams:
            step = await self._step(stream, course)
            yield step
            if not step.ok and step.remedy in (_REMEDIES[CredentialsNeeded], _REMEDIES[RetryLater]):
                return

    async def _sample_course(self) -> Course | None:
        """Return a course that can be read, one that has ended if there is any; None where there is none."""
        spare: Course | None = None
        tried = listed = 0
        async with aclosing(self._catalogue.courses(CourseQuery())) as courses:
            async for course in courses:
                listed += 1
                if tried >= _TRIED or listed > _LISTED:
                    break
                if spare is not None and not course.ended:
                    continue
                tried += 1
                try:
                    await self._catalogue.one(course.id)
                except (NoAccess, NotFound, MalformedAnswer):
                    continue
                if course.ended:
                    return course
                spare = course
        return spare

    async def _step(self, stream: Endpoint, course: Course) -> CheckStep:
        """Ask for the first page of a stream."""
        if stream.parent is not None and stream.parent not in self._samples:
            detail = f"not tried: course {course.id} has no {stream.parent} to try it with"
            return CheckStep(name=stream.name, ok=True, detail=detail)
        if stream.inside is not None:
            return CheckStep(name=stream.name, ok=True, detail=f"part of {stream.parent}")
        parent_id, places = self._samples.get(stream.parent or "", (None, {}))
        try:
            async with aclosing(self._lists.pages(stream, course, parent_id, places)) as pages:
                async for page in pages:
                    self._keep_sample(stream, page.items)
                    break
        except ConnectorError as error:
            meaning = meaning_of(stream, error)
            if not isinstance(error, RetryLater | CredentialsNeeded):
                if meaning is SWITCHED_OFF:
                    return CheckStep(name=stream.name, ok=True, detail=f"switched off in course {course.id}")
                if error.status in stream.means:
                    detail = f"every course has a gap here ({meaning}): {error}"
                    return CheckStep(name=stream.name, ok=True, detail=detail)
            return _below(stream, parent_id, error) or _failed(stream.name, error)
        return CheckStep(name=stream.name, ok=True)

    def _keep_sample(self, stream: Endpoint, items: Sequence[Any]) -> None:
        wanted = {place for each in self._streams if each.parent == stream.name for place in each.wanted_of_parent()}
        for item in items:
            try:
                if isinstance(item, Mapping):
                    id_ = self._mappers[stream.name].id_of(From(item=item, parent={}))
                    self._samples[stream.name] = (id_, {place: look(item, place) for place in wanted})
                    return
            except Doubt:
                continue


_REMEDIES: dict[type[ConnectorError], str] = {
    CredentialsNeeded: "Make new credentials in the LMS, and put them into the settings.",
    NoAccess: "Give the account of the credentials the right to read this.",
    NotFound: "Check base_url: this path is not there. The LMS may be older or newer than the connector expects.",
    RetryLater: "Check base_url, the network and the certificate; if they are right, try again later.",
}
_ODD = "Check base_url: the answer must come from the API of the LMS itself, not from a page for people."


def _below(stream: Endpoint, parent_id: str | None, error: ConnectorError) -> CheckStep | None:
    """Say of a list below a parent that is not there what it was asked for with; None where that is not so."""
    if parent_id is None or not isinstance(error, NotFound):
        return None
    remedy = (
        f"Check `path` of the stream {stream.name!r}: {{parent_id}} was {parent_id!r}, the id of the record that "
        f"{stream.parent} gives. Where the LMS asks for another value of that object, write {{parent.PLACE}}."
    )
    return CheckStep(name=stream.name, ok=False, detail=str(error), remedy=remedy)


def _failed(name: str, error: ConnectorError) -> CheckStep:
    remedy = next((text for kind, text in _REMEDIES.items() if isinstance(error, kind)), _ODD)
    return CheckStep(name=name, ok=False, detail=str(error), remedy=remedy)
