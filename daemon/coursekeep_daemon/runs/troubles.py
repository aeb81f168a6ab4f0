"""What does not work just now, known to every process: at once where it was met, and by the store everywhere else.

Work is held from the moment that something is noted here, even where the store itself cannot be written, as on a full
disk: what it has not taken yet is kept, and written as soon as it can be.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

import structlog

from coursekeep_daemon.store import Store, StoreError, Trouble, TroubleKind

__all__ = ["Troubles"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: seconds until the store is asked again to take what it could not
_AGAIN = 1.0
#: seconds between two new reasons of one trouble in the store: an outage gives another one at every attempt
_NEW_REASON = 60.0

_Key = tuple[TroubleKind, str]


class Troubles:
    """The troubles that are not over."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._reporter = f"{socket.gethostname()} {os.getpid()}"
        self._known: dict[_Key, Trouble] = {}
        #: what the store has not taken yet; None where it is over
        self._unwritten: dict[_Key, Trouble | None] = {}
        #: of these the store does not know the end yet, though they have begun anew
        self._begun_anew: set[_Key] = set()
        self._written_at: dict[_Key, float] = {}
        #: raised by every change here, so that a reading of the store that began before is not taken for newer
        self._changes = 0
        self._writing: asyncio.Task[None] | None = None

    def of(self, kind: TroubleKind, target: str = "") -> Trouble | None:
        """Return one trouble; None where there is none."""
        return self._known.get((kind, target))

    def targets(self, kind: TroubleKind) -> list[str]:
        """Return what is concerned by troubles of a kind."""
        return [target for found, target in self._known if found is kind]

    def note(self, kind: TroubleKind, target: str, reason: str) -> bool:
        """Note a trouble that was met, or why it goes on; True only where it was not known."""
        key = (kind, target)
        known = self._known.get(key)
        if known is None:
            known = Trouble(kind=kind, target=target, reason=reason, since=self._clock(), reporter=self._reporter)
            self._change(key, known, write=True)
            return True
        if known.reason != reason:
            rested = time.monotonic() - self._written_at.get(key, 0.0) >= _NEW_REASON
            self._change(key, replace(known, reason=reason), write=rested)
        return False

    def over(self, kind: TroubleKind, target: str = "") -> Trouble | None:
        """Note that a trouble is over, and return it; None where there was none."""
        known = self._known.get((kind, target))
        if known is not None:
            self._change((kind, target), None, write=True)
        return known

    async def refresh(self) -> bool:
        """Read what other processes have noted; tell whether anything began or ended by that. Raises `StoreError`."""
        while True:
            changes = self._changes
            found = {(each.kind, each.target): each for each in await self._store.troubles()}
            if changes == self._changes:
                break
        for key, unwritten in self._unwritten.items():
            found.pop(key, None)
            if unwritten is not None:
                found[key] = unwritten
        before, self._known = self._known, found
        return set(before) != set(found)

    async def stop(self) -> None:
        """Write nothing more."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait({self._writing})

    def _change(self, key: _Key, trouble: Trouble | None, *, write: bool) -> None:
        self._changes += 1
        if trouble is None:
            self._known.pop(key, None)
        else:
            self._known[key] = trouble
        if write or key in self._unwritten:
            if trouble is not None and key in self._unwritten and self._unwritten[key] is None:
                self._begun_anew.add(key)
            self._unwritten[key] = trouble
            if self._writing is None or self._writing.done():
                self._writing = asyncio.create_task(self._write(), name="write troubles")

    async def _write(self) -> None:
        failures = 0
        while self._unwritten:
            key, trouble = next(iter(self._unwritten.items()))
            try:
                if trouble is None or key in self._begun_anew:
                    await self._store.end_trouble(*key)
                    self._begun_anew.discard(key)
                if trouble is not None:
                    await self._store.note_trouble(trouble)
            except StoreError as error:
                failures += 1
                if failures == 1:
                    log.error("store_trouble", during="noting a trouble", reason=str(error))
                await asyncio.sleep(_AGAIN)
                continue
            self._changes += 1
            self._written_at[key] = time.monotonic()
            if self._unwritten.get(key) is trouble:
                del self._unwritten[key]
