"""Replication over real directories: what it notes of a replica, and what is no fault of the replica."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes.fixity_bench import FixityBench, in_bench
from fakes.package_kit import NOW, new_archive
from fakes.service_bench import eventually
from structlog.testing import capture_logs

from coursekeep_daemon.package import Archive
from coursekeep_daemon.replication import Pace, Replication
from coursekeep_daemon.store import ReplicaStanding, StoreError

QUICK = Pace(pause=0.01, retry=0.05, look=0.05, every=60.0, note=0.01)


@asynccontextmanager
async def following(bench: FixityBench, pace: Pace = QUICK) -> AsyncIterator[Replication]:
    """Replicate to the directory `copy` as a daemon that leads does."""
    archive = Archive(
        bench.archive.root,
        organization="x",
        clock=lambda: NOW,
        replicas=[Archive(bench.folder / "copy", organization="")],
    )
    replication = Replication(archive, bench.store, bench.clock, pace)
    await replication.start()
    try:
        yield replication
    finally:
        await replication.stop()


async def noted(bench: FixityBench, standing: ReplicaStanding) -> Any:
    """Wait until the store knows that the replica stands so, and return the state."""

    async def found() -> Any:
        return next((each for each in await bench.store.replicas() if each.standing is standing), None)

    return await eventually(found, 20)


def test_how_a_replica_stands_is_kept_over_restarts(tmp_path: Path) -> None:
    """Copied, the store knows it current; away, though nothing is new, since when and why, which a restart does not
    change; a package whose own copy is damaged leaves it behind; mended, it is current again."""
    copy, hidden = tmp_path / "copy", tmp_path / "hidden"

    async def test(bench: FixityBench) -> None:
        async with following(bench) as replication:
            await eventually(replication.standings.met, 20)  # its storage root is made
            first, copied = await bench.package(1), Archive(copy, organization="")
            await eventually(lambda: not bench.archive.is_behind(first, copied), 20)
            current = await noted(bench, ReplicaStanding.CURRENT)
            assert (current.address, current.behind, current.reason) == (str(copy), 0, "")
            shutil.move(copy, hidden)
            away = await noted(bench, ReplicaStanding.AWAY)
            assert (away.away_since, "mounted" in away.reason, away.compared_at) == (bench.clock(), True, bench.clock())
            assert replication.away(str(copy))
        assert not replication.away(str(copy))  # whoever leads now knows better

        second = await bench.package(2)
        bench.clock.move(hours=1)
        damaged = bench.place(second) / "v1/content/data/course.json"
        whole = damaged.read_bytes()
        damaged.write_bytes(b"rotten")
        async with following(bench) as replication:
            await eventually(replication.standings.met, 20)
            assert (await noted(bench, ReplicaStanding.AWAY)).away_since == away.away_since
            shutil.move(hidden, copy)
            behind = await noted(bench, ReplicaStanding.BEHIND)
            assert (behind.behind, list(behind.behind_why)) == (1, [second])
            assert "checksum" in behind.behind_why[second]
        damaged.write_bytes(whole)
        async with following(bench):
            await noted(bench, ReplicaStanding.CURRENT)
        assert new_archive(copy).verify(second).valid

    in_bench(tmp_path, test)


def test_the_faults_of_others_are_not_the_replicas(tmp_path: Path) -> None:
    """While the store fails, or the archive itself is away, no replica is said to be away, or to be current; after that
    it is compared. A package that the archive lost is not counted as copied."""

    async def test(bench: FixityBench) -> None:
        lost = bench.place(await bench.package(1))
        packages, hidden = bench.store.packages, tmp_path / "hidden"

        async def fails(**options: Any) -> Any:
            raise StoreError("The database is away.")

        new_archive(tmp_path / "copy")
        bench.store.packages = fails  # type: ignore[method-assign, assignment]
        with capture_logs() as logs:
            async with following(bench, replace(QUICK, every=0.1)) as replication:
                await eventually(lambda: [each for each in logs if each.get("during") == "replication"], 20)
                shutil.move(bench.archive.root, hidden)
                bench.store.packages = packages  # type: ignore[method-assign]
                await eventually(lambda: [each for each in logs if each["event"] == "replication_waits"], 20)
                assert replication.standings.met() == []
                assert replication.standings.all()[0].standing is ReplicaStanding.UNKNOWN
                shutil.move(hidden, bench.archive.root)
                await noted(bench, ReplicaStanding.CURRENT)
                shutil.rmtree(lost)
                assert "package repair" in str((await noted(bench, ReplicaStanding.BEHIND)).behind_why)

    in_bench(tmp_path, test)


def test_a_package_that_somebody_was_writing_to_is_copied_soon(tmp_path: Path) -> None:
    """Where a copy of a daemon that led before still holds a replica's lock, the package is behind for that long only:
    it is tried again after a moment, not at the next comparison of all, and no other waits for it."""

    async def test(bench: FixityBench) -> None:
        held = await bench.package(1)
        other = await bench.package(2)
        copy = new_archive(tmp_path / "copy")
        with ExitStack() as lock:
            lock.enter_context(copy.staging(held))
            async with following(bench):
                behind = await noted(bench, ReplicaStanding.BEHIND)
                assert list(behind.behind_why) == [held]
                assert copy.verify(other).valid
                lock.close()
                assert (await noted(bench, ReplicaStanding.CURRENT)).behind == 0
        assert copy.verify(held).valid

    in_bench(tmp_path, test)
