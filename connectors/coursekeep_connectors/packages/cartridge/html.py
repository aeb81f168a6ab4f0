"""The HTML documents into which Canvas wraps the texts of a course."""

from __future__ import annotations

import re

__all__ = ["body_of"]

_BODY = re.compile(r"<body[^>]*>(.*)</body>", re.DOTALL | re.IGNORECASE)


def body_of(text: str) -> str:
    """Return what Canvas wrapped into an HTML document."""
    found = _BODY.search(text)
    return (found[1] if found else text).strip("\r\n")
