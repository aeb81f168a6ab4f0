"""How Canvas speaks: its credentials, its errors, its page links and its throttle.

The same status means different things in Canvas: 401 and 403 may be a bad token, a missing right, a throttle or a
refused User-Agent. What happens next differs for each, so the body and headers decide.
"""

from __future__ import annotations

import json
from typing import Any

import httpx

from coursekeep import (
    BearerDialect,
    ClientAuth,
    ConnectorError,
    CredentialsNeeded,
    Dialect,
    LmsClient,
    MalformedAnswer,
    NoAccess,
    NotFound,
    OAuthDialect,
    RefreshToken,
    RetryLater,
    RetryPolicy,
    SettingsError,
    Unavailable,
    next_link,
    retry_after,
)
from coursekeep_connectors.canvas.settings import CanvasSettings

__all__ = ["CanvasDialect", "CanvasOAuthDialect", "make_canvas_client"]

#: Canvas's leaky bucket holds 600 to 700 units of work; its header counts down from there
_BUCKET = 600.0
_THROTTLED = "rate limit exceeded"
#: where Canvas hands out access tokens, below its own address
_TOKEN_ENDPOINT = "/login/oauth2/token"  # noqa: S105  # an address


class _Canvas:
    """How Canvas speaks: Link header, its bucket, and errors of many shapes."""

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        """Judge an answer by status, body and WWW-Authenticate."""
        status = response.status_code
        if status < 400:
            return None
        if status == 401:
            return _unauthorized(response, where)
        if status == 403:
            return _forbidden(response, where)
        if status == 404:
            return _missing(response, where)
        if status == 429:
            return _throttled(response, where)
        if status == 408 or status >= 500:
            return RetryLater(f"Canvas answered {status}", where=where, status=status, after=retry_after(response))
        said = _message(response) or "no reason given"
        return MalformedAnswer(f"Canvas refused the request with {status}: {said}", where=where, status=status)

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        """Return the opaque `rel="next"` address; outcome results carry theirs in `meta`."""
        link = next_link(response)
        if link:
            return link
        meta = body.get("meta") if isinstance(body, dict) else None
        pagination = meta.get("pagination") if isinstance(meta, dict) else None
        following = pagination.get("next") if isinstance(pagination, dict) else None
        return following if isinstance(following, str) and following else None

    def headroom(self, response: httpx.Response) -> float | None:
        """Return what is left of Canvas's bucket."""
        try:
            remaining = float(response.headers["x-rate-limit-remaining"])
        except (KeyError, ValueError):
            return None
        return min(1.0, max(0.0, remaining / _BUCKET))


class CanvasDialect(_Canvas, BearerDialect):
    """Canvas with an access token that somebody has made."""


class CanvasOAuthDialect(_Canvas, OAuthDialect):
    """Canvas with access tokens of an hour, which a refresh token of a developer key fetches."""


def make_canvas_client(
    settings: CanvasSettings, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy
) -> LmsClient:
    """Make the client that the settings describe. Raises `SettingsError`."""
    return LmsClient.for_settings(settings, _dialect(settings, transport, retry), retry=retry, transport=transport)


def _dialect(settings: CanvasSettings, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> Dialect:
    if settings.token is not None:
        return CanvasDialect(settings.token)
    if settings.client_id is None or settings.client_secret is None or settings.refresh_token is None:
        raise SettingsError("set token, or client_id, client_secret and refresh_token together")
    tokens = RefreshToken(
        settings.base_url.rstrip("/") + _TOKEN_ENDPOINT,
        settings.refresh_token,
        client_id=settings.client_id,
        client_secret=settings.client_secret,
        client_auth=ClientAuth.POST,
        keeper=settings.token_keeper(),
        retry=retry,
        transport=transport,
        timeout=settings.timeout,
    )
    return CanvasOAuthDialect(tokens)


def _unauthorized(response: httpx.Response, where: str) -> ConnectorError:
    said = _message(response)
    if "insufficient scopes" in said.lower():
        advice = "give the developer key the scope of this call, or turn scope enforcement off"
        return CredentialsNeeded(f"the token lacks a scope; {advice}", where=where, status=401)
    if "www-authenticate" not in response.headers:
        return NoAccess(f"Canvas does not permit this: {said or 'unauthorized'}", where=where, status=401)
    advice = "make a new token in Canvas and put it into the settings"
    said = said.rstrip(".") or "unauthorized"
    return CredentialsNeeded(f"Canvas refuses the token: {said}; {advice}", where=where, status=401)


def _forbidden(response: httpx.Response, where: str) -> ConnectorError:
    if _THROTTLED in response.text.lower():
        return _throttled(response, where)
    said = _message(response)
    if "user agent" in said.lower():
        # Nothing will work until somebody acts, so the integration halts and its items stay queued.
        advice = "a proxy between here and Canvas probably removes the User-Agent header"
        return CredentialsNeeded(
            f"Canvas refuses requests without a valid User-Agent; {advice}", where=where, status=403
        )
    return NoAccess(f"Canvas does not permit this: {said or 'forbidden'}", where=where, status=403)


def _missing(response: httpx.Response, where: str) -> ConnectorError:
    if "disabled" in _message(response).lower():
        return Unavailable("this part is switched off in the course", where=where, status=404)
    return NotFound("Canvas says that this does not exist", where=where, status=404)


def _throttled(response: httpx.Response, where: str) -> RetryLater:
    status = response.status_code
    return RetryLater(
        "Canvas asks for fewer requests", where=where, status=status, after=retry_after(response), throttled=True
    )


def _message(response: httpx.Response) -> str:
    """Find the message in any of Canvas's error shapes: object, list of objects or texts, hash by field, plain text."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    return "; ".join(_sentences(body, depth=0))[:300]


def _sentences(value: Any, *, depth: int) -> list[str]:
    if isinstance(value, str):
        return [value]
    if depth > 4:
        return []
    if isinstance(value, list):
        return [line for item in value for line in _sentences(item, depth=depth + 1)]
    if isinstance(value, dict):
        named = [value[key] for key in ("message", "errors") if key in value]
        if not named:
            named = [value["error"]] if "error" in value else list(value.values())
        return [line for item in named for line in _sentences(item, depth=depth + 1)]
    return []
