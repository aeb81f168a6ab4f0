"""JSON as it stands in packages: the same value always gives the same bytes.

Keys are sorted, text is UTF-8, lines end in LF. Characters that UTF-8 cannot hold (lone surrogates, which an LMS can
send as ``\\ud800``) or that some readers take for the end of a line are written as JSON escapes, so that reading the
JSON gives back exactly what the LMS sent. Times are RFC 3339 in UTC with `Z`, with a fraction only where there is one.
"""

from __future__ import annotations

import json
import math
import re
from datetime import UTC, datetime
from typing import Any

__all__ = ["NotJson", "finite", "pretty", "rfc3339", "to_line"]

#: lone surrogates; delete and C1 controls (0x85 ends a line for some); line and paragraph separators
_TO_ESCAPE = re.compile("[\x7f-\x9f\u2028\u2029\ud800-\udfff]")


class NotJson(ValueError):
    """The value cannot be written as JSON."""


def rfc3339(moment: datetime) -> str:
    """Write an aware time in UTC: `2026-01-31T23:59:59Z`. Raises ValueError for a time without zone."""
    if moment.tzinfo is None:
        raise NotJson(f"the time {moment.isoformat()} has no zone")
    try:
        text = moment.astimezone(UTC).isoformat()
    except OverflowError:  # the first or last day of the calendar in another zone
        return moment.isoformat()
    return text.replace("+00:00", "Z")


def _default(value: object) -> str:
    if isinstance(value, datetime):
        return rfc3339(value)
    raise NotJson(f"a {type(value).__name__} is not JSON")


_compact = json.JSONEncoder(
    sort_keys=True, ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_default
).encode
_indented = json.JSONEncoder(sort_keys=True, ensure_ascii=False, indent=2, allow_nan=False, default=_default).encode


def _bytes(text: str) -> bytes:
    if not text.isascii() or "\x7f" in text:
        text = _TO_ESCAPE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
    return text.encode() + b"\n"


def _encode(encoder: Any, value: object) -> bytes:
    try:
        return _bytes(encoder(value))
    except NotJson:
        raise
    except RecursionError:
        raise NotJson("it is nested too deeply") from None
    except (TypeError, ValueError) as error:
        raise NotJson(str(error)) from error


def to_line(value: object) -> bytes:
    """Write one line of JSON Lines. Raises `NotJson` for what JSON cannot hold, such as NaN."""
    return _encode(_compact, value)


def pretty(value: object) -> bytes:
    """Write a JSON file for people."""
    return _encode(_indented, value)


def finite(value: object) -> object:
    """Copy the value with NaN and the infinities, which JSON has no word for, replaced by their names as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value
