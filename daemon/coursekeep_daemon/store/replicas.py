"""How replicas stand, and whether operators were told: written by who leads, read by every daemon."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select, update

from coursekeep_daemon.notifications.records import NotificationKind
from coursekeep_daemon.store.models_replicas import replica
from coursekeep_daemon.store.records_replicas import ReplicaState
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.telling import tell_of_replica
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Replicas"]

_REPLICA = Shape(ReplicaState, replica)


class Replicas(Room):
    """The replicas of the archive."""

    async def replicas(self) -> list[ReplicaState]:
        """Return what is known of replicas, by address."""
        query = select(*_REPLICA.columns).order_by(replica.c.address)
        return await self._reader(lambda connection: _REPLICA.all(connection, query))

    async def note_replica(self, state: ReplicaState) -> None:
        """Keep how a replica stands now."""
        await self._writer.run(lambda tx: _note(tx, state))

    async def forget_other_replicas(self, addresses: Collection[str]) -> int:
        """Drop what is known of replicas that are not among these; return of how many."""
        statement = delete(replica).where(replica.c.address.not_in(addresses))
        return await self._writer.run(lambda tx: tx.execute(statement).rowcount)

    async def replicas_told(self) -> set[str]:
        """Return the replicas that were told to be away, and are not told to be back."""
        query = select(replica.c.address).where(replica.c.told_id.is_not(None))
        return await self._reader(lambda connection: set(connection.execute(query).scalars()))

    async def tell_replica_away(self, state: ReplicaState) -> bool:
        """Note a replica with a notification that it is away; False where that was told and is not over."""
        return await self._writer.run(lambda tx: _tell_away(tx, state))

    async def tell_replica_back(self, address: str) -> bool:
        """Note a notification that a replica is back; False where it was not told to be away."""
        return await self._writer.run(lambda tx: _tell_back(tx, address))


def _note(tx: Transaction, state: ReplicaState) -> None:
    values = _REPLICA.values(state) | {"noted_at": tx.now}
    known = {name: value for name, value in values.items() if name != "address"}
    tx.execute(tx.insert(replica).values(values).on_conflict_do_update(index_elements=["address"], set_=known))


def _tell_away(tx: Transaction, state: ReplicaState) -> bool:
    _note(tx, state)
    if _told(tx, state.address) is not None:
        return False
    since = None if state.away_since is None else state.away_since.isoformat().replace("+00:00", "Z")
    data = {"replica": state.address, "since": since, "reason": state.reason}
    _set_told(tx, state.address, tell_of_replica(tx, NotificationKind.REPLICA_AWAY, data))
    return True


def _tell_back(tx: Transaction, address: str) -> bool:
    trouble = _told(tx, address)
    if trouble is None:
        return False
    tell_of_replica(tx, NotificationKind.REPLICA_BACK, {"replica": address}, recovers=trouble)
    _set_told(tx, address, None)
    return True


def _told(tx: Transaction, address: str) -> int | None:
    # the row is held until the end: of two that would tell the same, one comes second
    query = select(replica.c.told_id).where(replica.c.address == address).with_for_update()
    return tx.execute(query).scalar()


def _set_told(tx: Transaction, address: str, told: int | None) -> None:
    tx.execute(update(replica).where(replica.c.address == address).values(told_id=told))
