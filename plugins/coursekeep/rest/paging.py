"""How an LMS cuts its lists into pages: where each answer says what comes next, or how the next is counted.

None of them ends a list because a page is short: LMSs clamp page sizes, and leave out what may not be seen only after
paging. Where an answer does not say what comes next, a list ends with an empty page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from typing import Any, Protocol

import httpx

from coursekeep.dialect import next_link
from coursekeep.errors import MalformedAnswer
from coursekeep.rest.places import ABSENT, Place, look, named

__all__ = ["Cursor", "LinkHeader", "NextUrl", "OffsetLimit", "OnePage", "PageNumber", "Paging"]


class Paging(Protocol):
    """A way to page. Implementations are values."""

    def first(self) -> Mapping[str, str]:
        """Return the parameters of the first request."""

    def following(self, response: httpx.Response, body: Any, items: Sequence[Any]) -> str | None:
        """Return the address of the next page; None at the end. Raises `MalformedAnswer`."""


@dataclass(frozen=True, kw_only=True)
class LinkHeader:
    """``rel="next"`` in the Link header (RFC 8288)."""

    #: parameter for the page size and its value: `("per_page", 100)`
    size: tuple[str, int] | None = None

    def first(self) -> Mapping[str, str]:
        return _size(self.size)

    def following(self, response: httpx.Response, body: Any, items: Sequence[Any]) -> str | None:
        return next_link(response)


@dataclass(frozen=True)
class NextUrl:
    """The address of the next page stands in the body, absolute or relative; null, empty or left out at the end."""

    at: Place
    _: KW_ONLY
    size: tuple[str, int] | None = None

    def first(self) -> Mapping[str, str]:
        return _size(self.size)

    def following(self, response: httpx.Response, body: Any, items: Sequence[Any]) -> str | None:
        found = look(body, self.at)
        if isinstance(found, str):
            return found
        if found in (None, False, ABSENT):
            return None
        raise MalformedAnswer(f"{named(self.at)!r} of the answer is no address of a next page")


@dataclass(frozen=True, kw_only=True)
class PageNumber:
    """Pages are counted."""

    parameter: str = "page"
    start: int = 1
    size: tuple[str, int] | None = None
    #: where the answer says which page is the last; without it a list ends with an empty page
    last: Place | None = None

    def first(self) -> Mapping[str, str]:
        return {self.parameter: str(self.start), **_size(self.size)}

    def following(self, response: httpx.Response, body: Any, items: Sequence[Any]) -> str | None:
        number = int(response.request.url.params.get(self.parameter, self.start))
        if self.last is None:
            return _with(response, {self.parameter: number + 1}) if items else None
        last = look(body, self.last)
        if isinstance(last, bool) or not isinstance(last, int):
            raise MalformedAnswer(f"the answer does not say as {named(self.last)!r} which page is the last")
        return _with(response, {self.parameter: number + 1}) if number < last else None


@dataclass(frozen=True, kw_only=True)
class OffsetLimit:
    """Objects are counted. A list ends with an empty page."""

    parameter: str = "offset"
    size: tuple[str, int] | None = ("limit", 100)

    def first(self) -> Mapping[str, str]:
        return {self.parameter: "0", **_size(self.size)}

    def following(self, response: httpx.Response, body: Any, items: Sequence[Any]) -> str | None:
        # By what came, not by what was asked for: the LMS may give fewer.
        offset = int(response.request.url.params.get(self.parameter, 0)) + len(items)
        return _with(response, {self.parameter: offset}) if items else None


@dataclass(frozen=True)
class Cursor:
    """The answer holds a word to ask for the next page with; null, empty or left out at the end."""

    at: Place
    _: KW_ONLY
    parameter: str = "cursor"
    size: tuple[str, int] | None = None

    def first(self) -> Mapping[str, str]:
        return _size(self.size)

    def following(self, response: httpx.Response, body: Any, items: Sequence[Any]) -> str | None:
        found = look(body, self.at)
        if isinstance(found, str | int) and not isinstance(found, bool) and found != "":
            return _with(response, {self.parameter: found})
        if found in (None, False, "", ABSENT):
            return None
        raise MalformedAnswer(f"{named(self.at)!r} of the answer is no cursor")


@dataclass(frozen=True)
class OnePage:
    """Every list comes in one answer."""

    def first(self) -> Mapping[str, str]:
        return {}

    def following(self, response: httpx.Response, body: Any, items: Sequence[Any]) -> str | None:
        return None


def _size(size: tuple[str, int] | None) -> dict[str, str]:
    return {} if size is None else {size[0]: str(size[1])}


def _with(response: httpx.Response, params: Mapping[str, Any]) -> str:
    return str(response.request.url.copy_merge_params(dict(params)))
