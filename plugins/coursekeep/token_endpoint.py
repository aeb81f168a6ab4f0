"""A token endpoint of OAuth2: how it is asked, and what its answers mean. `oauth` and `refresh` ask it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
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

__all__ = ["ClientAuth", "Grant", "Refused", "TokenEndpoint", "grant_of", "refresh_token_of"]

#: seconds before its end at which a token is fetched anew, so that no request carries one that expires on its way
_EARLY = 60.0
#: seconds that a token counts as good where the endpoint does not say; RFC 6749 only recommends that it does
_UNSAID = 300.0
_LONGEST = 86_400.0
#: bytes of an answer of a token endpoint
_LIMIT = 1024 * 1024
#: what an endpoint calls the seconds for which a refresh token is good; no standard names it
_REFRESH_LASTS = ("refresh_token_expires_in", "refresh_expires_in")
#: no refresh token is believed to be good for longer than ten years
_LONGEST_REFRESH = 3650 * 86_400.0


class ClientAuth(StrEnum):
    """How the client says who it is. The words are those of OpenID Connect."""

    BASIC = "client_secret_basic"
    POST = "client_secret_post"


@dataclass(frozen=True, kw_only=True, slots=True)
class Grant:
    """An access token, and for how many seconds to use it."""

    token: SecretStr
    #: shorter than what the endpoint said, so that no request carries a token that expires on its way
    use_for: float


class Refused(CredentialsNeeded):
    """The endpoint does not give a token. `code` is its word for why, of those that RFC 6749 names; else empty."""

    def __init__(self, message: str, *, code: str, where: str, status: int) -> None:
        super().__init__(message, where=where, status=status)
        self.code = code


class TokenEndpoint:
    """One token endpoint and the client that asks it.

    The secret goes to the endpoint's own origin and nowhere else: a redirect to another host raises `ForeignHost`.
    """

    def __init__(
        self,
        token_url: str,
        client_id: str,
        client_secret: SecretStr | None,
        *,
        auth: ClientAuth = ClientAuth.BASIC,
        retry: RetryPolicy,
        transport: httpx.AsyncBaseTransport | None = None,
        timeout: float = 60.0,
    ) -> None:
        """Take what the endpoint wants. `transport` is for tests that answer themselves; its owner closes it.

        Raises `SettingsError` for an address that is none, or that would carry the secret in clear text.
        """
        origin, self.path = _split(token_url)
        by_header = auth is ClientAuth.BASIC and client_secret is not None
        self._identity: dict[str, str] = {}
        if not by_header:
            self._identity["client_id"] = client_id
            if client_secret is not None:
                self._identity["client_secret"] = client_secret.get_secret_value().strip()
        self._client = LmsClient(
            origin,
            _TokenDialect(client_id, client_secret if by_header else None),
            retry=retry,
            max_concurrency=1,
            timeout=timeout,
            transport=transport,
            json_limit=_LIMIT,
        )
        #: without a transport from outside, no connection is kept between one question and the next
        self._owns = transport is None

    async def ask(self, form: Mapping[str, str], *, repeatable: bool) -> tuple[Any, str]:
        """Ask for a token; return the answer's JSON and what the call is named in errors.

        `repeatable` says whether to ask again, by the policy, once the endpoint may have taken the first question.
        Raises `Refused` where the endpoint gives none, else as `LmsClient.post`.
        """
        try:
            where = "POST the token endpoint"
            body = {**form, **self._identity}
            answer = await self._client.post(self.path, body, repeatable=repeatable, where=where)
        finally:
            if self._owns:
                await self._client.__aexit__()
        return answer.body, answer.where


def grant_of(body: Any, where: str) -> Grant:
    """Read the access token of an answer. Raises `MalformedAnswer`."""
    token = body.get("access_token") if isinstance(body, dict) else None
    if not isinstance(token, str) or not token.strip():
        raise MalformedAnswer("the answer holds no access_token", where=where)
    kind = body.get("token_type", "bearer")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise MalformedAnswer("the token is of another kind than bearer", where=where)
    lasts = min(max(_seconds(body.get("expires_in"), _UNSAID), 0.0), _LONGEST)
    # A token that lives shorter than the margin is used for half of its life.
    return Grant(token=SecretStr(token.strip()), use_for=max(lasts - _EARLY, lasts / 2))


def refresh_token_of(body: Any) -> tuple[SecretStr | None, float | None]:
    """Read the refresh token of an answer, and for how many seconds it is good; None for what the answer leaves out."""
    if not isinstance(body, dict):
        return None, None
    token = body.get("refresh_token")
    lasts = next((_seconds(body[name], 0.0) for name in _REFRESH_LASTS if name in body), 0.0)
    return (
        SecretStr(token.strip()) if isinstance(token, str) and token.strip() else None,
        min(lasts, _LONGEST_REFRESH) if lasts > 0 else None,  # some say 0 for a token without an end
    )


def _seconds(value: Any, unsaid: float) -> float:
    try:
        seconds = float(value)
    except (TypeError, ValueError, OverflowError):
        return unsaid
    return seconds if seconds == seconds else unsaid


class _TokenDialect(BearerDialect):
    """How token endpoints speak (RFC 6749, 2.3.1 and 5.2)."""

    def __init__(self, client_id: str, client_secret: SecretStr | None) -> None:
        super().__init__(client_secret or SecretStr(""))
        self._client_id = client_id

    def authorization(self) -> Mapping[str, str]:
        secret = self._token.get_secret_value().strip()
        if not secret:
            return {}
        # Both are form-encoded before they are joined, so that a colon in either does no harm.
        auth = httpx.BasicAuth(quote_plus(self._client_id), quote_plus(secret))
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
        code = _code(response)
        said = f" ({code})" if code else ""
        message = f"the token endpoint refused the client{said}; check client id, secret and scopes in the settings"
        return Refused(message, code=code, where=where, status=status)


def _code(response: httpx.Response) -> str:
    """Return the endpoint's word for the error: one of those that RFC 6749 names, and nothing else."""
    try:
        body = response.json()
    except ValueError:
        return ""
    word = body.get("error") if isinstance(body, dict) else None
    return word if isinstance(word, str) and word in _WORDS else ""


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
