"""Which files are the same, byte for byte: a package that was copied or renamed is one course, and is taken once.

Only files of one size are compared, first by their ends: a zip file lists the checksums of all entries at its end, a
gzip file has its own there. Those that agree are read once each, and their digests remembered until they change.
"""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

from coursekeep import NoAccess, NotFound, RetryLater
from coursekeep_connectors.packages.client import Folder
from coursekeep_connectors.packages.place import Found, Stamp
from coursekeep_connectors.packages.threads import in_thread

__all__ = ["Copies", "Digests"]

_BLOCK = 2**20
_END = 64 * 1024
#: digests that are remembered
_REMEMBERED = 20_000


class Digests:
    """Digests of files, computed where they are needed, and remembered."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._known: OrderedDict[tuple[str, bool], tuple[Stamp, bytes]] = OrderedDict()

    async def same(self, one: Found, other: Found) -> bool:
        """Tell whether two files are the same; False too where one of them cannot be read now."""
        if one.size != other.size:
            return False
        try:
            for whole in (False, True):
                if await self._digest(one, whole=whole) != await self._digest(other, whole=whole):
                    return False
        except (NotFound, NoAccess, RetryLater):
            return False  # so both are taken, which does no harm
        return True

    async def _digest(self, found: Found, *, whole: bool) -> bytes:
        """Return the digest of a file, or of its two ends."""
        known = self._known.get((found.id, whole))
        if known is not None and known[0] == found.stamp:
            return known[1]
        halt = threading.Event()
        digest = await in_thread(self._computed, found, whole, halt, halt=halt)
        self._known[found.id, whole] = (found.stamp, digest)
        while len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return digest

    def _computed(self, found: Found, whole: bool, halt: threading.Event) -> bytes:
        digest = hashlib.sha256(usedforsecurity=False)
        step, size = (_BLOCK, _BLOCK) if whole else (max(1, found.size - _END), _END)
        with self._folder.open(found) as file:
            for offset in range(0, found.size, step):
                if halt.is_set():
                    raise RetryLater("the reading was stopped", where=found.id)
                digest.update(file.pread(offset, size))
        return digest.digest()


@dataclass(kw_only=True)
class Copies:
    """Finds copies among the files of one listing."""

    digests: Digests
    _firsts: dict[int, list[Found]] = field(default_factory=dict)

    async def first(self, found: Found) -> Found | None:
        """Return the file of which this one is a copy, among those asked for before; None where it is the first."""
        firsts = self._firsts.setdefault(found.size, [])
        for each in firsts:
            if await self.digests.same(each, found):
                return each
        firsts.append(found)
        return None
