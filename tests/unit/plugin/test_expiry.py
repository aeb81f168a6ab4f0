"""The end that a token names itself."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from coursekeep.expiry import end_of


def jwt(header: Any, payload: Any) -> str:
    parts = [json.dumps(part).encode() for part in (header, payload)] + [b"signed"]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def test_the_end_of_a_jwt_is_read() -> None:
    """Seconds since 1970, whole or not, are a moment in UTC."""
    assert end_of(SecretStr(jwt({"alg": "none"}, {"exp": 1_800_000_000}))) == datetime(2027, 1, 15, 8, tzinfo=UTC)
    assert end_of(SecretStr(jwt({"alg": "RS256"}, {"exp": 0.5}))) is not None


@pytest.mark.parametrize(
    "token",
    [
        "",
        "7~made-up",
        "a.b.c",
        "é.é.é",
        "..",
        jwt({"alg": "RS256"}, {}),
        jwt({"alg": "RS256"}, {"exp": "tomorrow"}),
        jwt({"alg": "RS256"}, {"exp": True}),
        jwt({"alg": "RS256"}, {"exp": 1e300}),
        jwt({"alg": "RS256"}, {"exp": float("nan")}),
        jwt({"alg": "RS256"}, [1]),
        jwt({"typ": "JWT"}, {"exp": 1_800_000_000}),
        jwt({"alg": "RS256"}, {"exp": 1, "padding": "x" * 70_000}),
    ],
)
def test_what_names_no_end_has_none(token: str) -> None:
    """Other tokens, and JWTs that are damaged or name no moment, have no known end."""
    assert end_of(SecretStr(token)) is None
