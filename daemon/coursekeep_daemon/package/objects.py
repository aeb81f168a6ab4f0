"""Read what a stored object says about itself, and append to its logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from coursekeep_daemon.package.bag import read_bag_info
from coursekeep_daemon.package.context import Head
from coursekeep_daemon.package.errors import PackageDamaged
from coursekeep_daemon.package.jsontext import to_line
from coursekeep_daemon.package.names import safe_id
from coursekeep_daemon.package.ocfl import INVENTORY, Inventory
from coursekeep_daemon.package.targets.base import Place, join

__all__ = ["append_log", "head", "object_id"]


def head(place: Place, inventory: Inventory, number: int | None = None) -> Head:
    """Return a version, the newest by default. Raises `PackageDamaged` where its descriptions cannot be read."""
    number = number or inventory.head
    version = inventory.versions[number]
    files = inventory.files(number)
    try:
        texts = [place.read(inventory.content(files[name])) for name in ("bag-info.txt", "data/course.json")]
        info = {label: values[0] for label, values in read_bag_info(texts[0]).items()}
        course = json.loads(texts[1])
        octets, _, streams = info["payload-oxum"].partition(".")
        return Head(
            object_id=inventory.id,
            version=number,
            created_at=datetime.fromisoformat(version.created),
            message=version.message,
            path=place.path,
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
            f"Version {number} of the package at {place.address} cannot be read: {error!r}. "
            f"Check it with `coursekeep package verify`."
        ) from error


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdigit() else None


def append_log(place: Place, kind: str, data: Mapping[str, Any]) -> None:
    """Append a line to ``logs/<kind>.jsonl`` of an object and wait until it is kept."""
    place.target.append(join(place.path, f"logs/{safe_id(kind)}.jsonl"), to_line(dict(data)))


def object_id(place: Place) -> str | None:
    """Return the id that an object's inventory names, None where it cannot be read."""
    try:
        return Inventory.parse(place.read(INVENTORY)).id
    except (FileNotFoundError, PackageDamaged):
        return None
