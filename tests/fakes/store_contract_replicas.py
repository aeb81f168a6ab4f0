"""The promises of the store about replicas, for each database's tests to inherit."""

from __future__ import annotations

from dataclasses import replace

from fakes.store_house import START, House

from coursekeep_daemon.store import ReplicaState, Store

__all__ = ["ReplicaContract"]

AWAY = ReplicaState(
    address="/mnt/copy", reason="no disk", away_since=START, behind=7, behind_why={"urn:uuid:1": "damaged"}
)
WELL = ReplicaState(address="s3://copy/a", compared_at=START)


class ReplicaContract:
    """Replicas."""

    def test_replicas(self, house: House) -> None:
        """The last word on each counts; those that left the settings are forgotten."""

        async def test(store: Store) -> None:
            for state in (replace(AWAY, copying=True, behind=9), WELL, AWAY):
                await store.note_replica(state)
            assert await store.replicas() == [replace(each, noted_at=house.clock()) for each in (AWAY, WELL)]
            assert await store.forget_other_replicas([WELL.address]) == 1
            assert [each.address for each in await store.replicas()] == [WELL.address]
            assert await store.forget_other_replicas([]) == 1

        house.run(test)

    def test_replicas_told(self, house: House) -> None:
        """Away and back are told once each and of each replica by itself, also behind a restart; what is noted between
        changes nothing of that; one that left the settings is told anew."""

        async def test(store: Store) -> None:
            other = replace(AWAY, address="/mnt/other")
            assert not await store.tell_replica_back(AWAY.address)
            assert [await store.tell_replica_away(each) for each in (AWAY, AWAY, other)] == [True, False, True]
            await store.note_replica(replace(AWAY, away_since=None))

        async def later(store: Store) -> None:
            assert await store.replicas_told() == {"/mnt/copy", "/mnt/other"}
            assert not await store.tell_replica_away(AWAY)
            assert [await store.tell_replica_back(AWAY.address) for _ in range(2)] == [True, False]
            await store.forget_other_replicas([AWAY.address])
            assert await store.replicas_told() == set()
            assert await store.tell_replica_away(replace(AWAY, address="/mnt/other"))
            told = [each.notification for each in reversed((await store.notifications()).items)]

            assert [(each.kind.value, each.data["replica"], each.recovers) for each in told] == [
                ("replica_away", "/mnt/copy", None),
                ("replica_away", "/mnt/other", None),
                ("replica_back", "/mnt/copy", told[0].id),
                ("replica_away", "/mnt/other", None),
            ]
            assert (told[0].data["since"], told[0].data["reason"]) == ("2026-03-01T12:00:00Z", "no disk")
            assert told[2].data["since"] == "2026-03-01T12:00:00Z"

        house.run(test)
        house.run(later)
