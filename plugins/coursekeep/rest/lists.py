"""Lists and single objects of an LMS, page by page, as a connector declares them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

from coursekeep.errors import ConnectorError, MalformedAnswer, NoAccess, NotFound, Unavailable
from coursekeep.http import LmsClient, Page
from coursekeep.records import Course, GapReason
from coursekeep.rest.fields import as_text
from coursekeep.rest.paging import Paging
from coursekeep.rest.places import fill, fill_params, look, named, steps
from coursekeep.rest.streams import SWITCHED_OFF, Endpoint, Meaning

__all__ = ["Lists", "meaning_of", "reason_of"]

_REASONS: tuple[tuple[type[ConnectorError], GapReason], ...] = (
    (Unavailable, GapReason.NOT_OFFERED),
    (NoAccess, GapReason.NO_ACCESS),
    (NotFound, GapReason.NOT_FOUND),
    (MalformedAnswer, GapReason.MALFORMED),
)


class Lists:
    """Asks for what endpoints declare."""

    def __init__(self, client: LmsClient, paging: Paging, settings: Mapping[str, str]) -> None:
        """Take the client, the usual paging, and the settings by their names in templates."""
        self._client = client
        self._paging = paging
        self._settings = settings

    async def pages(
        self,
        endpoint: Endpoint,
        course: Course,
        parent_id: str | None = None,
        parent: Mapping[tuple[str, ...], Any] | None = None,
    ) -> AsyncGenerator[Page]:
        """Yield the pages of an endpoint; a single object is one page with one item. Raises as `LmsClient.pages`."""
        values = self._values(endpoint, course, parent_id, parent or {})
        path = fill(endpoint.path, values)
        params = fill_params(endpoint.params, values)
        if endpoint.single:
            yield await self._single(endpoint, path, params)
            return
        paging = endpoint.paging or self._paging
        key = None if endpoint.key is None else steps(endpoint.key)
        pages = self._client.pages(path, {**paging.first(), **params}, key=key, following=paging.following)
        async with aclosing(pages) as stream:
            async for page in stream:
                yield page

    async def _single(self, endpoint: Endpoint, path: str, params: Mapping[str, list[str]]) -> Page:
        answer = await self._client.get(path, params)
        found = answer.body if endpoint.key is None else look(answer.body, endpoint.key)
        if not isinstance(found, Mapping):
            where = "" if endpoint.key is None else f" as {named(endpoint.key)!r}"
            raise MalformedAnswer(f"the answer holds no object{where}", where=answer.where)
        return Page(number=1, items=[found], body=answer.body, headers=answer.headers)

    def _values(
        self, endpoint: Endpoint, course: Course, parent_id: str | None, parent: Mapping[tuple[str, ...], Any]
    ) -> dict[str, str]:
        values: dict[str, str] = {}
        for name in endpoint.placeholders():
            about, _, column = name.partition(".")
            if name == "course_id":
                value: Any = course.id
            elif name == "parent_id":
                value = parent_id
            elif about == "course":
                value = getattr(course, column)
            elif about == "parent":
                value = parent.get(tuple(column.split(".")))
            else:
                value = self._settings[name]
            text = as_text(value)
            if not isinstance(text, str):
                raise MalformedAnswer(f"{endpoint.name} cannot be asked for: the LMS gives no {{{name}}}")
            values[name] = text
        return values


def reason_of(error: ConnectorError) -> GapReason:
    """Return what an error means for the part that it happened in."""
    return next((reason for kind, reason in _REASONS if isinstance(error, kind)), GapReason.MALFORMED)


def meaning_of(endpoint: Endpoint, error: ConnectorError) -> Meaning:
    """Return what a refusal means for a list of which nothing has been read."""
    declared = None if error.status is None else endpoint.means.get(error.status)
    if declared is not None:
        return declared
    return SWITCHED_OFF if isinstance(error, Unavailable) else reason_of(error)
