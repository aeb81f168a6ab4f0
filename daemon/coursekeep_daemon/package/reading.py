"""Read what a version says of itself: its completeness, and its gaps. Nothing is told that fails its checksum."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from coursekeep_daemon.package.completeness import KindCount, Status
from coursekeep_daemon.package.errors import PackageDamaged
from coursekeep_daemon.package.ocfl import Inventory
from coursekeep_daemon.package.storage import storage_errors
from coursekeep_daemon.package.targets.base import Place

__all__ = ["NamedGap", "NamedGaps", "StatedCompleteness", "read_completeness", "read_gaps"]

#: more than any line that Coursekeep writes into these two files, so that a damaged one cannot fill the memory
_LONGEST_LINE = 1 << 24
_MOST_LINES = 10_000

_COUNTS = ("captured", "gaps", "gaps_of_unknown_size", "incomplete_records", "surplus")


@dataclass(frozen=True, kw_only=True, slots=True)
class StatedCompleteness:
    """What the completeness.json of one version says."""

    version: int
    status: Status
    #: lines in gaps.jsonl
    gaps: int
    #: by the word of the kind, in the order of the file; a kind may be one that this release does not know
    kinds: Mapping[str, KindCount]


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedGap:
    """One line of gaps.jsonl."""

    kind: str
    #: None for the kind as a whole
    id: str | None
    reason: str
    detail: str
    #: records that it accounts for; 0 where it is only a part of one, None where unknown
    count: int | None


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedGaps:
    """The gaps of one version: the first of them, and how many there are."""

    version: int
    total: int
    first: tuple[NamedGap, ...]


def read_completeness(place: Place, inventory: Inventory, version: int) -> StatedCompleteness:
    """Return what a version's completeness.json says. Raises `PackageDamaged`, `StorageUnavailable`."""
    lines: list[bytes] = []
    for line in _lines(place, inventory, version, "data/completeness.json"):
        lines.append(line)
        if len(lines) > _MOST_LINES:
            raise _damaged(inventory, version, "completeness.json is far longer than it can be")
    try:
        body = json.loads(b"".join(lines))
        return StatedCompleteness(
            version=version,
            status=Status(body["status"]),
            gaps=_number(body["gaps"]),
            kinds={str(kind): _kind_count(count) for kind, count in body["kinds"].items()},
        )
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(inventory, version, f"completeness.json makes no sense ({error!r})") from error


def read_gaps(place: Place, inventory: Inventory, version: int, limit: int) -> NamedGaps:
    """Return the first gaps of a version, and how many it has. Raises `PackageDamaged`, `StorageUnavailable`.

    The file is read to its end all the same: only then do its checksum and the number of its lines hold.
    """
    first: list[bytes] = []
    total = 0
    for line in _lines(place, inventory, version, "data/gaps.jsonl"):
        total += 1
        if len(first) < limit:
            first.append(line)
    try:
        return NamedGaps(version=version, total=total, first=tuple(_gap(json.loads(line)) for line in first))
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise _damaged(inventory, version, f"gaps.jsonl makes no sense ({error!r})") from error


def _lines(place: Place, inventory: Inventory, version: int, path: str) -> Iterator[bytes]:
    """Yield the lines of a version's file. Raises `PackageDamaged` at the end where they are not those that were
    written, so nothing may be told of them before."""
    digest = inventory.files(version).get(path)
    if digest is None:
        raise _damaged(inventory, version, f"{path} is not in its inventory")
    stored = inventory.content(digest)
    found = hashlib.sha512(usedforsecurity=False)
    try:
        with place.open(stored) as opened:
            while line := opened.file.readline(_LONGEST_LINE):
                found.update(line)
                yield line
    except FileNotFoundError as error:
        raise _damaged(inventory, version, f"{path} is missing") from error
    except OSError as error:
        with storage_errors(f"{place.address}/{stored}"):
            raise error
    if found.hexdigest() != digest:
        raise _damaged(inventory, version, f"{path} does not match its checksum")


def _damaged(inventory: Inventory, version: int, what: str) -> PackageDamaged:
    return PackageDamaged(
        f"Version {version} of package {inventory.id} cannot be read: {what}. Verify the package, and restore what is "
        "damaged from a copy."
    )


def _kind_count(count: Mapping[str, Any]) -> KindCount:
    return KindCount(
        expected=None if count["expected"] is None else _number(count["expected"]),
        **{name: _number(count[name]) for name in _COUNTS},
        status=Status(count["status"]),
        basis=tuple(str(each) for each in count["basis"]),
        reasons={str(reason): _number(lines) for reason, lines in count["reasons"].items()},
        remark=str(count["remark"]),
    )


def _gap(line: Mapping[str, Any]) -> NamedGap:
    missing = line["count"]
    return NamedGap(
        kind=str(line["kind"]),
        id=None if line["id"] is None else str(line["id"]),
        reason=str(line["reason"]),
        detail=str(line["detail"] or ""),
        count=None if missing is None else _number(missing),
    )


def _number(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    raise ValueError(f"{value!r} is no count")
