"""One request and its answer: sent, read within bounds, judged by the dialect, parsed. Knows nothing of retries."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from coursekeep.addresses import Site
from coursekeep.coding import Gunzip, is_coded
from coursekeep.dialect import Dialect, FileDialect, RenewingDialect, standard_error
from coursekeep.errors import ConnectorError, CredentialsNeeded, MalformedAnswer, RetryLater
from coursekeep.governor import Governor, Turn
from coursekeep.observing import Asked, Observer, template_of

__all__ = [
    "ELSEWHERE",
    "JSON_LIMIT",
    "MAX_REDIRECTS",
    "Bounds",
    "Exchange",
    "Garbled",
    "connection_error",
    "never_sent",
    "stream_of",
    "with_body",
]

#: bytes of one JSON answer, unpacked
JSON_LIMIT = 256 * 1024 * 1024
MAX_REDIRECTS = 10
#: redirects after which the result of a POST is fetched by GET
ELSEWHERE = frozenset({301, 302, 303})
#: headers of a body that has been unpacked since
_OF_CODING = frozenset({b"content-encoding", b"transfer-encoding", b"content-length"})

#: headers that carry no credentials
_PLAIN_HEADERS = frozenset({"accept", "accept-encoding", "content-length", "content-type", "host", "user-agent"})
#: signs of a credential; what is shorter stands in any text by chance
_SHORTEST = 6


class Garbled(MalformedAnswer):
    """The body is no whole JSON. Gateways and broken connections do that, so asking again may help."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bounds:
    """Limits of one exchange."""

    #: seconds without a byte
    timeout: float
    #: seconds for one whole JSON answer, or one block of a file: an endless trickle ends here
    total: float
    #: bytes of one JSON answer
    json_limit: int = JSON_LIMIT
    #: longest wait that the LMS may ask of all requests together
    patience: float = 600.0


class Exchange:
    """Speaks to one LMS, one request at a time."""

    def __init__(
        self,
        *,
        site: Site,
        dialect: Dialect,
        governor: Governor,
        transport: httpx.AsyncBaseTransport,
        bounds: Bounds,
        user_agent: str,
    ) -> None:
        self.site = site
        self.dialect = dialect
        self.governor = governor
        self.bounds = bounds
        #: who is told what goes on; nobody, until a framework takes an interest
        self.observer = Observer()
        self._renewing = dialect if isinstance(dialect, RenewingDialect) else None
        self._transport = transport
        self._agent = user_agent.encode("ascii", "ignore")
        self._timeouts = {"connect": bounds.timeout, "read": bounds.timeout, "write": None, "pool": None}

    async def ask(
        self, method: str, url: httpx.URL, where: str, form: bytes | None = None, *, repeatable: bool = True
    ) -> tuple[httpx.Response, Any]:
        """Send one API request of the site and return the answer with its parsed JSON, or raise what it means.

        A POST that leads to its result elsewhere is returned as it is, a redirect: to ask there is another request,
        and its failure must not repeat this one.
        """
        await self.renewed()
        used = self.renewable()
        try:
            return await self._ask(method, url, where, form, repeatable)
        except CredentialsNeeded:
            if used is None or not await self.renewed(used):
                raise
            return await self._ask(method, url, where, form, repeatable)

    def renewable(self) -> Mapping[str, str] | None:
        """Return the headers that carry the credentials now; None where there can be no others."""
        return None if self._renewing is None else self.dialect.authorization()

    async def renewed(self, refused: Mapping[str, str] | None = None) -> bool:
        """Make sure of credentials that have not expired, other than those refused; outside of any turn."""
        return self._renewing is not None and await self._renewing.renew(refused)

    async def _ask(
        self, method: str, url: httpx.URL, where: str, form: bytes | None, repeatable: bool
    ) -> tuple[httpx.Response, Any]:
        total = self.bounds.total
        async with self.governor.turn() as turn:
            try:
                async with asyncio.timeout(total):
                    response = await self._follow(method, url, where, form, repeatable)
            except TimeoutError:
                raise MalformedAnswer(f"the answer did not end within {total:.0f} seconds", where=where) from None
            return response, None if response.has_redirect_location else self._judged(response, where, turn)

    async def send(
        self,
        method: str,
        url: httpx.URL,
        where: str,
        headers: list[tuple[bytes, bytes]],
        *,
        form: bytes | None = None,
        buffer: int | None = None,
        repeatable: bool = True,
    ) -> httpx.Response:
        """Send one request as it is and return the answer with its body unread.

        Whether sending it twice does no harm is told to the transport too, which may want to know.
        """
        extensions: dict[str, Any] = {"timeout": self._timeouts, "repeatable": repeatable}
        if buffer is not None:
            extensions["buffer"] = buffer
        headers = [(b"User-Agent", self._agent), *headers]
        request = httpx.Request(method, url, headers=headers, content=form, extensions=extensions)
        response = await self._sent(request, where, is_file=buffer is not None)
        response.request = request
        return response

    async def _sent(self, request: httpx.Request, where: str, *, is_file: bool) -> httpx.Response:
        """Send a request, and tell the observer how its answer began."""
        began = time.perf_counter()
        status, failure = None, ""
        try:
            response = await self._transport.handle_async_request(request)
            status = response.status_code
        except httpx.TransportError as error:
            failure = type(error).__name__
            raise connection_error(error, request.url, where) from error
        except BaseException as error:
            failure = type(error).__name__
            raise
        finally:
            path = "" if is_file else template_of(request.url.raw_path.split(b"?", 1)[0].decode("ascii"))
            seconds = time.perf_counter() - began
            self.observer.asked(
                Asked(method=request.method, path=path, status=status, failure=failure, seconds=seconds)
            )
        return response

    def redirected(self, response: httpx.Response, where: str) -> httpx.URL:
        """Return where a redirect leads; raises `ForeignHost` where that is another origin."""
        return self.site.own(self.site.join(response.request.url, response.headers["location"], where), where)

    def credentials(self) -> list[tuple[bytes, bytes]]:
        """Return the headers that carry the credentials. Only for addresses that `Site.owns`."""
        return _raw(self.dialect.authorization())

    async def read(self, response: httpx.Response, where: str, limit: int) -> httpx.Response:
        """Read a body to its end and close it; raises `MalformedAnswer` where it is longer than `limit`."""
        try:
            body = await _body(response, where, limit, self.observer)
        except httpx.TransportError as error:
            raise connection_error(error, response.request.url, where) from error
        finally:
            await response.aclose()
        return with_body(response, body)

    def refusal(self, response: httpx.Response, where: str, turn: Turn) -> ConnectorError | None:
        """Judge an answer that has been read, and tell the governor."""
        try:
            error = self.dialect.error(response, where)
        except ValueError:  # dialects read JSON, and this body may be none
            error = None
        error = error or standard_error(response, where)
        if error is not None:
            self.hush(error, response.request)
        if isinstance(error, RetryLater) and error.throttled:
            patient = error.after is not None and error.after <= self.bounds.patience
            self.observer.throttled()
            turn.throttled(error.after if patient else None)
        return error

    def hush(self, error: ConnectorError, request: httpx.Request) -> None:
        """Take a request's credentials out of an error: an LMS may repeat them, and a dialect what the LMS said."""
        carried = [value for name, value in request.headers.items() if name not in _PLAIN_HEADERS]
        if isinstance(self.dialect, FileDialect):
            carried += self.dialect.file_form().values()
        for secret in (value.rpartition(" ")[2] for value in carried):
            if len(secret) >= _SHORTEST:
                error.hide(secret)

    async def _follow(
        self, method: str, url: httpx.URL, where: str, form: bytes | None, repeatable: bool
    ) -> httpx.Response:
        for _ in range(MAX_REDIRECTS + 1):
            headers = [(b"Accept", b"application/json"), (b"Accept-Encoding", b"gzip"), *self.credentials()]
            if form is not None:
                headers.append((b"Content-Type", b"application/x-www-form-urlencoded"))
            response = await self.send(method, url, where, headers, form=form, repeatable=repeatable)
            if not response.has_redirect_location or (method != "GET" and response.status_code in ELSEWHERE):
                return await self.read(response, where, self.bounds.json_limit)
            await response.aclose()
            url = self.redirected(response, where)
        raise MalformedAnswer(f"more than {MAX_REDIRECTS} redirects", where=where)

    def _judged(self, response: httpx.Response, where: str, turn: Turn) -> Any:
        error = self.refusal(response, where, turn)
        if error is not None:
            raise error
        turn.answered(self.dialect.headroom(response))
        return _parsed(response, where)


def connection_error(error: httpx.TransportError, url: httpx.URL, where: str) -> ConnectorError:
    """Say what a failed connection means."""
    if isinstance(error, httpx.UnsupportedProtocol):
        return MalformedAnswer(f"an address on {url.host} cannot be used", where=where)
    if isinstance(error, httpx.TimeoutException):
        return RetryLater(f"{url.host} did not answer in time", where=where)
    if isinstance(error, httpx.ConnectError):
        return RetryLater(f"{url.host} cannot be reached: {error}", where=where)
    return RetryLater(f"{url.host} broke the connection: {error}", where=where)


def never_sent(error: BaseException) -> bool:
    """Tell whether a request surely did not reach the LMS."""
    return isinstance(error.__cause__, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def _raw(headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
    for value in headers.values():
        if not (value.isascii() and value.isprintable()):
            raise CredentialsNeeded("the token holds signs that no header can carry, such as a line break; set it anew")
    return [(name.encode("ascii"), value.encode("ascii")) for name, value in headers.items()]


def with_body(response: httpx.Response, body: bytes) -> httpx.Response:
    """Return the answer with a body that has been read and unpacked."""
    headers = [(name, value) for name, value in response.headers.raw if name.lower() not in _OF_CODING]
    return httpx.Response(response.status_code, headers=headers, content=body, request=response.request)


async def _body(response: httpx.Response, where: str, limit: int, observer: Observer) -> bytes:
    coded = is_coded(response.headers, where)
    blocks: list[bytes] = []
    size = 0
    gunzip = Gunzip()
    try:
        async for raw in stream_of(response):
            observer.received(len(raw))
            for block in gunzip.feed(raw) if coded else (raw,):
                size += len(block)
                if size > limit:
                    raise MalformedAnswer(f"the answer is larger than {limit} bytes", where=where)
                blocks.append(block)
        if coded:
            blocks.append(gunzip.finish())
    except ValueError as error:
        raise Garbled(str(error), where=where) from error
    return blocks[0] if len(blocks) == 1 else b"".join(blocks)


def stream_of(response: httpx.Response) -> httpx.AsyncByteStream:
    """Return the body as bytes arrive: not unpacked, not counted, not kept."""
    stream = response.stream
    if not isinstance(stream, httpx.AsyncByteStream):
        raise TypeError("the transport gave a synchronous body")
    return stream


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_constant)


def _parsed(response: httpx.Response, where: str) -> Any:
    body = response.content
    if response.status_code == 204:
        return None
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError):
        pass
    start = body[:256].lstrip().lower()
    found = "HTML" if start.startswith(b"<") else "an empty body" if not start else "no whole JSON"
    raise Garbled(f"the LMS answered with {found} instead of JSON", where=where, status=response.status_code)
