"""Repairs and checks that come in each other's way, or in a writer's: nothing is recorded that nobody has seen."""

from __future__ import annotations

import asyncio
import shutil
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fakes.damage import flip
from fakes.fixity_bench import FixityBench, Replica, in_bench
from fakes.service_bench import eventually

from coursekeep_daemon.fixity.records import FindingChange, FindingState
from coursekeep_daemon.package import PackageBusy


def test_a_repair_that_could_not_be_judged_has_not_failed(tmp_path: Path) -> None:
    """Where somebody writes to a package while it is repaired, or checked behind that, nothing is recorded as failed;
    other findings are mended meanwhile, and this one a few minutes later, not a day."""

    async def test(bench: FixityBench) -> None:
        busy, other = await bench.package(1), await bench.package(2)
        await asyncio.to_thread(shutil.copytree, bench.archive.root, bench.folder / "copy")
        bench.mender = mender = Replica(bench.archive.root, bench.folder / "copy")
        for one in (busy, other):
            flip(bench.place(one))
        verify, repair = bench.archive.verify, mender.repair
        writing = ["repair", "check"]

        def verified(package_id: str, version: int | None = None, **more: Any) -> Any:
            if package_id == busy and mender.asked.count(busy) == 2 and "check" in writing:
                writing.remove("check")
                raise PackageBusy("Another writer is at work on this package.")
            return verify(package_id, version, **more)

        def repaired(package_id: str) -> Any:
            if package_id == busy and "repair" in writing:
                writing.remove("repair")
                mender.asked.append(package_id)
                raise PackageBusy("Another writer is at work on this package.")
            return repair(package_id)

        bench.archive.verify = verified  # type: ignore[method-assign]
        mender.repair = repaired  # type: ignore[method-assign]
        service = bench.service()
        for one in (busy, other):
            await service.verify(one, by="ann")
        for attempts in (1, 2):
            while await service.step() == 0:
                pass
            assert mender.asked.count(busy) == attempts
            finding = await bench.store.finding_of(busy)
            assert finding is not None
            assert (finding.state, finding.tried_at) == (FindingState.OPEN, None)
            assert await bench.store.finding_of(other) is None
            bench.clock.move(minutes=6)
        await service.step()

        assert await bench.store.finding_of(busy) is None
        results = [each.result for each in (await bench.store.audit_events()).items if each.action == "package.repair"]
        assert results == ["done", "done"]
        assert bench.metric('coursekeep_fixity_repairs_total{result="done"}') == 2

    in_bench(tmp_path, test)


def test_a_repair_while_the_archive_is_away_is_waited_for(tmp_path: Path) -> None:
    """An archive that goes away behind a repair, or before it, is no failure of the repair, and is not asked without a
    pause; once it is back, the package is mended."""

    async def test(bench: FixityBench) -> None:
        package_id = await bench.package(1)
        await asyncio.to_thread(shutil.copytree, bench.archive.root, bench.folder / "copy")
        bench.mender = mender = Replica(bench.archive.root, bench.folder / "copy")
        flip(bench.place(package_id))
        repair, away = mender.repair, bench.folder / "away"

        def goes_away(asked: str) -> Any:
            if away.exists():
                bench.archive.check_present()
            repaired = repair(asked)
            bench.archive.root.rename(away)
            return repaired

        mender.repair = goes_away  # type: ignore[method-assign]
        service = bench.service()
        await service.verify(package_id, by="ann")
        assert [await service.step() for _ in range(3)] == [60.0] * 3
        assert len(mender.asked) == 1
        finding = await bench.store.finding_of(package_id)
        assert finding is not None
        assert finding.tried_at is None
        await asyncio.to_thread(away.rename, bench.archive.root)
        mender.repair = repair  # type: ignore[method-assign]
        await service.step()
        assert await bench.store.finding_of(package_id) is None

    in_bench(tmp_path, test)


def held(bench: FixityBench, reading: int) -> tuple[threading.Event, Callable[[], None]]:
    """Hold a check behind its first or second reading; give what says that it is there, and what lets it end."""
    verify, read, may = bench.archive.verify, threading.Event(), threading.Event()
    readings = 0

    def slowly(package_id: str, version: int | None = None, **more: Any) -> Any:
        nonlocal readings
        report = verify(package_id, version, **more)
        readings += 1
        if readings == reading:
            read.set()
            assert may.wait(60)
        return report

    bench.archive.verify = slowly  # type: ignore[method-assign]
    return read, may.set


def test_a_check_that_was_overtaken_by_a_repair_says_nothing(tmp_path: Path) -> None:
    """Damage that was read before a repair, by a check that ends only behind it, opens no new finding and does not
    make the package look as if it had not been verified since."""

    async def test(bench: FixityBench) -> None:
        package_id = await bench.package(1)
        await asyncio.to_thread(shutil.copytree, bench.archive.root, bench.folder / "copy")
        bench.mender = Replica(bench.archive.root, bench.folder / "copy")
        flip(bench.place(package_id))
        service = bench.service()
        await service.verify(package_id, by="ann")
        bench.clock.move(hours=1)
        read, may_end = held(bench, reading=2)
        old = asyncio.create_task(service.verify(package_id, by="bob"))
        await eventually(read.is_set)
        bench.clock.move(minutes=2)
        await service.step()
        may_end()
        with pytest.raises(PackageBusy, match="Another check"):
            await old

        assert [each.state for each in (await bench.store.findings()).items] == [FindingState.REPAIRED]
        (version,) = await bench.store.package(package_id)
        assert (version.verified_at, version.valid) == (bench.clock.now, True)

    in_bench(tmp_path, test)


def test_a_check_that_read_before_the_damage_does_not_close_its_finding(tmp_path: Path) -> None:
    """A package that was read whole, then damaged, and found so by a faster check, stays found, also where the clock
    stands still; whoever checks again is told."""

    async def test(bench: FixityBench) -> None:
        package_id = await bench.package(1)
        service = bench.service()
        read, may_end = held(bench, reading=1)
        old = asyncio.create_task(service.verify(package_id, by="bob"))
        await eventually(read.is_set)
        flip(bench.place(package_id))
        await service.verify(package_id, by="ann")
        may_end()
        with pytest.raises(PackageBusy, match="Another check"):
            await old

        finding = await bench.store.finding_of(package_id)
        assert finding is not None
        assert finding.state is FindingState.OPEN
        assert (await bench.store.package(package_id))[0].valid is False
        assert (await service.verify(package_id, by="bob")).change is FindingChange.SAME

    in_bench(tmp_path, test)


def test_two_checks_of_a_sound_package_may_be_under_way_together(tmp_path: Path) -> None:
    """Where nothing is wrong both are answered, and the one that began later is what the package was verified by."""

    async def test(bench: FixityBench) -> None:
        package_id = await bench.package(1)
        service = bench.service()
        read, may_end = held(bench, reading=1)
        old = asyncio.create_task(service.verify(package_id, by="bob"))
        await eventually(read.is_set)
        bench.clock.move(minutes=2)
        await service.verify(package_id, by="ann")
        may_end()
        assert (await old).report.valid

        (version,) = await bench.store.package(package_id)
        assert (version.verified_at, version.valid) == (bench.clock.now, True)

    in_bench(tmp_path, test)
