"""The HTML documents into which Canvas wraps the texts of a course.

Searched with `find`, not with regular expressions: on a hostile text those take the square of its length.
"""

from __future__ import annotations

import html

__all__ = ["body_of", "title_of"]


def body_of(text: str) -> str:
    """Return what Canvas wrapped into an HTML document; all of it where there is no body."""
    lower = text.lower() if len(text.lower()) == len(text) else text
    begin = _behind(lower, "<body")
    end = lower.rfind("</body>")
    return (text[begin:end] if begin is not None and end >= begin else text).strip("\r\n")


def title_of(text: str) -> str | None:
    """Return the title of an HTML document; None where it has none."""
    lower = text.lower() if len(text.lower()) == len(text) else text
    begin = _behind(lower, "<title")
    end = -1 if begin is None else lower.find("</title>", begin)
    return html.unescape(text[begin:end]).strip() if end >= 0 else None


def _behind(lower: str, tag: str) -> int | None:
    """Return the place behind a tag."""
    at = lower.find(tag)
    end = lower.find(">", at) if at >= 0 else -1
    return end + 1 if end >= 0 else None
