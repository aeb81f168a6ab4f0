"""When a bearer token ends, where the token itself says so."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

__all__ = ["end_of"]

#: no token of an LMS is longer, and nothing longer is worth decoding
_LONGEST = 64 * 1024


def end_of(token: SecretStr) -> datetime | None:
    """Return the `exp` of a token that is a JWT (RFC 7519, 4.1.4); None for any other, and for one that names no end.

    The signature is not checked, which takes a key: a token that lies about its end is the LMS's to refuse.
    """
    parts = token.get_secret_value().strip().split(".")
    if len(parts) != 3 or sum(map(len, parts)) > _LONGEST or "alg" not in _json(parts[0]):
        return None
    said = _json(parts[1]).get("exp")
    if isinstance(said, bool) or not isinstance(said, int | float):
        return None
    try:
        return datetime.fromtimestamp(said, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def _json(part: str) -> dict[str, Any]:
    try:
        found = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
