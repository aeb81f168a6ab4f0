"""Read what a stored object says about itself, and append to its logs."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from coursekeep_daemon.package.bag import read_bag_info
from coursekeep_daemon.package.context import Head
from coursekeep_daemon.package.errors import NoSuchPackage, PackageDamaged
from coursekeep_daemon.package.jsontext import to_line
from coursekeep_daemon.package.names import safe_id
from coursekeep_daemon.package.ocfl import INVENTORY, OBJECT_DECLARATION, Inventory
from coursekeep_daemon.package.storage import storage_errors

__all__ = ["append_log", "content_path", "head", "object_directories", "object_id"]


def content_path(directory: Path, inventory: Inventory, version: int, path: str) -> Path:
    """Return where the bytes of a version's logical path lie. Raises `NoSuchPackage`, `PackageDamaged`."""
    digest = inventory.files(version).get(path)
    if digest is None:
        raise NoSuchPackage(f"Version {version} of package {inventory.id} has no file {path}.")
    return directory / inventory.content(digest)


def head(directory: Path, path: str, inventory: Inventory, number: int | None = None) -> Head:
    """Return a version, the newest by default. Raises `PackageDamaged` where its descriptions cannot be read."""
    number = number or inventory.head
    version = inventory.versions[number]
    files = inventory.files(number)
    try:
        texts = [
            (directory / inventory.content(files[name])).read_bytes() for name in ("bag-info.txt", "data/course.json")
        ]
        info = {label: values[0] for label, values in read_bag_info(texts[0]).items()}
        course = json.loads(texts[1])
        octets, _, streams = info["payload-oxum"].partition(".")
        return Head(
            object_id=inventory.id,
            version=number,
            created_at=datetime.fromisoformat(version.created),
            message=version.message,
            path=path,
            integration=course["integration"],
            course_id=course["id"],
            course_name=course["name"],
            source=course["source"],
            run_id=_number(info.get("x-coursekeep-run")),
            item_id=_number(info.get("x-coursekeep-item")),
            gaps=int(info["x-coursekeep-gaps"]),
            completeness=info["x-coursekeep-completeness"],
            payload_bytes=int(octets),
            payload_files=int(streams),
        )
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise PackageDamaged(
            f"Version {number} of the package at {directory} cannot be read: {error!r}. "
            f"Check it with `coursekeep package verify`."
        ) from error


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def append_log(directory: Path, kind: str, data: Mapping[str, Any]) -> None:
    """Append a line to ``logs/<kind>.jsonl`` of an object and wait until it is on the disk."""
    path = directory / "logs" / f"{safe_id(kind)}.jsonl"
    with storage_errors(path):
        path.parent.mkdir(exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(handle).st_size
            torn = size > 0 and os.pread(handle, 1, size - 1) != b"\n"  # a crash cut the line before
            os.write(handle, (b"\n" if torn else b"") + to_line(dict(data)))
            os.fsync(handle)
        finally:
            os.close(handle)


def object_id(directory: Path) -> str | None:
    """Return the id that an object's inventory names, None where it cannot be read."""
    try:
        return Inventory.parse((directory / INVENTORY).read_bytes()).id
    except (FileNotFoundError, PackageDamaged):
        return None


def object_directories(root: Path) -> Iterator[Path]:
    """Yield the directories of all objects below a storage root, in the order of their paths."""
    for directory, below, files in os.walk(root):
        here = Path(directory)
        if here == root:
            below[:] = sorted(name for name in below if name != "extensions")
        elif OBJECT_DECLARATION[0] in files:
            below.clear()
            yield here
        else:
            below.sort()
