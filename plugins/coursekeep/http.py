"""HTTP for connectors: one client per integration that asks politely, patiently and never tells secrets to strangers.

`LmsClient` puts together what every LMS needs: httpx over the aiohttp transport (plain httpx slows down as connections
grow), a User-Agent, time-outs, a retry policy, paging, redirects, host checks, and one `Governor` that keeps within
what the LMS may be asked. A connector passes a `Dialect`: how its LMS authenticates, pages, throttles and errs.

The way of a request, each step a module: `http` (what is asked) -> `retry` (how often) -> `governor` (when) ->
`exchange` (sent, read, judged) -> `transport` (the wire). `paging` and `download` build on them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, aclosing
from dataclasses import dataclass
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any, Self

import httpx

from coursekeep.addresses import Params, Site, encode, name_call
from coursekeep.dialect import (
    BearerDialect,
    Dialect,
    FileDialect,
    KeepingDialect,
    RenewingDialect,
    next_link,
    retry_after,
    standard_error,
)
from coursekeep.download import Download, Downloader
from coursekeep.errors import MalformedAnswer, RetryLater
from coursekeep.exchange import JSON_LIMIT, Bounds, Exchange, Garbled, never_sent
from coursekeep.governor import Governor, GovernorListener, Turn
from coursekeep.observing import Observer
from coursekeep.paging import Following, ListKey, Page, unique_items, walk
from coursekeep.records import FileAuth
from coursekeep.retry import NO_RETRY, RetryPolicy, persist
from coursekeep.transport import LmsTransport

if TYPE_CHECKING:
    from coursekeep.connector import HttpSettings

__all__ = [
    "Answer",
    "BearerDialect",
    "Dialect",
    "Download",
    "FileDialect",
    "Governor",
    "GovernorListener",
    "KeepingDialect",
    "LmsClient",
    "Page",
    "Params",
    "RenewingDialect",
    "Turn",
    "next_link",
    "retry_after",
    "standard_error",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """A good answer: its parsed JSON, status, headers (compare names in lower case) and where it came from."""

    body: Any
    status: int
    headers: httpx.Headers
    where: str


class LmsClient:
    """The client of one integration. Use as an asynchronous context manager; opens connections when first used.

    Addresses may be absolute or relative to `base_url`; absolute ones must have its origin (scheme, host, port),
    else `ForeignHost` is raised before anything is sent. A relative address is appended to `base_url`, which may
    have a path of its own. Redirects and page links are resolved from the answer that held them.
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
        json_limit: int = JSON_LIMIT,
        total_timeout: float | None = None,
    ) -> None:
        """Take the integration's settings. `governor` is given where several clients speak to one LMS, and then
        decides about concurrency; `transport` where tests answer themselves. `timeout` is without a byte, and
        `total_timeout` for one whole JSON answer or 1 MiB of a file: ten times as long, if not given.
        `json_limit` is in bytes of one answer. Raises `SettingsError`."""
        self._site = Site.at(base_url)
        self._dialect = dialect
        self._retry = retry
        self._transport = transport or LmsTransport()
        total = total_timeout or 10.0 * timeout
        self._exchange = Exchange(
            site=self._site,
            dialect=dialect,
            governor=governor or Governor(max_concurrency),
            transport=self._transport,
            bounds=Bounds(timeout=timeout, total=total, patience=retry.patience, json_limit=json_limit),
            user_agent=_user_agent(contact),
        )
        self._downloader = Downloader(self._exchange, retry, file_hosts)
        self._once = Downloader(self._exchange, NO_RETRY, file_hosts)

    @classmethod
    def for_settings(
        cls,
        settings: HttpSettings,
        dialect: Dialect,
        *,
        retry: RetryPolicy,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> Self:
        """Make the client that a connector's settings describe."""
        return cls(
            settings.base_url,
            dialect,
            retry=retry,
            max_concurrency=settings.max_concurrency,
            timeout=settings.timeout,
            contact=settings.contact,
            file_hosts=settings.file_hosts,
            transport=transport,
        )

    @property
    def governor(self) -> Governor:
        """What decides how many requests run at once."""
        return self._exchange.governor

    @property
    def dialect(self) -> Dialect:
        """How the LMS speaks."""
        return self._dialect

    def observe(self, observer: Observer) -> None:
        """Have an observer told of every request from now on; the framework does this for every connector."""
        self._exchange.observer = observer

    @property
    def transport(self) -> httpx.AsyncBaseTransport:
        """What requests go over; tests put another one around it."""
        return self._transport

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if isinstance(self._dialect, KeepingDialect):
            await self._dialect.settle()
        await self._transport.aclose()

    async def credentials_end(self) -> datetime | None:
        """Return when the credentials end for good; None where nothing tells. Asks nobody.

        Raises `ConnectorError` where what is kept of them cannot be read.
        """
        return await self._dialect.ends() if isinstance(self._dialect, KeepingDialect) else None

    async def get(self, url: str, params: Params = (), *, where: str | None = None) -> Answer:
        """GET one JSON answer. Redirects within the origin are followed, others raise `ForeignHost`.

        `where` names the call in errors, where method and path say too little.
        Raises what the dialect says; `RetryLater` for connection errors, time-outs, 5xx and throttling once the
        policy is used up; `MalformedAnswer` for bodies that are not whole JSON, also after retries, for bodies
        without end and for redirects without end.
        """
        address = self._site.address(url, params)
        where = where or name_call("GET", address)
        return _answer(*await self._get(address, where), where)

    async def post(self, url: str, data: Params = (), *, repeatable: bool = False, where: str | None = None) -> Answer:
        """POST a form. Not repeated once the request may have been received, except where throttled.

        `repeatable` is for LMSs that read by POST: then it is repeated like a GET.
        """
        address = self._site.address(url, method="POST")
        named = where or name_call("POST", address)
        form = encode(data).encode()
        again = _worth_repeating if repeatable else _not_received
        response, body = await persist(
            self._retry,
            lambda: self._exchange.ask("POST", address, named, form, repeatable=repeatable),
            again,
            retried=self._retried,
        )
        if response.has_redirect_location:
            response, body = await self._get(self._exchange.redirected(response, named), named)
        return _answer(response, body, named)

    def pages(
        self, url: str, params: Params = (), *, key: ListKey = None, following: Following | None = None
    ) -> AsyncGenerator[Page]:
        """Follow a list to its end, whatever the page sizes. `key` names the list where it is wrapped in an object.

        `following` finds the next page, where this list has another way than `Dialect.next_page`.

        Raises `MalformedAnswer` where pages loop, `key` is missing, or a body is no list; `ForeignHost` where a page
        leads to another origin; else as `get`.
        """
        first = self._site.address(url, params)
        where = name_call("GET", first)
        found = following or (lambda response, body, items: self._dialect.next_page(response, body))
        return walk(lambda page: self._get(page, where), self._site, found, first, where, key)

    async def items(self, url: str, params: Params = (), *, key: str | None = None) -> AsyncIterator[Any]:
        """Yield the items of all pages, each id once (items without an `id` are all yielded)."""
        async with aclosing(self.pages(url, params, key=key)) as pages:
            async for item in unique_items(pages):
                yield item

    def download(self, url: str, *, auth: FileAuth = FileAuth.TOKEN) -> AbstractAsyncContextManager[Download]:
        """Open a download, following up to 10 redirects; credentials go to the integration's origin only.

        `FileAuth.EITHER` tries without credentials where the address carries its own (a query), with them otherwise,
        and the other way once on 401, 403 or a log-in page. An HTML page instead of a file that is not expected to be
        HTML is told by `Download.content_type`; judging it is the caller's part.

        Opening is repeated by the policy; a stream that breaks is not, the caller starts again. An open download
        counts among the requests in flight until it is closed, so do not wait for other answers inside.
        Raises `NoAccess`, `NotFound`, `RetryLater`, `ForeignHost` (a host outside `file_hosts`, or a scheme other than
        http and https), `MalformedAnswer`, and `CredentialsNeeded` where the dialect says so.
        """
        return self._downloader.open(url, auth)

    async def read(self, url: str, *, auth: FileAuth = FileAuth.TOKEN, limit: int) -> bytes:
        """Download a small file whole, into memory; repeated by the policy also where its stream breaks.

        Raises as `download`, and `MalformedAnswer` where it is longer than `limit` bytes.
        """

        async def attempt() -> bytes:
            content = bytearray()
            async with self._once.open(url, auth) as download:
                async for block in download.chunks:
                    content += block
                    if len(content) > limit:
                        raise MalformedAnswer(f"the file is longer than {limit} bytes")
            return bytes(content)

        return await persist(self._retry, attempt, lambda error: isinstance(error, RetryLater), retried=self._retried)

    async def _get(self, url: httpx.URL, where: str) -> tuple[httpx.Response, Any]:
        return await persist(
            self._retry, lambda: self._exchange.ask("GET", url, where), _worth_repeating, retried=self._retried
        )

    def _retried(self) -> None:
        self._exchange.observer.retried()


def _answer(response: httpx.Response, body: Any, where: str) -> Answer:
    return Answer(body=body, status=response.status_code, headers=response.headers, where=where)


def _worth_repeating(error: BaseException) -> bool:
    return isinstance(error, RetryLater | Garbled)


def _not_received(error: BaseException) -> bool:
    return isinstance(error, RetryLater) and (error.throttled or never_sent(error))


def _user_agent(contact: str) -> str:
    try:
        product = f"Coursekeep/{version('coursekeep')}"
    except PackageNotFoundError:  # run from a checkout that was never installed
        product = "Coursekeep"
    about = "".join(sign for sign in contact if sign.isprintable() and sign not in "()").strip()
    return f"{product} ({about})" if about else product
