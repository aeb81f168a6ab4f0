"""BagIt 1.0 (RFC 8493): the texts of a bag's tag files, written and read."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

__all__ = [
    "BAGIT_TXT",
    "MANIFEST",
    "TAG_MANIFEST",
    "BadManifest",
    "bag_info",
    "escapes",
    "manifest",
    "read_bag_info",
    "read_manifest_line",
]

BAGIT_TXT = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
MANIFEST = "manifest-sha512.txt"
TAG_MANIFEST = "tagmanifest-sha512.txt"

_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(.+)")
_DRIVE = re.compile(r"[A-Za-z]:")


class BadManifest(ValueError):
    """A line of a manifest cannot be read, or names a path outside of the bag."""


def manifest(digests: Mapping[str, str]) -> Iterator[bytes]:
    """Yield the lines of a manifest for paths and their digests, sorted by path."""
    for path in sorted(digests):
        encoded = path.replace("%", "%25").replace("\n", "%0A").replace("\r", "%0D")
        yield f"{digests[path]}  {encoded}\n".encode()


def bag_info(fields: Iterable[tuple[str, str]]) -> bytes:
    """Write bag-info.txt. Values become one line each; empty ones are left out."""
    lines = []
    for label, value in fields:
        text = " ".join(value.encode("utf-8", "replace").decode().split())
        if text:
            lines.append(f"{label}: {text}\n")
    return "".join(lines).encode()


def read_bag_info(data: bytes) -> dict[str, list[str]]:
    """Read bag-info.txt into lists of values per label in lower case. Lines that are no fields are ignored."""
    fields: dict[str, list[str]] = {}
    label = ""
    for line in data.decode("utf-8", "replace").splitlines():
        if line[:1] in (" ", "\t") and label:
            fields[label][-1] += " " + line.strip()
        elif ":" in line:
            name, _, value = line.partition(":")
            label = name.strip().lower()
            fields.setdefault(label, []).append(value.strip())
    return fields


def read_manifest_line(line: str) -> tuple[str, str]:
    """Return digest and path of a manifest's line. Raises `BadManifest`, also for a path that leaves the bag."""
    found = _LINE.fullmatch(line)
    if found is None:
        raise BadManifest(f"not a line of digest and path: {line[:100]!r}")
    path = re.sub("%0[Aa]", "\n", found[2])
    path = re.sub("%0[Dd]", "\r", path).replace("%25", "%").removeprefix("./")
    if escapes(path):
        raise BadManifest(f"the path {path!r} leads out of the bag")
    return found[1].lower(), path


def escapes(path: str) -> bool:
    """Tell whether a path is absolute, leads upwards, or means something else on another system."""
    return (
        not path
        or path.startswith(("/", "\\", "~"))
        or _DRIVE.match(path) is not None
        or "\0" in path
        or any(part in ("", ".", "..") for part in path.replace("\\", "/").split("/"))
    )
