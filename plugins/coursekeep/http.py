"""HTTP for connectors: one client per integration that asks politely, patiently and never tells secrets to strangers.

`LmsClient` puts together what every LMS needs: httpx over the aiohttp transport (plain httpx slows down as connections
grow), a User-Agent, time-outs, a retry policy, paging, redirects, host checks, and one `Governor` that keeps within
what the LMS may be asked. A connector passes a `Dialect`: how its LMS authenticates, pages, throttles and errs.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Protocol, Self

import httpx

from coursekeep.errors import ConnectorError
from coursekeep.records import FileAuth
from coursekeep.retry import RetryPolicy

__all__ = ["Answer", "Dialect", "Download", "Governor", "LmsClient", "Page"]

Params = Mapping[str, Any] | Sequence[tuple[str, Any]]


class Dialect(Protocol):
    """How one kind of LMS speaks. Implementations hold the credentials; nothing else does."""

    def authorization(self) -> Mapping[str, str]:
        """Return the headers that carry the credentials; sent to the integration's own origin only."""

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        """Judge an answer whose body has been read: None if it is good, else the error to raise.

        Called for every API answer, whatever its status: some LMSs err with 200.
        """

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        """Return the address of the next page, absolute or relative to the answer's; None at the end."""

    def headroom(self, response: httpx.Response) -> float | None:
        """Return how much more may be asked, 1.0 (all) to 0.0 (nothing); None where the answer does not say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A good answer: its parsed JSON, status, headers (compare names in lower case) and where it came from."""

    body: Any
    status: int
    headers: httpx.Headers
    where: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """One page of a list."""

    #: counted from 1
    number: int
    items: list[Any]
    #: the whole JSON body, where the list is wrapped in an object
    body: Any


@dataclass(frozen=True, kw_only=True, slots=True)
class Download:
    """An open download. `chunks` yields the bytes once, in blocks of about 1 MiB, and raises `RetryLater` where the
    connection breaks or the body is shorter than its Content-Length."""

    chunks: AsyncIterator[bytes]
    #: Content-Length, if the server sent one and no content coding is applied
    size: int | None
    content_type: str | None
    #: host that finally answered
    host: str


class Governor:
    """Keeps the number of requests in flight within what the LMS bears (additive increase, multiplicative decrease).

    One per integration and token, shared by everything that speaks to that LMS in this process.
    """


class LmsClient:
    """The client of one integration. Use as an asynchronous context manager; opens connections when first used.

    Addresses may be absolute or relative to `base_url`; absolute ones must have its origin (scheme, host, port),
    else `ForeignHost` is raised before anything is sent.
    """

    def __init__(
        self,
        base_url: str,
        dialect: Dialect,
        *,
        retry: RetryPolicy,
        max_concurrency: int = 4,
        timeout: float = 60.0,
        contact: str = "",
        file_hosts: Sequence[str] = (),
        transport: httpx.AsyncBaseTransport | None = None,
        governor: Governor | None = None,
    ) -> None: ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(self, *exc: object) -> None: ...

    async def get(self, url: str, params: Params = ()) -> Answer:
        """GET one JSON answer. Redirects within the origin are followed, others raise `ForeignHost`.

        Raises what the dialect says; `RetryLater` for connection errors, time-outs, 5xx and throttling once the
        policy is used up; `MalformedAnswer` for bodies that are not whole JSON, also after retries.
        """

    async def post(self, url: str, data: Params = ()) -> Answer:
        """POST a form. Not repeated once the request may have been received, except where throttled."""

    def pages(self, url: str, params: Params = (), *, key: str | None = None) -> AsyncIterator[Page]:
        """Follow a list to its end, whatever the page sizes. `key` names the list where it is wrapped in an object.

        Raises `MalformedAnswer` where pages loop, `key` is missing, or a body is no list; `ForeignHost` where a page
        leads to another origin; else as `get`.
        """

    def items(self, url: str, params: Params = (), *, key: str | None = None) -> AsyncIterator[Any]:
        """Yield the items of all pages, each id once (items without an `id` are all yielded)."""

    def download(self, url: str, *, auth: FileAuth = FileAuth.TOKEN) -> AbstractAsyncContextManager[Download]:
        """Open a download, following up to 10 redirects; credentials go to the integration's origin only.

        `FileAuth.EITHER` tries without credentials where the address carries its own (a query), with them otherwise,
        and the other way once on 401, 403 or a log-in page. An HTML page instead of a file that is not expected to be
        HTML is told by `Download.content_type`; judging it is the caller's part.
        Raises `NoAccess`, `NotFound`, `RetryLater`, `ForeignHost` (a host outside `file_hosts`, or a scheme other than
        http and https).
        """
