"""Signing in to Kolibri: one session for all requests, kept fresh, and never mistaken for one that has ended."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Any

import httpx

from coursekeep import (
    ConnectorError,
    CredentialsNeeded,
    LmsClient,
    MalformedAnswer,
    RetryLater,
    RetryPolicy,
    standard_error,
)
from coursekeep_kolibri.settings import KolibriSettings

__all__ = ["COOKIE", "Session", "ends_session"]

#: the cookie that carries the session, whatever the server is called
COOKIE = "kolibri"
#: seconds after which to sign in anew; Kolibri forgets a session twenty minutes after it has begun
_FRESH = 600.0
_LIMIT = 1024 * 1024
_ID = re.compile(r"[0-9a-f]{32}")
#: Kolibri's words for why it lets nobody in
_WORDS = frozenset({"INVALID_CREDENTIALS", "NOT_FOUND", "MISSING_PASSWORD", "PASSWORD_NOT_SPECIFIED"})


class Session:
    """A session of one user, made by signing in with user name and password.

    Kolibri answers an ended session like a stranger: with 200 and empty lists. Each answer to one takes the cookie
    back, though, and that is what `ends_session` sees.
    """

    def __init__(
        self,
        settings: KolibriSettings,
        *,
        retry: RetryPolicy,
        transport: httpx.AsyncBaseTransport | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the settings. `transport` is for tests that answer themselves; its owner closes it."""
        self._settings = settings
        self._client = LmsClient(
            settings.base_url,
            _StrangerDialect(),
            retry=retry,
            max_concurrency=1,
            timeout=settings.timeout,
            contact=settings.contact,
            transport=transport,
            json_limit=_LIMIT,
        )
        #: without a transport from outside, no connection is kept between one sign-in and the next
        self._owns = transport is None
        self._now = now
        self._lock = asyncio.Lock()
        self._headers: dict[str, str] | None = None
        self._facility_id = ""
        self._until = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._settings.base_url!r})"

    def headers(self) -> Mapping[str, str]:
        """Return the cookie as a header. Raises `CredentialsNeeded` where nobody has signed in yet."""
        if self._headers is None:
            raise CredentialsNeeded("nobody has signed in yet")
        return self._headers

    async def facility_id(self) -> str:
        """Return the id of the facility whose classes are meant: the settings', else the user's."""
        await self.renew()
        return self._facility_id

    async def renew(self, refused: Mapping[str, str] | None = None) -> bool:
        """Sign in where nobody has, or the session is no longer fresh; `refused` is one that has ended.

        Returns whether there is a session other than `refused`. Raises `CredentialsNeeded` where Kolibri lets the
        user not in, else as `LmsClient.post`.
        """
        async with self._lock:
            known = self._headers
            if known is None or known == refused or self._now() >= self._until:
                await self._sign_in()
            return self._headers is not None and self._headers != refused

    async def about(self) -> Mapping[str, Any]:
        """Return what the server says about itself to anybody."""
        try:
            answer = await self._client.get("/api/public/info/")
        finally:
            await self._rest()
        if not isinstance(answer.body, dict) or answer.body.get("application") != "kolibri":
            raise MalformedAnswer("this is no Kolibri server", where=answer.where)
        return answer.body

    async def _sign_in(self) -> None:
        begun = self._now()
        self._until = 0.0  # sign in anew, now or the next time; what is under way goes on with the old session
        try:
            form = {
                "username": self._settings.username,
                "password": self._settings.password.get_secret_value().rstrip("\r\n"),
            }
            facility = await self._facility()
            if facility:
                form["facility"] = facility
            # Signing in twice does no harm, so that a broken connection is no reason to give up.
            answer = await self._client.post("/api/auth/session/", form, repeatable=True)
        finally:
            await self._rest()
        self._facility_id = facility or _facility_of(answer.body, answer.where)
        self._headers = {"Cookie": f"{COOKIE}={_cookie(answer.headers, answer.where)}"}
        self._until = begun + _FRESH

    async def _facility(self) -> str:
        """Return the id of the facility that the settings name; empty where they name none."""
        wanted = self._settings.facility.strip()
        if not wanted or _ID.fullmatch(wanted):
            return wanted
        answer = await self._client.get("/api/public/v1/facility/")
        found = answer.body if isinstance(answer.body, list) else []
        named = [(str(one.get("name")), str(one.get("id"))) for one in found if isinstance(one, dict)]
        ids = [id_ for name, id_ in named if name == wanted]
        if len(ids) != 1:
            how_many = "several facilities are" if ids else "no facility is"
            known = ", ".join(f"{name!r} ({id_})" for name, id_ in sorted(named)[:10])
            raise CredentialsNeeded(
                f"{how_many} called {wanted!r}; set `facility` to the name or id of one of: {known}"
            )
        return ids[0]

    async def _rest(self) -> None:
        if self._owns:
            await self._client.__aexit__()


def ends_session(response: httpx.Response) -> bool:
    """Tell whether an answer takes the session's cookie back: the session has ended, and a stranger was answered."""
    return _set_cookie(response.headers) == ""


class _StrangerDialect:
    """How Kolibri speaks to somebody who has not signed in."""

    def authorization(self) -> Mapping[str, str]:
        return {}

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        error = standard_error(response, where)
        if error is None or isinstance(error, RetryLater) or "POST" not in where:
            return error
        if response.status_code not in (400, 401, 403):
            return error
        message = f"Kolibri did not let the user in{_said(response)}; check username, password and facility"
        return CredentialsNeeded(message, where=where, status=response.status_code)

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        return None

    def headroom(self, response: httpx.Response) -> float | None:
        return None


def _said(response: httpx.Response) -> str:
    """Return Kolibri's words for the refusal: those that it is known to use, and nothing else."""
    try:
        body = response.json()
    except ValueError:
        return ""
    items = body if isinstance(body, list) else []
    words = [str(item.get("id")) for item in items if isinstance(item, dict) and item.get("id") in _WORDS]
    return f" ({', '.join(words)})" if words else ""


def _set_cookie(headers: httpx.Headers) -> str | None:
    """Return the value that an answer gives the session's cookie; None where it does not touch it."""
    for line in headers.get_list("set-cookie"):
        try:
            found = SimpleCookie(line.strip()).get(COOKIE)
        except CookieError:
            continue
        if found is not None:
            return found.value
    return None


def _cookie(headers: httpx.Headers, where: str) -> str:
    value = _set_cookie(headers)
    if not value:
        raise MalformedAnswer("signing in gave no session; a proxy may hold cookies back", where=where)
    return value


def _facility_of(body: Any, where: str) -> str:
    found = body.get("facility_id") if isinstance(body, dict) else None
    if not isinstance(found, str) or not found:
        raise MalformedAnswer("signing in gave no facility", where=where)
    return found
