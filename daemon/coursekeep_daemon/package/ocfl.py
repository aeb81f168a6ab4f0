"""OCFL 1.1: the layout of a storage root, and inventories."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from coursekeep_daemon.package.errors import NoSuchPackage, PackageDamaged
from coursekeep_daemon.package.jsontext import rfc3339

__all__ = [
    "INVENTORY",
    "LAYOUT",
    "LAYOUT_FILES",
    "OBJECT_DECLARATION",
    "ROOT_DECLARATION",
    "SIDECAR",
    "Inventory",
    "Version",
    "object_path",
    "sidecar",
    "sidecar_matches",
]

INVENTORY = "inventory.json"
SIDECAR = "inventory.json.sha512"
OBJECT_DECLARATION = ("0=ocfl_object_1.1", b"ocfl_object_1.1\n")
ROOT_DECLARATION = ("0=ocfl_1.1", b"ocfl_1.1\n")
LAYOUT = "0003-hash-and-id-n-tuple-storage-layout"
_TYPE = "https://ocfl.io/1.1/spec/#inventory"


def _json(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, indent=2, ensure_ascii=False).encode() + b"\n"


#: what tells OCFL tools where in a storage root an object lies
LAYOUT_FILES: Mapping[str, bytes] = {
    "ocfl_layout.json": _json(
        {
            "extension": LAYOUT,
            "description": "Three directories of three hexadecimal digits of the SHA-256 of the object's id, "
            "then the percent-encoded id.",
        }
    ),
    f"extensions/{LAYOUT}/config.json": _json(
        {"extensionName": LAYOUT, "digestAlgorithm": "sha256", "tupleSize": 3, "numberOfTuples": 3}
    ),
}


def object_path(object_id: str) -> str:
    """Return where below the storage root an object lies, by layout extension 0003."""
    digest = hashlib.sha256(object_id.encode()).hexdigest()
    name = re.sub("[^A-Za-z0-9_-]", lambda found: "".join(f"%{byte:02x}" for byte in found[0].encode()), object_id)
    if len(name) > 100:
        name = f"{name[:100]}-{digest}"
    return f"{digest[:3]}/{digest[3:6]}/{digest[6:9]}/{name}"


def sidecar(inventory: bytes) -> bytes:
    """Return the text of an inventory's sidecar file."""
    return f"{hashlib.sha512(inventory, usedforsecurity=False).hexdigest()} {INVENTORY}\n".encode()


def sidecar_matches(inventory: bytes, text: bytes) -> bool:
    """Tell whether a sidecar belongs to an inventory."""
    return text.split() == sidecar(inventory).split()


@dataclass(frozen=True, kw_only=True, slots=True)
class Version:
    """One version of an object: when, why, by whom, and which paths it consists of."""

    created: str
    message: str
    user: Mapping[str, str]
    #: digest -> logical paths
    state: Mapping[str, list[str]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Inventory:
    """An object's inventory: its versions, and where each digest's bytes lie."""

    id: str
    head: int
    #: digest -> paths below the object
    manifest: Mapping[str, list[str]]
    versions: Mapping[int, Version]
    #: digests of other algorithms; kept as found
    fixity: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, data: bytes) -> Inventory:
        """Read an inventory of ours. Raises `PackageDamaged` where it makes no sense."""
        try:
            body = json.loads(data)
            if body["digestAlgorithm"] != "sha512" or body.get("contentDirectory", "content") != "content":
                raise PackageDamaged(
                    "The inventory uses another digest algorithm or content directory than Coursekeep."
                )
            versions = {
                int(name.removeprefix("v")): Version(
                    created=str(version["created"]),
                    message=str(version.get("message", "")),
                    user=dict(version.get("user", {})),
                    state={digest: list(paths) for digest, paths in version["state"].items()},
                )
                for name, version in body["versions"].items()
            }
            head = int(body["head"].removeprefix("v"))
            if sorted(versions) != list(range(1, head + 1)):
                raise PackageDamaged(f"The inventory's versions are not v1 to v{head}.")
            return cls(
                id=str(body["id"]),
                head=head,
                manifest={digest: list(paths) for digest, paths in body["manifest"].items()},
                versions=versions,
                fixity=body.get("fixity", {}),
            )
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
            raise PackageDamaged(f"The inventory cannot be read: {error!r}.") from error

    def to_bytes(self) -> bytes:
        """Write inventory.json; the same inventory always gives the same bytes."""
        body: dict[str, Any] = {
            "id": self.id,
            "type": _TYPE,
            "digestAlgorithm": "sha512",
            "contentDirectory": "content",
            "head": f"v{self.head}",
            "manifest": {digest: sorted(paths) for digest, paths in self.manifest.items()},
            "versions": {
                f"v{number}": {
                    "created": version.created,
                    "message": version.message,
                    "user": dict(version.user),
                    "state": {digest: sorted(paths) for digest, paths in version.state.items()},
                }
                for number, version in self.versions.items()
            },
        }
        if self.fixity:
            body["fixity"] = self.fixity
        return _json(body)

    def version(self, number: int | None) -> int:
        """Return the number of an existing version, head for None. Raises `NoSuchPackage`."""
        number = self.head if number is None else number
        if number not in self.versions:
            raise NoSuchPackage(f"Package {self.id} has no version {number}; it has 1 to {self.head}.")
        return number

    def files(self, number: int) -> dict[str, str]:
        """Return the logical paths of a version with their digests."""
        state = self.versions[number].state
        return {path: digest for digest, paths in state.items() for path in paths}

    def content(self, digest: str) -> str:
        """Return where below the object the bytes of a digest lie. Raises `PackageDamaged`."""
        paths = self.manifest.get(digest)
        if not paths:
            raise PackageDamaged(f"The inventory of {self.id} names no stored file for digest {digest[:16]}...")
        return min(paths)

    def next(
        self, files: Mapping[str, str], *, created: datetime, message: str, user: Mapping[str, str], folder: str = ""
    ) -> tuple[Inventory, dict[str, str]]:
        """Return the inventory with one version more, and which of its logical paths have to be stored.

        `files` are the new version's logical paths with their digests. Bytes that an earlier version stores are not
        stored again. Within a new object every path is stored, so that ``v1/content`` is a whole bag by itself. The new
        bytes lie below ``vN/content/<folder>``; `folder` is empty or ends in `/`.
        """
        number = self.head + 1
        manifest = {digest: list(paths) for digest, paths in self.manifest.items()}
        state: dict[str, list[str]] = {}
        stored: dict[str, str] = {}
        for path in sorted(files):
            digest = files[path]
            state.setdefault(digest, []).append(path)
            if number == 1 or digest not in manifest:
                stored[path] = f"v{number}/content/{folder}{path}"
                manifest.setdefault(digest, []).append(stored[path])
        version = Version(created=rfc3339(created), message=message, user=user, state=state)
        return (
            Inventory(
                id=self.id,
                head=number,
                manifest=manifest,
                versions={**self.versions, number: version},
                fixity=self.fixity,
            ),
            stored,
        )
