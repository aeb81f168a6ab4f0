"""OAuth2 for connectors: tokens that are fetched when needed, kept until shortly before they expire, and never shown.

::

    tokens = ClientCredentials(token_url, client_id, client_secret, scopes=(...), retry=retry, transport=transport)
    client = LmsClient(base_url, ClientCredentialsDialect(tokens), retry=retry, transport=transport)

A dialect that has such a flow says so by `RenewingDialect`: `LmsClient` then awaits it before a request is sent, and
once more after the LMS has refused a token that may have been revoked or forgotten meanwhile.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote_plus

import httpx
from pydantic import SecretStr

from coursekeep.dialect import BearerDialect, standard_error
from coursekeep.errors import (
    ConnectorError,
    CredentialsNeeded,
    MalformedAnswer,
    NoAccess,
    NotFound,
    SettingsError,
)
from coursekeep.http import LmsClient
from coursekeep.retry import RetryPolicy

__all__ = ["ClientCredentials", "ClientCredentialsDialect"]

#: seconds before its end at which a token is fetched anew, so that no request carries one that expires on its way
_EARLY = 60.0
#: seconds that a token counts as good where the endpoint does not say; RFC 6749 only recommends that it does
_UNSAID = 300.0
_LONGEST = 86_400.0
#: bytes of an answer of a token endpoint
_LIMIT = 1024 * 1024


class ClientCredentials:
    """The client credentials grant (RFC 6749, 4.4) with HTTP Basic authentication.

    One token at a time, shared by all requests; whoever comes while it is being fetched waits for it. The secret goes
    to the token endpoint's own origin and nowhere else: a redirect to another host raises `ForeignHost`.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: SecretStr,
        *,
        scopes: Sequence[str] = (),
        retry: RetryPolicy,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = 60.0,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take what the token endpoint wants. `transport` is for tests that answer themselves; its owner closes it.

        Raises `SettingsError` for an address that is none, or that would carry the secret in clear text.
        """
        origin, self._path = _split(token_url)
        self._client = LmsClient(
            origin,
            _TokenDialect(client_id, client_secret),
            retry=retry,
            max_concurrency=1,
            timeout=timeout,
            transport=transport,
            json_limit=_LIMIT,
        )
        #: without a transport from outside, no connection is kept between one fetch and the next
        self._owns = transport is None
        self._scopes = tuple(scopes)
        self._now = now
        self._lock = asyncio.Lock()
        self._token: SecretStr | None = None
        self._until = 0.0

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._path!r})"

    def token(self) -> SecretStr:
        """Return the token. Raises `CredentialsNeeded` where none has been fetched."""
        if self._token is None:
            raise CredentialsNeeded("no token has been fetched yet")
        return self._token

    async def renew(self, refused: str | None = None) -> bool:
        """Fetch a token where there is none, or only one that is about to expire; `refused` is one not to use again.

        Returns whether there is a token other than `refused`. Raises `CredentialsNeeded` where the endpoint does not
        accept the client, else as `LmsClient.post`.
        """
        async with self._lock:
            known = None if self._token is None else self._token.get_secret_value()
            if known is None or known == refused or self._now() >= self._until:
                await self._fetch()
            return self._token is not None and self._token.get_secret_value() != refused

    async def _fetch(self) -> None:
        form: dict[str, str] = {"grant_type": "client_credentials"}
        if self._scopes:
            form["scope"] = " ".join(self._scopes)
        self._token = None
        asked = self._now()
        # Asking for a token twice does no harm, so that a broken connection is no reason to give up.
        try:
            answer = await self._client.post(self._path, form, repeatable=True, where="POST the token endpoint")
        finally:
            if self._owns:
                await self._client.__aexit__()
        token, lasts = _grant(answer.body, answer.where)
        self._token = token
        # A token that lives shorter than the margin is used for half of its life.
        self._until = asked + max(lasts - _EARLY, lasts / 2)


class ClientCredentialsDialect(BearerDialect):
    """A bearer dialect whose token comes from `ClientCredentials`. Subclass it where an LMS differs."""

    def __init__(self, tokens: ClientCredentials) -> None:
        super().__init__(SecretStr(""))
        self._tokens = tokens

    def authorization(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self._tokens.token().get_secret_value()}"}

    async def renew(self, refused: Mapping[str, str] | None = None) -> bool:
        """Make sure of a token, other than the one in these headers."""
        said = (refused or {}).get("Authorization")
        return await self._tokens.renew(None if said is None else said.removeprefix("Bearer "))


class _TokenDialect(BearerDialect):
    """How token endpoints speak (RFC 6749, 2.3.1 and 5.2)."""

    def __init__(self, client_id: str, client_secret: SecretStr) -> None:
        super().__init__(client_secret)
        self._client_id = client_id

    def authorization(self) -> Mapping[str, str]:
        # Both are form-encoded before they are joined, so that a colon in either does no harm.
        secret = quote_plus(self._token.get_secret_value().strip())
        auth = httpx.BasicAuth(quote_plus(self._client_id), secret)
        request = next(auth.sync_auth_flow(httpx.Request("GET", "http://localhost")))
        return {"Authorization": request.headers["Authorization"]}

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        error = standard_error(response, where)
        if error is None or not isinstance(error, NoAccess | NotFound | MalformedAnswer | CredentialsNeeded):
            return error
        status = response.status_code
        if isinstance(error, NotFound):
            message = "there is no token endpoint at this address; check it in the settings"
            return CredentialsNeeded(message, where=where, status=status)
        said = _code(response)
        message = f"the token endpoint refused the client{said}; check client id, secret and scopes in the settings"
        return CredentialsNeeded(message, where=where, status=status)


def _code(response: httpx.Response) -> str:
    """Return the endpoint's word for the error: one of those that RFC 6749 names, and nothing else."""
    try:
        body = response.json()
    except ValueError:
        return ""
    word = body.get("error") if isinstance(body, dict) else None
    return f" ({word})" if word in _WORDS else ""


_WORDS = frozenset(
    {
        "invalid_client",
        "invalid_grant",
        "invalid_request",
        "invalid_scope",
        "unauthorized_client",
        "unsupported_grant_type",
    }
)


def _grant(body: Any, where: str) -> tuple[SecretStr, float]:
    token = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token.strip():
        raise MalformedAnswer("the answer holds no access_token", where=where)
    kind = body.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise MalformedAnswer("the token is of another kind than bearer", where=where)
    try:
        lasts = float(body.get("expires_in", _UNSAID))
    except (TypeError, ValueError):
        lasts = _UNSAID
    return SecretStr(token.strip()), min(max(lasts, 0.0), _LONGEST) if lasts == lasts else _UNSAID


def _split(token_url: str) -> tuple[str, str]:
    try:
        url = httpx.URL(token_url.strip())
    except httpx.InvalidURL:
        raise SettingsError("the token address is no address; write it like https://sso.example.edu/token") from None
    if url.scheme not in ("http", "https") or not url.host or url.userinfo or url.fragment:
        raise SettingsError("the token address must begin with https:// and hold neither user name nor fragment")
    if url.scheme == "http" and url.host not in ("127.0.0.1", "::1", "localhost"):
        raise SettingsError("the token address must begin with https://, or the client secret could be read on its way")
    origin = f"{url.scheme}://{url.netloc.decode('ascii')}"
    return origin, url.raw_path.decode("ascii")
