"""Safe names: what an LMS calls a thing never becomes a path as it is.

Names are made so that they mean the same on every file system, in a bag, in a zip and on a web page. The original
name stays in ``records/files.jsonl``. Nothing here depends on the order in which names are met, so that a second
capture of the same course gives the same paths.
"""

from __future__ import annotations

import hashlib
import re
import unicodedata

__all__ = ["MAX_NAME", "MAX_PATH", "safe_id", "safe_name"]

#: bytes of one name in UTF-8
MAX_NAME = 120
#: bytes of a path below a version's content
MAX_PATH = 240

#: bytes kept of an id that has to be changed, before the dot and the digest
_ID_STEM = 33
_MAX_ID = 50
_MAX_SUFFIX = 16

#: control, format (direction marks, joiners), surrogate, private and unassigned characters, line and paragraph ends
_DROPPED = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})
_RESERVED = re.compile(r'[%\\/:*?"<>|]')
#: hidden files, home directories and options of commands begin with these
_LEADING = re.compile(r"^[ .~-]+")
_TRAILING = re.compile(r"[ .]+$")
#: names that Windows keeps for devices, whatever follows the first dot
_DEVICE = re.compile(r"^(con|prn|aux|nul|clock\$|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\.|$)", re.IGNORECASE)
_PLAIN_ID = re.compile(r"[a-z0-9][a-z0-9_-]*")


def safe_name(name: str, *, limit: int = MAX_NAME) -> str:
    """Return a file name of at most `limit` bytes that keeps as much of `name` as is safe. Never empty.

    Applying it twice changes nothing more.
    """
    return _cut(_clean(name), limit)


def safe_id(source_id: str) -> str:
    """Return a directory name for an id of the LMS; different ids give different names, also where case is ignored.

    Ids of lower-case letters, digits, `_` and `-` stay as they are. All others are cleaned, and a digest of the id is
    added behind a dot, which no unchanged id holds.
    """
    if len(source_id) <= _MAX_ID and _PLAIN_ID.fullmatch(source_id) and not _DEVICE.match(source_id):
        return source_id
    digest = hashlib.sha256(source_id.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    return f"{safe_name(source_id.casefold().replace('.', '_'), limit=_ID_STEM)}.{digest}"


def _clean(name: str) -> str:
    kept = (
        " " if unicodedata.category(char) == "Zs" else char
        for char in name
        if unicodedata.category(char) not in _DROPPED
    )
    text = unicodedata.normalize("NFC", "".join(kept))
    text = _RESERVED.sub("_", text)
    text = _TRAILING.sub("_", _LEADING.sub("_", text))
    if _DEVICE.match(text):
        text = f"_{text}"
    return text or "file"


def _cut(text: str, limit: int) -> str:
    """Shorten to `limit` bytes between characters, keeping a short suffix such as `.pdf`."""
    if len(text.encode()) <= limit:
        return text
    stem, dot, suffix = text.rpartition(".")
    suffix = dot + suffix
    if not stem or len(suffix.encode()) > _MAX_SUFFIX:
        stem, suffix = text, ""
    stem = stem.encode()[: limit - len(suffix.encode())].decode("utf-8", "ignore")
    # without a suffix the cut may leave a blank or a dot at the end; one `_` takes no more room than it
    return stem + suffix if suffix else _TRAILING.sub("_", stem)
