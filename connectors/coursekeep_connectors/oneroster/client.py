"""How OneRoster services speak: their errors and their pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx

from coursekeep import (
    BearerDialect,
    ClientCredentials,
    ClientCredentialsDialect,
    ConnectorError,
    CredentialsNeeded,
    Dialect,
    LmsClient,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
    RetryPolicy,
    SettingsError,
    Unavailable,
    next_link,
    retry_after,
    standard_error,
)
from coursekeep_connectors.oneroster.settings import OneRosterSettings, Version

__all__ = ["OneRosterDialect", "OneRosterOAuthDialect", "make_service_client", "root_of", "total_of"]

_PLACE = "/ims/oneroster"
_SAID = 200
_SCOPE = "https://purl.imsglobal.org/spec/or/{version}/scope/{name}.readonly"
_RIGHTS = ("roster-core", "roster", "gradebook-core", "gradebook")
#: the specification's words for errors
_MINOR: Mapping[str, type[ConnectorError]] = {
    "unauthorisedrequest": CredentialsNeeded,
    "forbidden": NoAccess,
    "unknownobject": NotFound,
}
_LATER = frozenset({"server_busy", "internal_server_error"})


class _OneRoster:
    """How OneRoster speaks: imsx status objects, and pages by offset where no link leads on."""

    def error(self, response: httpx.Response, where: str) -> ConnectorError | None:
        """Judge an answer by its status and its imsx words; some services err with status 200."""
        status = response.status_code
        if 200 <= status < 300 and b"imsx_codeMajor" not in response.content[:4096]:
            return None
        body = response.json()
        body = body if isinstance(body, dict) else {}
        body = body["imsx_StatusInfo"] if isinstance(body.get("imsx_StatusInfo"), dict) else body
        if 200 <= status < 300 and body.get("imsx_codeMajor") in (None, "success"):
            return None
        return _meaning(response, where, body)

    def next_page(self, response: httpx.Response, body: Any) -> str | None:
        """Return the linked page; else the next offset, until the stated total or an empty page is reached."""
        link = next_link(response)
        if link:
            return link
        url = response.request.url
        count = next((len(each) for each in body.values() if isinstance(each, list)), 0) if body else 0
        if "limit" not in url.params or not count:
            return None
        reached = int(url.params.get("offset", "0")) + count
        total = total_of(response.headers)
        if reached >= total if total is not None else "link" in response.headers:
            return None
        return str(url.copy_set_param("offset", str(reached)))


class OneRosterDialect(_OneRoster, BearerDialect):
    """OneRoster with a bearer token that somebody has handed out."""


class OneRosterOAuthDialect(_OneRoster, ClientCredentialsDialect):
    """OneRoster with tokens of the client credentials grant."""


def total_of(headers: httpx.Headers) -> int | None:
    """Return how many objects the service says the whole list has."""
    said = headers.get("x-total-count", "").strip()
    return int(said) if said.isascii() and said.isdigit() else None


def root_of(base_url: str) -> str:
    """Return the address below which `/ims/oneroster` lies, whether or not it was written up to there."""
    at = base_url.find(_PLACE)
    return base_url.rstrip("/") if at < 0 else base_url[:at]


def make_service_client(
    settings: OneRosterSettings, *, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy
) -> LmsClient:
    """Make the client that the settings describe. Raises `SettingsError`."""
    return LmsClient(
        root_of(settings.base_url or ""),
        _dialect(settings, transport, retry),
        retry=retry,
        max_concurrency=settings.max_concurrency,
        timeout=settings.timeout,
        contact=settings.contact,
        transport=transport,
    )


def _dialect(settings: OneRosterSettings, transport: httpx.AsyncBaseTransport | None, retry: RetryPolicy) -> Dialect:
    if settings.token is not None:
        return OneRosterDialect(settings.token)
    if settings.oauth_url is None or settings.client_id is None or settings.client_secret is None:
        raise SettingsError("set token, or client_id, client_secret and oauth_url together")
    tokens = ClientCredentials(
        settings.oauth_url,
        settings.client_id,
        settings.client_secret,
        scopes=settings.scopes or _usual_scopes(settings),
        retry=retry,
        transport=transport,
        timeout=settings.timeout,
    )
    return OneRosterOAuthDialect(tokens)


def _usual_scopes(settings: OneRosterSettings) -> tuple[str, ...]:
    version = "v1p1" if settings.version is Version.V1_1 else "v1p2"
    rights = (*_RIGHTS, "roster-demographics") if settings.demographics else _RIGHTS
    return tuple(_SCOPE.format(version=version, name=name) for name in rights)


def _meaning(response: httpx.Response, where: str, body: Mapping[str, Any]) -> ConnectorError:
    status = response.status_code
    minor = _minor(body)
    described = body.get("imsx_description")
    said = f": {described[:_SAID]}" if isinstance(described, str) and described else ""
    if status in (405, 501) or body.get("imsx_codeMajor") == "unsupported":
        return Unavailable(f"the service does not offer this{said}", where=where, status=status)
    if minor in _LATER or status == 429 or status >= 500:
        busy = minor == "server_busy" or status == 429
        message = f"the service cannot answer now{said}"
        return RetryLater(message, where=where, status=status, after=retry_after(response), throttled=busy)
    error = standard_error(response, where)
    kind = type(error) if error is not None else _MINOR.get(minor, MalformedAnswer)
    if kind is CredentialsNeeded:
        message = f"the service does not accept the credentials{said}"
    elif kind is NoAccess:
        message = f"the credentials may not read this{said}"
    elif kind is NotFound:
        message = f"the service says that this does not exist{said}"
    else:
        message = f"the service refused the request{said}"
    return kind(message, where=where, status=status)


def _minor(body: Mapping[str, Any]) -> str:
    found = body.get("imsx_CodeMinor")
    fields = found.get("imsx_codeMinorField") if isinstance(found, dict) else None
    first = fields[0] if isinstance(fields, list) and fields else None
    value = first.get("imsx_codeMinorFieldValue") if isinstance(first, dict) else None
    return str(value or "").lower()
