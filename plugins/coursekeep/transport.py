"""The wire: httpx over aiohttp, set up so that nothing is changed, kept or told on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import httpx
from httpx_aiohttp import AiohttpTransport
from multidict import CIMultiDict
from yarl import URL

__all__ = ["LmsTransport"]

#: a Link header of an LMS may be longer than aiohttp's usual 8 KiB
_LONGEST_HEADER = 64 * 1024


class LmsTransport(AiohttpTransport):
    """httpx-aiohttp's transport with four differences.

    Addresses go out byte for byte (aiohttp would decode and re-encode them, which spoils signatures); no cookie is
    kept; neither proxy settings nor netrc are read from the environment; errors tell apart what failed before a
    request was sent, and never quote an address. No cap on connections: the governor decides how many there are.

    aiohttp itself sends a GET once more where a kept connection turns out to be closed; that is no attempt of the
    retry policy's, and never happens to a POST.
    """

    def __init__(self, *, buffer: int = 64 * 1024) -> None:
        # The environment may name a file of trusted certificates (SSL_CERT_FILE), but nothing else.
        context = httpx.create_ssl_context(trust_env=True)
        super().__init__(verify=context, trust_env=False, client=self._session)
        self._buffer = buffer

    def _session(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self.ssl_context),
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=False,
            auto_decompress=False,
            max_line_size=_LONGEST_HEADER,
            max_field_size=_LONGEST_HEADER,
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(self.client, aiohttp.ClientSession):
            self.client = self.get_client()
        patience = request.extensions.get("timeout", {})
        try:
            answer = await self.client.request(
                request.method,
                URL(str(request.url), encoded=True),
                headers=CIMultiDict(
                    (name.decode("ascii"), value.decode("latin-1")) for name, value in request.headers.raw
                ),
                data=request.content or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(sock_connect=patience.get("connect"), sock_read=patience.get("read")),
                read_bufsize=request.extensions.get("buffer", self._buffer),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error) from None
        return httpx.Response(answer.status, headers=list(answer.raw_headers), stream=_Body(answer), request=request)

    async def aclose(self) -> None:
        """Close all connections. What is sent afterwards opens new ones."""
        session, self.client = self.client, self._session
        if isinstance(session, aiohttp.ClientSession):
            await session.close()


class _Body(httpx.AsyncByteStream, AsyncIterator[bytes]):
    """The bytes of an answer as they arrive, in whatever blocks the socket gives."""

    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        try:
            block = await self._answer.content.readany()
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _translated(error) from None
        if not block:
            raise StopAsyncIteration
        return block

    async def aclose(self) -> None:
        self._answer.release()


def _translated(error: Exception) -> httpx.TransportError:
    """Say in httpx's words what happened. aiohttp's own text may quote the address, query and all."""
    match error:
        case aiohttp.ClientSSLError():
            return httpx.ConnectError("its certificate is not trusted, or TLS failed")
        case aiohttp.ClientConnectorDNSError():
            return httpx.ConnectError("its name is not known")
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(error.os_error.strerror or "no connection")
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout("no connection in time")
        case TimeoutError():
            return httpx.ReadTimeout("no byte in time")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol("its address cannot be used")
        case aiohttp.ClientPayloadError():
            return httpx.ReadError("the body broke off")
        case aiohttp.ClientConnectionError() | OSError():
            return httpx.ReadError("the connection broke")
    return httpx.RemoteProtocolError("the answer is no HTTP")
