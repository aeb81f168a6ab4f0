"""Words for those who write declarations: what was probably meant."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["close"]


def close(word: str, known: Iterable[str]) -> str:
    """Return `did you mean X?`, or all known words where none is close."""
    words = sorted(known)
    found = get_close_matches(word, words, n=1)
    return f"did you mean {found[0]!r}?" if found else f"known are {', '.join(words)}"
