"""Text out of files as spreadsheets write them."""

from __future__ import annotations

import codecs

__all__ = ["text_of"]


def text_of(data: bytes) -> str | None:
    """Read UTF-8 with or without a byte order mark, UTF-16 with one, else cp1252; None for what is no text."""
    utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    for encoding in ["utf-16"] if utf16 else ["utf-8-sig", "cp1252"]:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    return None
