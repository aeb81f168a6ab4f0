"""What Canvas's errors mean: the same status may halt everything or concern one object only."""

from __future__ import annotations

import httpx
import pytest
from fakes.canvas_answers import CanvasAnswers, disabled, forbidden, missing, run
from pydantic import SecretStr

from coursekeep import (
    ConnectorError,
    CredentialsNeeded,
    MalformedAnswer,
    NoAccess,
    NotFound,
    RetryLater,
    Unavailable,
)
from coursekeep_connectors.canvas.client import CanvasDialect

CHALLENGE = {"WWW-Authenticate": 'Bearer realm="canvas-lms"'}
AGENT = {
    "error": "Forbidden",
    "message": "You are not authorized to access this site because you have not provided a valid user agent.",
}


def _errors(message: str) -> dict[str, list[dict[str, str]]]:
    return {"errors": [{"message": message}]}


TABLE: dict[str, tuple[httpx.Response, type[ConnectorError], str]] = {
    "unknown token": (
        httpx.Response(401, json=_errors("Invalid access token."), headers=CHALLENGE),
        CredentialsNeeded,
        "Invalid access token",
    ),
    "expired token": (
        httpx.Response(401, json=_errors("Expired access token."), headers=CHALLENGE),
        CredentialsNeeded,
        "Expired access token",
    ),
    "revoked token": (
        httpx.Response(401, json=_errors("Revoked access token."), headers=CHALLENGE),
        CredentialsNeeded,
        "Revoked access token",
    ),
    "token lacks a scope": (
        httpx.Response(401, json=_errors("Insufficient scopes on access token.")),
        CredentialsNeeded,
        "scope",
    ),
    "no right, older Canvas": (
        httpx.Response(401, json={"status": "unauthorized", **_errors("user not authorized to perform that action")}),
        NoAccess,
        "not authorized",
    ),
    "no right, newer Canvas": (forbidden(), NoAccess, "not authorized"),
    "throttle with 403": (
        httpx.Response(403, text="403 Forbidden (Rate Limit Exceeded)\n", headers={"X-Rate-Limit-Remaining": "0.0"}),
        RetryLater,
        "fewer",
    ),
    "throttle with 429": (
        httpx.Response(429, text="429 Too Many Requests (Rate Limit Exceeded)\n"),
        RetryLater,
        "fewer",
    ),
    "refused User-Agent": (httpx.Response(403, json=AGENT), CredentialsNeeded, "User-Agent"),
    "missing object": (missing(), NotFound, "does not exist"),
    "tab switched off": (disabled(), Unavailable, "switched off"),
    "parameter problem": (httpx.Response(400, json={"message": "invalid export_type"}), MalformedAnswer, "invalid"),
    "validation": (
        httpx.Response(400, json={"errors": {"name": [{"attribute": "name", "message": "too short"}]}}),
        MalformedAnswer,
        "too short",
    ),
    "errors as plain text": (httpx.Response(400, json={"errors": "Invalid as_user_id"}), MalformedAnswer, "as_user_id"),
    "errors as list of texts": (httpx.Response(400, json={"errors": ["x is missing"]}), MalformedAnswer, "missing"),
    "server fault": (httpx.Response(500, json=_errors("An error occurred.")), RetryLater, "500"),
    "gateway with HTML": (httpx.Response(502, html="<h1>Bad gateway</h1>"), RetryLater, "502"),
    "403 with HTML": (httpx.Response(403, html="<h1>Blocked</h1>"), NoAccess, "permit"),
}


@pytest.mark.parametrize(("response", "expected", "said"), TABLE.values(), ids=TABLE.keys())
def test_each_error_means_its_own(response: httpx.Response, expected: type[ConnectorError], said: str) -> None:
    """Every error of Canvas's has one meaning, and its message says what happened."""
    error = CanvasDialect(SecretStr("t")).error(response, "GET /api/v1/x")

    assert type(error) is expected
    assert said in str(error)


def test_throttle_is_told_from_permission() -> None:
    """Both throttles are marked as such, so that they are waited for and not counted as failures."""
    dialect = CanvasDialect(SecretStr("t"))
    answers = [TABLE["throttle with 403"][0], TABLE["throttle with 429"][0], TABLE["server fault"][0]]

    errors = [dialect.error(answer, "x") for answer in answers]

    assert [isinstance(error, RetryLater) and error.throttled for error in errors] == [True, True, False]


@pytest.mark.parametrize(
    ("header", "expected"), [("600.0", 1.0), ("150.0", 0.25), ("-3", 0.0), ("712.5", 1.0), ("x", None)]
)
def test_headroom(header: str, expected: float | None) -> None:
    """What is left of the bucket is read as a share, whatever the case of the header's name."""
    response = httpx.Response(200, headers={"x-rate-limit-remaining": header})

    assert CanvasDialect(SecretStr("t")).headroom(response) == expected


def test_next_link_with_commas_is_followed_verbatim() -> None:
    """A page link is opaque, even with commas and brackets in it, and outcome results keep theirs in `meta`."""
    dialect = CanvasDialect(SecretStr("t"))
    url = "https://canvas.test/api/v1/x?include[]=a,b&page=bookmark:WzFd"
    headers = {"link": f'<https://canvas.test/y>; rel="current",<{url}>; rel="next"'}

    assert dialect.next_page(httpx.Response(200, headers=headers), []) == url
    assert dialect.next_page(httpx.Response(200), {"meta": {"pagination": {"next": "/z"}}}) == "/z"
    assert dialect.next_page(httpx.Response(200), {"meta": {}}) is None


def test_no_secret_in_any_message() -> None:
    """Neither token nor query appear in an error."""
    canvas = CanvasAnswers().on("/api/v1/courses/9", forbidden())

    async def main() -> str:
        with pytest.raises(NoAccess) as raised:
            await canvas.connector().course("9")
        return str(raised.value)

    said = run(main())
    assert "secret-token" not in said
    assert "include" not in said
