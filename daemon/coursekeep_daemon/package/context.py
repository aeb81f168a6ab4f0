"""The value objects that go into the package room and come out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

__all__ = ["Committed", "Head", "PackageContext"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PackageContext:
    """Who captures, from where and for which run: goes into provenance and bag-info of one version."""

    integration: str
    #: what the connector's `describe()` returns: connector and address, without secrets
    source: Mapping[str, Any]
    #: the institution that keeps the archive
    organization: str
    #: name and version of the software: `Coursekeep/0.1.0`
    software: str
    run_id: int
    item_id: int
    #: when the capture began
    started_at: datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class Head:
    """The newest version of a package, read from the package itself."""

    object_id: str
    version: int
    created_at: datetime
    message: str
    #: path of the object below the archive's root
    path: str
    integration: str
    course_id: str
    course_name: str
    source: Mapping[str, Any]
    run_id: int | None
    item_id: int | None
    #: lines in gaps.jsonl
    gaps: int
    #: `complete` or `partial`
    completeness: str
    payload_bytes: int
    payload_files: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Committed:
    """What `PackageWriter.commit` did."""

    object_id: str
    version: int
    #: path of the object below the archive's root
    path: str
    #: False where the course is the same as in the newest version: then nothing was written
    changed: bool
    created_at: datetime
    gaps: int
    completeness: str
    payload_bytes: int
    payload_files: int
