"""Standing for leader: of all daemons on one database, the one that holds a certain lock leads.

The lock belongs to a connection of its own, so the server gives it to another as soon as the process is gone, or its
network. Who holds it sees so with every answer; who gets no answer must act as if it were lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Final, Self

from coursekeep_daemon.store.errors import StoreUnavailable
from coursekeep_daemon.store.records_daemons import DaemonState
from coursekeep_daemon.store.standing import Standing

__all__ = ["SEEN_FOR", "Candidate"]

#: seconds that a daemon counts as seen after its last sign of life
SEEN_FOR: Final = 20.0

#: what the server is asked to notice by itself, so that it frees the lock of who was cut off; seconds, milliseconds
_SESSION: Final = """
SELECT set_config('timezone', 'UTC', false), set_config('idle_in_transaction_session_timeout', '5s', false),
       set_config('tcp_keepalives_idle', '1', false), set_config('tcp_keepalives_interval', '1', false),
       set_config('tcp_keepalives_count', '2', false), set_config('tcp_user_timeout', '2000', false),
       set_config('default_transaction_read_only', 'off', false),
       set_config('default_transaction_isolation', 'read committed', false)
"""
_ENTER: Final = """
INSERT INTO daemon (id, host, pid, version, started_at, seen_at)
VALUES (%s, %s, %s, %s, %s, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at, leads_since = NULL
"""
_BEAT: Final = "UPDATE daemon SET seen_at = clock_timestamp() WHERE id = %s RETURNING true"
_LOCK: Final = "SELECT pg_try_advisory_lock(%s)"
_LEAD: Final = """
UPDATE daemon SET leads_since = CASE WHEN id = %s THEN clock_timestamp() END
WHERE leads_since IS NOT NULL OR id = %s
"""
_FORGET: Final = "DELETE FROM daemon WHERE seen_at < clock_timestamp() - INTERVAL '1 minute'"
_LEAVE: Final = "DELETE FROM daemon WHERE id = %s"


class Candidate:
    """One daemon's standing, for as long as the connection lasts. Leave it through `async with`: that ends it.

    Every method raises `StoreError` where the server gives no answer `within` so many seconds; then nothing is held any
    more, and nothing can be asked.
    """

    def __init__(self, connect: Callable[[], Awaitable[Standing]], lock: int, me: DaemonState) -> None:
        """Take what opens the connection, the lock's number, and who stands."""
        self.id = me.id
        self._connect = connect
        self._lock = lock
        self._about: tuple[str, int, str, datetime] = (me.host, me.pid, me.version, me.started_at)
        self._standing: Standing | None = None

    async def enter(self, *, within: float) -> None:
        """Connect, and be seen by the others."""
        self._standing = await self._connect()
        await self._ask(_SESSION, within=within)
        await self._ask(_ENTER, (self.id, *self._about), within=within)

    async def stand(self, *, within: float) -> bool:
        """Tell whether this daemon leads from now on: only where no other does."""
        if not await self._ask(_LOCK, (self._lock,), within=within):
            return False
        await self._ask(_FORGET, within=within)
        await self._ask(_LEAD, (self.id, self.id), within=within)
        return True

    async def look(self, *, within: float, beat: bool) -> None:
        """See that the connection stands, and with it the lock; with `beat`, be seen by the others."""
        if beat and await self._ask(_BEAT, (self.id,), within=within) is None:
            await self._ask(_ENTER, (self.id, *self._about), within=within)  # it was silent for so long
        elif not beat:
            await self._ask("SELECT 1", within=within)

    async def leave(self, *, within: float) -> None:
        """Let the others forget this daemon at once."""
        await self._ask(_LEAVE, (self.id,), within=within)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._standing is not None:
            await self._standing.close()

    async def _ask(self, query: str, values: tuple[Any, ...] = (), *, within: float) -> Any:
        if self._standing is None:
            raise StoreUnavailable("There is no connection yet.")
        return await self._standing.ask(query, values, within=within)
