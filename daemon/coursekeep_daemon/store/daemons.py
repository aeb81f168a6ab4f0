"""Which daemons work on the database, and which of them leads."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import func, select

from coursekeep_daemon.store.leading import SEEN_FOR, Candidate
from coursekeep_daemon.store.models_daemons import daemon
from coursekeep_daemon.store.records_daemons import DaemonState
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape

__all__ = ["Daemons"]

_DAEMON = Shape(DaemonState, daemon)


class Daemons(Room):
    """The daemons of one database."""

    async def daemons(self) -> list[DaemonState]:
        """Return the daemons that were seen a moment ago, in the order in which they started."""
        if not self._database.takes_many:
            return []
        seen = daemon.c.seen_at > func.now() - timedelta(seconds=SEEN_FOR)  # by the clock that wrote these times
        query = select(*_DAEMON.columns).where(seen).order_by(daemon.c.started_at, daemon.c.id)
        return await self._reader(lambda connection: _DAEMON.all(connection, query))

    def candidate(self, me: DaemonState) -> Candidate:
        """Return what a daemon stands for leader with. Raises `StoreError` where there can be no second daemon."""
        return self._database.candidate(me)

    async def answers(self) -> None:
        """Ask the database for as little as can be asked. Raises `StoreError` where it does not answer."""
        await self._reader(lambda connection: connection.execute(select(1)).scalar_one())
