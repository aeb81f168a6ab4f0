"""How one kind of LMS speaks: the protocol that connectors implement, and the common parts of many LMSs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol, runtime_checkable

import httpx
from pydantic import SecretStr

from coursekeep.errors import (
    ConnectorError,
    CredentialsNeeded,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
)
from coursekeep.expiry import end_of

__all__ = [
    "BearerDialect",
    "Dialect",
    "FileDialect",
    "KeepingDialect",
    "RenewingDialect",
    "next_link",
    "retry_after",
    "standard_error",
]


#: no LMS means a longer wait than a week
_LONGEST = 7 * 86400.0


class Dialect(Protocol):
    """How one kind of LMS speaks. Implementations hold the credentials; nothing else does."""

    def authorization(self) -> Mapping[str, str]:
        """Return the headers that carry the credentials; sent to the integration's own origin only."""

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        """Judge an answer whose body has been read: None if it is good, else the error to raise.

        Called for every API answer, whatever its status (some LMSs err with 200), and for refused downloads from the
        integration's own origin. What it leaves unjudged is judged by `standard_error`; a body that is no JSON may
        make it raise ValueError, which counts as unjudged.
        """

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        """Return the address of the next page, absolute or relative to the answer's; None at the end."""

    def headroom(self, response: httpx.Response) -> float | None:
        """Return how much more may be asked, 1.0 (all) to 0.0 (nothing); None where the answer does not say."""


@runtime_checkable
class RenewingDialect(Protocol):
    """What a dialect has besides where its credentials expire within hours and are fetched anew. Optional."""

    async def renew(self, refused: Mapping[str, str] | None = None) -> bool:
        """Make sure that `Dialect.authorization` has something to return; awaited before every request.

        `refused` are headers that the LMS has just answered with 401. Returns whether there are others now, and the
        request is worth repeating. Raises `CredentialsNeeded` where an operator must act.
        """


@runtime_checkable
class KeepingDialect(Protocol):
    """What a dialect has besides where its credentials may end, or must be kept. Optional."""

    async def settle(self) -> None:
        """Wait for what must not be cut off, such as a refresh token on its way; awaited before the client closes.

        Takes seconds at most, and raises nothing.
        """

    async def ends(self) -> datetime | None:
        """Return when the credentials end for good, so that an operator must act; None where nothing tells.

        Asks nobody. Raises `ConnectorError` where what is kept of the credentials cannot be read.
        """


@runtime_checkable
class FileDialect(Protocol):
    """What a dialect has besides where its LMS hands out files in a way of its own. Optional."""

    def file_form(self) -> Mapping[str, str]:
        """Return form fields that carry the credentials with a download, which is then a POST.

        Sent to the integration's own origin only, where headers are not enough and an address would show the secret.
        Empty means a GET with `Dialect.authorization`.
        """

    def file_error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        """Judge an answer with status 200 to a download: None if it is the file, else the error to raise.

        Called for JSON and HTML from the integration's own origin, with the first 64 KiB of the body: some LMSs
        refuse a file with status 200 and an error or a log-in page in its place.
        """


class BearerDialect:
    """The usual dialect: bearer token, Link header, errors by status. Subclass it where an LMS differs."""

    def __init__(self, token: SecretStr) -> None:
        self._token = token

    def authorization(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._token.get_secret_value().strip()}"}

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        return standard_error(response, where)

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        return next_link(response)

    def headroom(self, response: httpx.Response) -> float | None:
        return None

    async def settle(self) -> None:
        """Return at once: there is nothing to wait for."""

    async def ends(self) -> datetime | None:
        """Return the end that the token names, where it is a JWT."""
        return end_of(self._token)


def next_link(response: httpx.Response) -> str | None:
    """Return the address of ``rel="next"`` in the Link header."""
    if "link" not in response.headers:
        return None
    return response.links.get("next", {}).get("url")


def retry_after(response: httpx.Response, now: datetime | None = None) -> float | None:
    """Return the seconds of a Retry-After header, given as a number or as a date; None where there is none."""
    value = response.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return min(float(value), _LONGEST)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(0.0, (moment - (now or datetime.now(UTC))).total_seconds()), _LONGEST)


def standard_error(response: httpx.Response, where: str) -> ConnectorError | None:
    """Judge an answer by its status alone, as RFC 9110 means it."""
    status = response.status_code
    if 200 <= status < 300:
        return None
    if status == 429 or status >= 500:
        return _later(response, where)
    if status == 401:
        message = "the LMS does not accept the token; make a new one and put it into the settings"
        return CredentialsNeeded(message, where=where, status=status)
    if status == 403:
        return NoAccess("the token may not read this", where=where, status=status)
    if status in (404, 410):
        return NotFound("the LMS says that this does not exist", where=where, status=status)
    return MalformedAnswer(f"the LMS refused the request with status {status}", where=where, status=status)


def _later(response: httpx.Response, where: str) -> RetryLater:
    status = response.status_code
    throttled = status == 429
    message = "the LMS asks for fewer requests" if throttled else f"the LMS failed with status {status}"
    return RetryLater(message, where=where, status=status, after=retry_after(response), throttled=throttled)
