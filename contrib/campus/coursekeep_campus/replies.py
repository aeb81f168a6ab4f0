"""What a handler hands back: an answer, or an error in one of Canvas's many shapes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = [
    "ApiError",
    "Raw",
    "Reply",
    "bad_request",
    "disabled",
    "dump",
    "no_right",
    "not_found",
    "rejected_token",
    "too_few_scopes",
    "unauthenticated",
]

_REALM = {"www-authenticate": 'Bearer realm="canvas-lms"'}


class Raw(bytes):
    """A piece of JSON that is text already."""

    __slots__ = ()


@dataclass(slots=True)
class Reply:
    """An answer before it is sent. `body` may still hold `ORIGIN`."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json; charset=utf-8"
    #: what the answer cost the LMS, in Canvas's units, besides a constant
    cost: float = 0.0


class ApiError(Exception):
    """Ends a handler with an error answer."""

    def __init__(self, status: int, body: Any, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status, body)
        self.reply = Reply(dump(body), status, dict(headers or {}))


def dump(value: Any) -> bytes:
    """Write a value as JSON."""
    if isinstance(value, Raw):
        return value
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def unauthenticated() -> ApiError:
    """Make the answer to a request without credentials."""
    body = {"status": "unauthenticated", "errors": [{"message": "user authorization required"}]}
    return ApiError(401, body, _REALM)


def rejected_token(word: str) -> ApiError:
    """Make the answer to a bad token; `word` is Invalid, Expired or Revoked."""
    tail = " access token."
    return ApiError(401, {"errors": [{"message": word + tail}]}, _REALM)


def too_few_scopes() -> ApiError:
    """Make the answer to a token that lacks a scope: 401, but without `WWW-Authenticate`."""
    return ApiError(401, {"errors": [{"message": "Insufficient scopes on access token."}]})


def no_right(status: int) -> ApiError:
    """Make the answer to a user without the right: 401 in older Canvas, 403 in newer, never `WWW-Authenticate`."""
    body = {"status": "unauthorized", "errors": [{"message": "user not authorized to perform that action"}]}
    return ApiError(status, body)


def not_found() -> ApiError:
    """Make the answer for what does not exist."""
    return ApiError(404, {"errors": [{"message": "The specified resource does not exist."}]})


def disabled() -> ApiError:
    """Make the answer of a part that is switched off in the course."""
    return ApiError(404, {"message": "That page has been disabled for this course"})


def bad_request(body: Any) -> ApiError:
    """Make the answer to a bad parameter; Canvas has several shapes for it."""
    return ApiError(400, body)
