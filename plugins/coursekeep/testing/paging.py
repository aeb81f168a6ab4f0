"""Every list is read to its last page."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError, MalformedAnswer, RetryLater
from coursekeep.http import next_link
from coursekeep.testing.export import Export, Known, collect
from coursekeep.testing.gaps import hold_told
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import course_of, export_of, run, wired
from coursekeep.testing.wire import Answerer, Asked, Fault, Trick, at, body_of

__all__ = ["PagingPromises"]

#: what lists in JSON call the address of their next page, and what an address begins with
_NEXT = frozenset({"next", "next_page", "nextpage", "next_url", "nexturl", "nextlink", "next_link", "@odata.nextlink"})
_ADDRESS = re.compile(r"https?://|[/?]")
#: further pages at which faults are tried
_MOST = 4


class PagingPromises:
    """What holds of lists."""

    @promise(Area.PAGING, Grade.REQUIRED)
    def test_every_page_is_asked_for(self, connector: Connector[Any], known: Known) -> None:
        """Every next page that the LMS names is asked for."""
        _, pages = _watched(connector, known)
        if not pages.named:
            not_applicable("no answer about the known course names a next page")
        unread = [str(url.copy_with(query=None)) for url in pages.named if str(url) not in pages.asked]
        assert not unread, f"next pages that were named and never asked for: {unread}"

    @promise(Area.PAGING, Grade.REQUIRED)
    def test_counts_are_right(self, connector: Connector[Any], known: Known) -> None:
        """As much is captured of each kind as the LMS itself is known to hold."""
        if not known.counts:
            not_applicable("`Known.counts` says of nothing how much there is")
        export = export_of(connector, known)
        found = {kind: export.captured(kind) for kind in known.counts}
        assert found == dict(known.counts), f"captured {found}, where the LMS holds {dict(known.counts)}"

    @promise(Area.PAGING, Grade.REQUIRED)
    @pytest.mark.parametrize("fault", [Fault.ERROR, Fault.TRUNCATED, Fault.FORBIDDEN])
    def test_lost_page_is_told(self, connector: Connector[Any], known: Known, fault: Fault) -> None:
        """A further page that cannot be read is an error or a gap: the list never ends with the page before."""
        whole, further = _further(connector, known)
        for place in further[:_MOST]:
            try:
                damaged = export_of(connector, known, at(place.identity, fault))
            except ConnectorError:
                continue
            hold_told(connector, whole, damaged, f"{place.label}, a further page: {fault}")

    @promise(Area.PAGING, Grade.EXEMPLARY)
    def test_pages_in_a_circle_end(self, connector: Connector[Any], known: Known) -> None:
        """A list whose next page is the first again ends, as an error or a gap."""
        whole, further = _further(connector, known)
        for place in further[:_MOST]:
            circle = _Circle(connector, place)
            try:
                damaged = export_of(connector, known, circle.trick)
            except (MalformedAnswer, RetryLater):
                continue
            hold_told(connector, whole, damaged, f"{place.label}: its pages lead in a circle")


@dataclass(kw_only=True, slots=True)
class _Pages:
    """The pages of one export."""

    #: addresses of next pages, as the LMS named them
    named: list[httpx.URL] = field(default_factory=list)
    asked: dict[str, Asked] = field(default_factory=dict)


def _watched(connector: Connector[Any], known: Known) -> tuple[Export, _Pages]:
    pages = _Pages()

    async def watch(asked: Asked, ask: Answerer) -> httpx.Response | None:
        pages.asked[str(asked.url)] = asked
        answer, following = await _with_next(connector, asked, ask)
        if following is not None:
            pages.named.append(following)
        return answer

    watching, wire = wired(connector, watch)

    async def main() -> Export:
        course = await course_of(watching, known)
        wire.begin()
        return await collect(watching, course)

    return run(watching, main), pages


def _further(connector: Connector[Any], known: Known) -> tuple[Export, list[Asked]]:
    whole, pages = _watched(connector, known)
    further = [pages.asked[str(url)] for url in pages.named if str(url) in pages.asked]
    if not further:
        not_applicable("no answer about the known course names a next page")
    return whole, further


async def _with_next(connector: Connector[Any], asked: Asked, ask: Answerer) -> tuple[httpx.Response, httpx.URL | None]:
    """Return the answer, read, and where its next page lies by the dialect, the Link header or the body."""
    answer = await ask()
    body = await body_of(answer)
    request = httpx.Request(asked.method, asked.url)
    read = httpx.Response(answer.status_code, headers=answer.headers.raw, stream=_Read(body), request=request)
    plain = httpx.Response(200, headers={"link": answer.headers.get("link", "")}, request=request)
    if answer.status_code != 200:
        return read, None
    try:
        parsed = json.loads(body.decode("utf-8-sig"))
        link = connector.client.dialect.next_page(_plain_of(answer, body, request), parsed)
        link = link or next_link(plain) or _named_in(parsed)
    except ValueError:
        return read, None
    return read, asked.url.join(link) if link else None


def _named_in(body: Any) -> str | None:
    """Return the address of a next page that stands beside a list, under one of the usual names."""
    if not isinstance(body, dict) or not any(isinstance(value, list) for value in body.values()):
        return None
    for place in (body, *(value for value in body.values() if isinstance(value, dict))):
        for name, value in place.items():
            found = value.get("href") if isinstance(value, dict) else value
            if name.lower() in _NEXT and isinstance(found, str) and _ADDRESS.match(found):
                return found
    return None


def _plain_of(answer: httpx.Response, body: bytes, request: httpx.Request) -> httpx.Response:
    """Return an answer as dialects see it: with its body read."""
    headers = [(name, value) for name, value in answer.headers.raw if not name.lower().startswith(b"content-")]
    return httpx.Response(answer.status_code, headers=headers, content=body, request=request)


class _Read(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self._body = body

    async def __aiter__(self) -> Any:
        yield self._body


class _Circle:
    """Answers a further page with the page that named it."""

    def __init__(self, connector: Connector[Any], place: Asked) -> None:
        self._connector = connector
        self._place = place
        self._first: tuple[int, list[tuple[bytes, bytes]], bytes] | None = None

    @property
    def trick(self) -> Trick:
        """What the wire plays."""
        return self._play

    async def _play(self, asked: Asked, ask: Answerer) -> httpx.Response | None:
        if asked.identity == self._place.identity and self._first is not None:
            status, headers, body = self._first
            return httpx.Response(status, headers=headers, stream=_Read(body))
        answer, following = await _with_next(self._connector, asked, ask)
        if following is not None and str(following) == str(self._place.url):
            body = await body_of(answer)
            self._first = (answer.status_code, answer.headers.raw, body)
            return httpx.Response(answer.status_code, headers=answer.headers.raw, stream=_Read(body))
        return answer
