"""Downloads: opened patiently, followed over redirects without telling secrets, streamed in large blocks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import httpx

from coursekeep.addresses import encode, host_of, is_absolute, name_call, parse
from coursekeep.coding import Gunzip, is_coded
from coursekeep.dialect import FileDialect, standard_error
from coursekeep.errors import ConnectorError, CredentialsNeeded, ForeignHost, MalformedAnswer, NoAccess, RetryLater
from coursekeep.exchange import ELSEWHERE, MAX_REDIRECTS, Exchange, connection_error, stream_of, with_body
from coursekeep.governor import Turn
from coursekeep.records import FileAuth
from coursekeep.retry import RetryPolicy, persist

__all__ = ["Download", "Downloader"]

T = TypeVar("T")

_BLOCK = 1024 * 1024
#: how much of a refusal's body is read
_REFUSAL_LIMIT = 256 * 1024
#: how much of a doubtful body is looked at before it counts as the file
_DOUBTFUL = 64 * 1024
_DOUBTFUL_TYPES = ("application/json", "text/html", "application/xhtml+xml")


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


class Downloader:
    """Opens downloads for one integration."""

    def __init__(self, exchange: Exchange, policy: RetryPolicy, file_hosts: Sequence[str] = ()) -> None:
        self._exchange = exchange
        self._site = exchange.site
        self._policy = policy
        self._file_hosts = frozenset(host.strip().lower() for host in file_hosts)
        self._files = exchange.dialect if isinstance(exchange.dialect, FileDialect) else None

    @asynccontextmanager
    async def open(self, address: str, auth: FileAuth) -> AsyncIterator[Download]:
        """Open a download; it holds one of the integration's turns until it is closed."""
        url = self._first(address)
        where = self._where(url)
        response, stack = await persist(
            self._policy,
            lambda: self._start(url, where, auth),
            lambda error: isinstance(error, RetryLater),
            retried=lambda: self._exchange.observer.retried(),
        )
        async with stack:
            chunks = self._chunks(response, where)
            stack.push_async_callback(chunks.aclose)
            coded = is_coded(response.headers, where)
            yield Download(
                chunks=chunks,
                size=None if coded else _length(response),
                content_type=response.headers.get("content-type"),
                host=response.request.url.host,
            )

    def _first(self, address: str) -> httpx.URL:
        if not is_absolute(address):
            return self._site.address(address)
        return self._allowed(parse(address, "GET"), "GET")

    def _where(self, url: httpx.URL) -> str:
        # The path of a foreign address may be the key to the file.
        return name_call("GET", url) if self._site.owns(url) else f"GET {host_of(url)}"

    def _allowed(self, url: httpx.URL, where: str) -> httpx.URL:
        hosts = self._file_hosts
        if not hosts or self._site.owns(url) or url.host in hosts or url.netloc.decode("ascii").lower() in hosts:
            return url
        message = f"the file is on {host_of(url)}, which is none of file_hosts; add it there if it is the LMS's"
        raise ForeignHost(message, where=where)

    async def _start(self, url: httpx.URL, where: str, auth: FileAuth) -> tuple[httpx.Response, AsyncExitStack]:
        """Make one attempt: every way that `auth` allows. What is opened is closed with the returned stack."""
        refused: list[ConnectorError] = []
        await self._exchange.renewed()
        async with AsyncExitStack() as stack:
            turn = await stack.enter_async_context(self._exchange.governor.turn())
            for with_token in self._ways(url, auth):
                if with_token:  # the wait for the turn may have been long; what fails here is no refusal of the file
                    await self._in_time(self._exchange.renewed(), where)
                try:
                    response = await self._in_time(self._renewing(url, where, turn, with_token), where)
                except (NoAccess, CredentialsNeeded) as error:
                    refused.append(error)
                    continue
                stack.push_async_callback(response.aclose)
                return response, stack.pop_all()
        raise _meaning(refused, url)

    async def _in_time(self, fetching: Coroutine[Any, Any, T], where: str) -> T:
        total = self._exchange.bounds.total
        try:
            async with asyncio.timeout(total):
                return await fetching
        except TimeoutError:
            raise RetryLater(f"the file was not offered within {total:.0f} seconds", where=where) from None

    def _ways(self, url: httpx.URL, auth: FileAuth) -> list[bool]:
        """Say with and without credentials, in the order to try. An address elsewhere never gets them."""
        if auth is FileAuth.NONE or not self._site.owns(url):
            return [False]
        if auth is FileAuth.TOKEN:
            return [True]
        return [False, True] if url.query else [True, False]

    async def _renewing(self, url: httpx.URL, where: str, turn: Turn, with_token: bool) -> httpx.Response:
        """Fetch, and once more with other credentials where the LMS has forgotten those that it gave out."""
        used = self._exchange.renewable() if with_token else None
        try:
            return await self._fetch(url, where, turn, with_token)
        except CredentialsNeeded:
            if used is None or not await self._exchange.renewed(used):
                raise
            return await self._fetch(url, where, turn, with_token)

    async def _fetch(self, url: httpx.URL, where: str, turn: Turn, with_token: bool) -> httpx.Response:
        for hop in range(MAX_REDIRECTS + 1):
            own = self._site.owns(url)
            with_token = with_token and own  # and once dropped, credentials stay dropped
            headers = [(b"Accept", b"*/*"), (b"Accept-Encoding", b"identity")]
            form = self._form() if with_token else None
            if with_token:
                headers += self._exchange.credentials()
            if form is not None:
                headers.append((b"Content-Type", b"application/x-www-form-urlencoded"))
            method = "GET" if form is None else "POST"
            response = await self._exchange.send(method, url, where, headers, form=form, buffer=_BLOCK // 2)
            if not response.has_redirect_location:
                return await self._good(response, where, turn, with_token=with_token, redirected=hop > 0)
            await response.aclose()
            # As a browser would: what a POST leads to is fetched by a GET, and so without the form.
            with_token = with_token and (form is None or response.status_code not in ELSEWHERE)
            url = self._allowed(self._site.join(url, response.headers["location"], where), where)
        raise MalformedAnswer(f"more than {MAX_REDIRECTS} redirects", where=where)

    def _form(self) -> bytes | None:
        """Return the form that carries the credentials; None where headers do."""
        fields = self._files.file_form() if self._files is not None else {}
        return encode(fields).encode() if fields else None

    async def _good(
        self, response: httpx.Response, where: str, turn: Turn, *, with_token: bool, redirected: bool
    ) -> httpx.Response:
        """Return an answer that holds a file, with its body unread; raise what another one means."""
        if response.status_code == 200:
            if redirected and self._is_login(response):
                await response.aclose()
                raise NoAccess("the file's address leads to the log-in page", where=where)
            return await self._judged(response, where, with_token)
        try:
            response = await self._exchange.read(response, where, _REFUSAL_LIMIT)
        except MalformedAnswer:  # too long, or packed strangely: the status must do
            response = with_body(response, b"")
        error = self._refusal(response, where, turn, with_token)
        status = response.status_code
        raise error or MalformedAnswer(f"status {status} is not the answer to a file", where=where, status=status)

    async def _judged(self, response: httpx.Response, where: str, with_token: bool) -> httpx.Response:
        """Return the answer to a download once its first bytes have been looked at, where they may be a refusal."""
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        own = self._site.owns(response.request.url)
        if self._files is None or not own or kind not in _DOUBTFUL_TYPES or is_coded(response.headers, where):
            return response
        try:
            head, replay = await _head_of(response)
        except httpx.TransportError as error:
            await response.aclose()
            raise connection_error(error, response.request.url, where) from error
        found = self._files.file_error(with_body(response, head), where)
        if isinstance(found, CredentialsNeeded) and not with_token:
            found = NoAccess("the file is not open without credentials", where=where)
        if found is not None:
            self._exchange.hush(found, response.request)
            await response.aclose()
            raise found
        return replay

    def _refusal(self, response: httpx.Response, where: str, turn: Turn, with_token: bool) -> ConnectorError | None:
        if not self._site.owns(response.request.url):
            error = standard_error(response, where)
        else:
            error = self._exchange.refusal(response, where, turn)
        if isinstance(error, CredentialsNeeded) and not with_token:
            return NoAccess("the file is not open without credentials", where=where, status=error.status)
        return error

    def _is_login(self, response: httpx.Response) -> bool:
        url = response.request.url
        html = response.headers.get("content-type", "").startswith("text/html")
        path = url.path.removeprefix(self._site.url.path.rstrip("/"))
        return html and self._site.owns(url) and (path == "/login" or path.startswith("/login/"))

    async def _chunks(self, response: httpx.Response, where: str) -> AsyncGenerator[bytes]:
        """Yield the body in blocks of about 1 MiB, and make sure that it is whole."""
        held: list[bytes] = []
        size = 0
        async with aclosing(self._unpacked(response, where)) as blocks:
            pace = _Pace(self._exchange.bounds.total, where)
            async for block in blocks:
                held.append(block)
                size += len(block)
                if size >= _BLOCK:
                    yield b"".join(held)
                    held.clear()
                    size = 0
                    pace.block_done()
                pace.check()
        if held:
            yield b"".join(held)

    async def _unpacked(self, response: httpx.Response, where: str) -> AsyncGenerator[bytes]:
        gunzip = Gunzip() if is_coded(response.headers, where) else None
        received = 0
        try:
            async for raw in stream_of(response):
                received += len(raw)
                self._exchange.observer.received(len(raw))
                if gunzip is None:
                    yield raw
                else:
                    for block in gunzip.feed(raw):
                        yield block
            rest = gunzip.finish() if gunzip else b""
        except httpx.TransportError as error:
            raise connection_error(error, response.request.url, where) from error
        except ValueError as error:
            raise RetryLater(str(error), where=where) from error
        expected = _length(response)
        if expected is not None and received != expected:
            raise RetryLater(f"{received} bytes came of the {expected} that were promised", where=where)
        if rest:
            yield rest


class _Replay(httpx.AsyncByteStream):
    """A body whose first blocks have been read: they come once more, then the rest."""

    def __init__(self, head: list[bytes], rest: AsyncIterator[bytes], response: httpx.Response) -> None:
        self._head = head
        self._rest = rest
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for block in self._head:
            yield block
        async for block in self._rest:
            yield block

    async def aclose(self) -> None:
        await self._response.aclose()


async def _head_of(response: httpx.Response) -> tuple[bytes, httpx.Response]:
    """Read the first bytes of a body, and return them with an answer that still has the whole of it."""
    rest = aiter(stream_of(response))
    head: list[bytes] = []
    size = 0
    while size < _DOUBTFUL and (block := await anext(rest, None)) is not None:
        head.append(block)
        size += len(block)
    stream = _Replay(head, rest, response)
    replay = httpx.Response(response.status_code, headers=response.headers, stream=stream, request=response.request)
    return b"".join(head), replay


class _Pace:
    """Ends a trickle: every block must be full within a time, not counting the time its reader takes."""

    def __init__(self, seconds: float, where: str) -> None:
        self._clock = asyncio.get_running_loop().time
        self._seconds = seconds
        self._where = where
        self._began = self._clock()

    def block_done(self) -> None:
        self._began = self._clock()

    def check(self) -> None:
        if self._clock() - self._began > self._seconds:
            message = f"less than {_BLOCK} bytes came within {self._seconds:.0f} seconds"
            raise RetryLater(message, where=self._where)


def _meaning(refused: Sequence[ConnectorError], url: httpx.URL) -> ConnectorError:
    """Say what it means that every way was refused, in the order of the tries."""
    credentials = next((error for error in refused if isinstance(error, CredentialsNeeded)), None)
    if credentials is None or len(refused) == 1 or not url.query:
        return credentials or refused[-1]
    # The address carries something of its own, which may be what is refused: no reason to halt everything.
    status = credentials.status
    return NoAccess("the file is refused with and without credentials", where=credentials.where, status=status)


def _length(response: httpx.Response) -> int | None:
    text = response.headers.get("content-length", "")
    return int(text) if text.isascii() and text.isdigit() else None
