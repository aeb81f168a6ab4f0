"""What lies in an object though its inventory does not know it: reported, never removed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from coursekeep_daemon.package.ocfl import INVENTORY, OBJECT_DECLARATION, SIDECAR, Inventory
from coursekeep_daemon.package.report import Problem
from coursekeep_daemon.package.targets.base import Listing

__all__ = ["surplus"]

_VERSION = re.compile(r"v[1-9][0-9]*")
_ALLOWED = frozenset({OBJECT_DECLARATION[0], INVENTORY, SIDECAR, "logs", "extensions"})


def surplus(listing: Listing, inventory: Inventory) -> Iterator[Problem]:
    """Yield each file, or folder as a whole, that does not belong into an object, and why."""
    yield from _entries(listing, inventory)
    for number in inventory.versions:
        for name in _children(listing, f"v{number}/"):
            if name not in (INVENTORY, SIDECAR, "content"):
                yield Problem(path=f"v{number}/{name}", what="it does not belong in a version")
    folders = tuple(f"v{number}/content/" for number in inventory.versions)
    for path in sorted(path for path in listing.strange if path.startswith(folders)):
        yield Problem(path=path, what="it is a link or a special file; only plain files are allowed")
    listed = {path for paths in inventory.manifest.values() for path in paths}
    for path in sorted(path for path in listing.files - listed if path.startswith(folders)):
        yield Problem(path=path, what="the inventory does not list it")


def _entries(listing: Listing, inventory: Inventory) -> Iterator[Problem]:
    for name in _children(listing, ""):
        if _VERSION.fullmatch(name) and name in listing.folders:
            if int(name[1:]) not in inventory.versions:
                yield Problem(path=name, what="the inventory has no such version; perhaps a commit was interrupted")
        elif name not in _ALLOWED:
            yield Problem(path=name, what="it does not belong in an object")


def _children(listing: Listing, below: str) -> list[str]:
    """Return the names of what lies in one folder, in order."""
    every = listing.files | listing.folders | listing.strange
    return sorted({path.removeprefix(below).split("/")[0] for path in every if path.startswith(below)})
