"""What the daemon that leads knows of the replicas: begun with what its predecessor has left in the store, kept there.

Whoever copies notes here what it finds, and never waits for the store: what has changed is written in the background, a
few seconds after the last writing at the earliest, and again as long as the store does not take it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import Any

import structlog

from coursekeep_daemon.runs.waiting import wait_for_event
from coursekeep_daemon.secrets import without_credentials
from coursekeep_daemon.store import ReplicaState, Store, StoreError

__all__ = ["Standings"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: packages behind of which the store is told why
_NAMED = 5
#: longest reason that is kept
_LONGEST = 1000


class Standings:
    """How each replica stands. Addresses are without credentials."""

    def __init__(
        self,
        store: Store,
        clock: Callable[[], datetime],
        addresses: Collection[str],
        *,
        rest: float = 2.0,
        again: float = 60.0,
    ) -> None:
        """Take what is needed. `rest` are the seconds between two writings, `again` between two looks at what stands in
        the store: a predecessor's last word may have come late."""
        self._store = store
        self._clock = clock
        self._rest = rest
        self._again = again
        self._states = {address: ReplicaState(address=address) for address in addresses}
        #: what a predecessor has found, until all packages were compared here
        self._earlier: dict[str, ReplicaState] = {}
        #: packages that were found behind here, and why
        self._behind: dict[str, dict[str, str]] = {address: {} for address in addresses}
        self._met: set[str] = set()
        self._changed = asyncio.Event()
        self._listeners: set[Callable[[], None]] = set()

    async def load(self) -> None:
        """Go on from what the store knows, and drop from it what has left the settings. Raises `StoreError`."""
        await self._store.forget_other_replicas(self._states.keys())
        for known in await self._store.replicas():
            if known.address in self._states:  # a predecessor with other settings may still be writing
                self._states[known.address] = self._earlier[known.address] = replace(known, noted_at=None)

    def all(self) -> list[ReplicaState]:
        """Return how the replicas stand."""
        return list(self._states.values())

    def met(self) -> list[ReplicaState]:
        """Return how those stand that were found there, or away, since the start: of others it is hearsay."""
        return [state for address, state in self._states.items() if address in self._met]

    def away(self, address: str) -> bool:
        """Tell whether nothing can be copied to a replica."""
        return self._states[address].away_since is not None

    def listen(self, changed: Callable[[], None]) -> None:
        """Have a function called whenever a replica was found to be away, or there."""
        self._listeners.add(changed)

    def unlisten(self, changed: Callable[[], None]) -> None:
        """Call it no more."""
        self._listeners.discard(changed)

    def note_away(self, address: str, reason: str) -> None:
        """Note that nothing can be copied to a replica, and why."""
        since = self._states[address].away_since
        if since is None:
            log.error("replica_away", replica=address, reason=reason)
        self._change(address, met=True, away_since=since or self._clock(), reason=_short(reason))

    def note_copied(self, address: str) -> None:
        """Note that something could be copied to a replica."""
        if self.away(address):
            log.info("replica_back", replica=address)
        self._change(address, met=True, away_since=None, reason="")

    def note_lacking(self, address: str) -> None:
        """Note that a replica lacks something that is about to be copied."""
        self._change(address, copying=True)

    def note_behind(self, address: str, package_id: str, reason: str) -> None:
        """Note a package that could not be copied, and why."""
        self._behind[address][package_id] = _short(reason)
        self._count(address)

    def note_equal(self, address: str, package_id: str) -> None:
        """Note that a replica has all of a package."""
        if self._behind[address].pop(package_id, None) is not None:
            self._count(address)

    def note_looked(self, address: str, *, everything: bool) -> None:
        """Note that a look at what a replica lacks has ended, of all packages or of what is new."""
        self.note_copied(address)
        self._change(address, copying=False)
        if everything:
            self._earlier.pop(address, None)
            self._count(address)
            self._change(address, compared_at=self._clock())

    async def write(self) -> None:
        """Keep the store up to date, for ever."""
        failures = 0
        while True:
            self._changed.clear()
            try:
                await self._write_changed()
                failures = 0
            except StoreError as error:
                failures += 1
                if failures == 1:
                    log.error("store_trouble", during="noting replicas", reason=str(error))
            await asyncio.sleep(self._rest)
            if not failures:
                await wait_for_event(self._changed, self._again)

    async def _write_changed(self) -> None:
        known = {each.address: replace(each, noted_at=None) for each in await self._store.replicas()}
        for state in self.all():
            if known.get(state.address) != state:
                await self._store.note_replica(state)

    def _count(self, address: str) -> None:
        found, earlier = self._behind[address], self._earlier.get(address)
        named = dict(islice(found.items(), _NAMED))
        if earlier is None:
            self._change(address, behind=len(found), behind_why=named)
        else:  # those that the predecessor found are not all looked at again
            self._change(address, behind=max(len(found), earlier.behind), behind_why=named or earlier.behind_why)

    def _change(self, address: str, *, met: bool = False, **values: Any) -> None:
        before, now = self._states[address], replace(self._states[address], **values)
        first = met and address not in self._met
        if first:
            self._met.add(address)
        elif now == before:
            return
        self._states[address] = now
        self._changed.set()
        if first or now.away_since != before.away_since:
            for listener in list(self._listeners):
                listener()


def _short(reason: str) -> str:
    reason = without_credentials(reason)
    return reason if len(reason) <= _LONGEST else reason[:_LONGEST] + " ..."
