"""The fixity service over a real archive: nothing is left out, nothing is made up, and what can be mended is."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

from fakes.damage import flip
from fakes.fixity_bench import FixityBench, Replica, in_bench
from fakes.package_kit import COURSE, NOW, new_archive, stored, write

from coursekeep_daemon.fixity.records import FindingKind, FindingState
from coursekeep_daemon.fixity.service import FixityPace
from coursekeep_daemon.package import Archive, PackageBusy
from coursekeep_daemon.store import PackageVersion


async def seen(bench: FixityBench) -> dict[str, list[PackageVersion]]:
    """The versions of all packages, as the store knows them."""
    ids = [each.package_id for each in (await bench.store.packages(limit=200)).items]
    return {one: await bench.store.package(one) for one in ids}


MENDED_ONE = "files mended: 1"


async def replicated(bench: FixityBench) -> Archive:
    """Give the archive a replica in another folder; the service is to be made after it."""
    replica = new_archive(bench.folder / "replica")
    bench.archive = Archive(bench.archive.root, organization="x", clock=lambda: NOW, replicas=[replica])
    return replica


def log_of(bench: FixityBench, package_id: str) -> list[dict[str, Any]]:
    """The lines of the package's own log of checks."""
    path = bench.place(package_id) / "logs" / "fixity.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def test_every_package_is_verified_within_the_period_and_not_more_often(tmp_path: Path) -> None:
    """Over three periods each package is read three times or four, evenly, and never is one older than the period."""

    async def test(bench: FixityBench) -> None:
        ids = [await bench.package(number) for number in range(5)]
        service = bench.service()
        for _ in range(30):
            await bench.pass_time(service, 9)
            counts = await bench.store.fixity_counts(bench.clock.now - timedelta(days=90))
            assert counts.overdue == 0
        times = Counter({one: len(log_of(bench, one)) for one in ids})
        assert set(times.values()) <= {3, 4}, times
        assert sum(times.values()) <= 17
        per_day = bench.metric('coursekeep_fixity_checks_total{result="valid"}')
        assert per_day == sum(times.values())
        assert bench.metric('coursekeep_fixity_packages{state="verified"}') == 5

    in_bench(tmp_path, test)


def test_a_restart_goes_on_where_the_last_process_was(tmp_path: Path) -> None:
    """New processes, however many, read nothing again that was read, and nothing before it is due."""

    async def test(bench: FixityBench) -> None:
        ids = [await bench.package(number) for number in range(3)]
        for _ in range(3):  # 27 days between two checks
            for _ in range(3):
                service = bench.service()
                await service.start()
                await service.stop()
                await service.resume()
                await bench.pass_time(service, 8.9)
        assert [len(log_of(bench, one)) for one in ids] == [1, 1, 1]

    in_bench(tmp_path, test)


def test_what_is_overdue_is_read_without_a_pause(tmp_path: Path) -> None:
    """After the daemon was down for a year, all packages are read at once."""

    async def test(bench: FixityBench) -> None:
        ids = [await bench.package(number) for number in range(3)]
        await bench.pass_time(bench.service(), 90)
        bench.clock.move(days=365)
        service = bench.service()
        await service.resume()
        began = bench.clock.now
        while await service.step() == 0:
            pass
        assert bench.clock.now == began
        for versions in (await seen(bench)).values():
            assert versions[-1].verified_at == began
        assert len(ids) == 3

    in_bench(tmp_path, test)


def test_a_flipped_bit_is_found_told_and_kept_and_stops_nothing(tmp_path: Path) -> None:
    """One damaged package of three is a finding with the file's path; it is told once, and the others are verified."""

    async def test(bench: FixityBench) -> None:
        ids = [await bench.package(number) for number in range(3)]
        victim = await asyncio.to_thread(flip, bench.place(ids[0]))
        await bench.pass_time(bench.service(), 200)

        assert {one: versions[0].valid for one, versions in (await seen(bench)).items()} == {
            ids[0]: False,
            ids[1]: True,
            ids[2]: True,
        }
        finding = await bench.store.finding_of(ids[0])
        assert finding is not None
        assert (finding.kind, finding.version, finding.state) == (FindingKind.DAMAGED, 1, FindingState.OPEN)
        assert finding.problems[0]["path"] == str(victim.relative_to(bench.place(ids[0])))
        assert finding.seen_at > finding.found_at
        lines = log_of(bench, ids[0])
        assert [line["valid"] for line in lines] == [False] * len(lines)
        assert lines[0]["problems"][0]["path"] in str(victim)
        told = (await bench.store.notifications()).items
        assert [each.notification.kind for each in told] == ["package_damaged"]
        audit = [(each.who, each.action, each.target) for each in (await bench.store.audit_events()).items]
        assert audit == [("fixity", "package.damage", ids[0])]
        assert bench.metric('coursekeep_fixity_findings{state="open"}') == 1

    in_bench(tmp_path, test)


def test_a_package_that_is_gone_is_the_worst_finding(tmp_path: Path) -> None:
    """A package, and a version, that the store knows and the archive does not, are found; sound versions stay valid."""

    async def test(bench: FixityBench) -> None:
        gone, shorter = await bench.package(1), await bench.package(2)
        before = bench.folder / "before"
        await asyncio.to_thread(shutil.copytree, bench.place(shorter), before)
        assert await bench.package(2, grade=5.0) == shorter
        await asyncio.to_thread(shutil.rmtree, bench.place(shorter))
        await asyncio.to_thread(before.rename, bench.place(shorter))
        await asyncio.to_thread(shutil.rmtree, bench.place(gone))
        await bench.pass_time(bench.service(), 90)

        for package_id, version in ((gone, None), (shorter, 2)):
            finding = await bench.store.finding_of(package_id)
            assert finding is not None
            assert (finding.kind, finding.version) == (FindingKind.MISSING, version)
        valid = {one: [each.valid for each in versions] for one, versions in (await seen(bench)).items()}
        assert valid == {gone: [False], shorter: [True, False]}

    in_bench(tmp_path, test)


def test_an_archive_that_is_away_is_no_finding(tmp_path: Path) -> None:
    """While the disk is not mounted, or one package is not readable, nothing is recorded; then all is verified."""

    async def test(bench: FixityBench) -> None:
        ids = [await bench.package(number) for number in range(2)]
        service = bench.service()
        away = bench.folder / "away"
        await asyncio.to_thread(bench.archive.root.rename, away)
        await asyncio.to_thread(bench.archive.root.mkdir)
        waited = [await service.step() for _ in range(3)]
        await asyncio.to_thread(bench.archive.root.rmdir)
        await asyncio.to_thread(away.rename, bench.archive.root)

        assert waited == [60.0] * 3
        bench.holds.storage_trouble("full")
        assert await service.step() == 60.0
        bench.holds.storage_fine()
        assert [versions[0].verified_at for versions in (await seen(bench)).values()] == [None, None]
        assert bench.metric('coursekeep_fixity_checks_total{result="unreadable"}') == 3
        await bench.pass_time(service, 90)
        assert [versions[0].valid for versions in (await seen(bench)).values()] == [True, True]
        assert [await bench.store.finding_of(one) for one in ids] == [None, None]

    in_bench(tmp_path, test)


def test_a_package_that_is_being_written_comes_again(tmp_path: Path) -> None:
    """One that is busy, and one whose newest version came while it was read, are left out for a while, not judged."""

    async def test(bench: FixityBench) -> None:
        busy, growing, still = [await bench.package(number) for number in range(3)]
        flip(bench.place(growing))
        verify, reads = bench.archive.verify, 0

        def while_written(package_id: str, version: int | None = None, **more: Any) -> Any:
            nonlocal reads
            if package_id == busy:
                raise PackageBusy("Another writer is at work on this package.")
            if package_id == growing:
                reads += 1
                report = verify(package_id, version, **more)
                write(bench.archive, course=COURSE.__class__(id="1", name=f"New name {reads}"))
                return report
            return verify(package_id, version, **more)

        bench.archive.verify = while_written  # type: ignore[method-assign]
        service = bench.service()
        await service.step()
        await service.step()
        await service.step()
        stands = {one: versions[0].verified_at for one, versions in (await seen(bench)).items()}
        assert (stands[busy], stands[growing]) == (None, None)
        assert stands[still] is not None
        assert await bench.store.finding_of(growing) is None
        assert bench.metric('coursekeep_fixity_checks_total{result="busy"}') == 2

    in_bench(tmp_path, test)


def test_damage_that_the_second_reading_does_not_see_is_none(tmp_path: Path) -> None:
    """A fault that was of the reading, not of the disk, opens no finding."""

    async def test(bench: FixityBench) -> None:
        package_id = await bench.package(1)
        victim = flip(bench.place(package_id))
        verify = bench.archive.verify

        def once(asked: str, version: int | None = None, **more: Any) -> Any:
            report = verify(asked, version, **more)
            flip(bench.place(package_id))
            return report

        bench.archive.verify = once  # type: ignore[method-assign]
        await bench.service().step()
        assert await bench.store.finding_of(package_id) is None
        assert (await bench.store.package(package_id))[0].valid is True
        assert victim.exists()

    in_bench(tmp_path, test)


def test_a_check_that_is_broken_off_records_nothing(tmp_path: Path) -> None:
    """At a stop the reading ends within a block, however slow it is; the next process reads the package anew."""

    async def test(bench: FixityBench) -> None:
        package_id = await bench.package(1)
        bench.rate = 1  # a byte a second: it would take hours
        service = bench.service()
        await service.start()
        while service._throttle.total == 0:
            await asyncio.sleep(0.005)
        async with asyncio.timeout(20):
            await service.stop()
        (version,) = await bench.store.package(package_id)
        assert (version.verified_at, version.valid) == (None, None)
        assert log_of(bench, package_id) == []
        bench.rate = 0
        await bench.service().step()
        assert (await bench.store.package(package_id))[0].valid is True

    in_bench(tmp_path, test)


def test_damage_is_repaired_from_a_replica(tmp_path: Path) -> None:
    """What the archive can mend is mended at once, verified, noted in the audit, and told as one message."""

    async def test(bench: FixityBench) -> None:
        damaged, gone = await bench.package(1), await bench.package(2)
        await asyncio.to_thread(shutil.copytree, bench.archive.root, bench.folder / "copy")
        bench.mender = Replica(bench.archive.root, bench.folder / "copy")
        flip(bench.place(damaged))
        await asyncio.to_thread(shutil.rmtree, bench.place(gone))
        await bench.pass_time(bench.service(), 90)

        assert set(bench.mender.asked) == {damaged, gone}
        assert [versions[0].valid for versions in (await seen(bench)).values()] == [True, True]
        findings = (await bench.store.findings()).items
        assert {(each.state, each.closed_by, each.detail) for each in findings} == {
            (FindingState.REPAIRED, "fixity", "copied from the replica")
        }
        audit = [(each.who, each.action, each.result) for each in (await bench.store.audit_events()).items]
        assert audit.count(("fixity", "package.repair", "done")) == 2
        assert bench.metric('coursekeep_fixity_repairs_total{result="done"}') == 2
        assert (await asyncio.to_thread(bench.archive.verify, gone)).valid

    in_bench(tmp_path, test)


def test_the_archive_mends_from_its_own_replica(tmp_path: Path) -> None:
    """A flipped bit is found, mended from a real replica, verified and told; the replica is untouched."""

    async def test(bench: FixityBench) -> None:
        replica = await replicated(bench)
        package_id = await bench.package(1)
        await asyncio.to_thread(bench.archive.replicate, package_id, replica)
        good = stored(replica.root)
        victim = await asyncio.to_thread(flip, bench.place(package_id))
        await bench.pass_time(bench.service(), 90)

        path = str(victim.relative_to(bench.place(package_id)))
        (finding,) = (await bench.store.findings()).items
        assert (finding.state, finding.closed_by, finding.detail) == (FindingState.REPAIRED, "fixity", MENDED_ONE)
        assert path in [each["path"] for each in finding.problems]
        assert (await asyncio.to_thread(bench.archive.verify, package_id)).valid
        assert (await seen(bench))[package_id][0].valid
        assert stored(replica.root) == good
        kinds = [each.notification.kind.value for each in (await bench.store.notifications()).items]
        assert kinds == ["package_repaired", "package_damaged"]

    in_bench(tmp_path, test)


def test_what_every_copy_has_lost_stays_open(tmp_path: Path) -> None:
    """A file that is damaged in archive and replica alike is named with the finding, which stays open."""

    async def test(bench: FixityBench) -> None:
        replica = await replicated(bench)
        package_id = await bench.package(1)
        await asyncio.to_thread(bench.archive.replicate, package_id, replica)
        victim = flip(bench.place(package_id)).relative_to(bench.place(package_id))
        flip(replica.root / replica.place(package_id).path)
        await bench.pass_time(bench.service(), 90)

        finding = await bench.store.finding_of(package_id)
        assert finding is not None
        assert finding.state is FindingState.OPEN
        assert finding.detail == f"files mended: 0; lost in every copy: {victim}"
        kinds = [each.notification.kind.value for each in (await bench.store.notifications()).items]
        assert kinds == ["package_damaged"]

    in_bench(tmp_path, test)


def test_a_repair_that_fails_is_tried_again_and_told_once(tmp_path: Path) -> None:
    """While the replica is away the finding stays open and says so; each day it is tried again, then it is mended."""

    async def test(bench: FixityBench) -> None:
        package_id = await bench.package(1)
        await asyncio.to_thread(shutil.copytree, bench.archive.root, bench.folder / "copy")
        bench.mender = Replica(bench.archive.root, bench.folder / "copy", away=True)
        flip(bench.place(package_id))
        service = bench.service()
        for _ in range(6):
            await bench.pass_time(service, 0.5)
        finding = await bench.store.finding_of(package_id)
        assert finding is not None
        assert finding.detail == "the replica does not answer"
        assert 2 <= len(bench.mender.asked) <= 4
        failures = [each for each in (await bench.store.audit_events()).items if each.result == "failed"]
        assert len(failures) == 1
        bench.mender.away = False
        await bench.pass_time(service, 2)
        assert await bench.store.finding_of(package_id) is None
        kinds = [each.notification.kind.value for each in (await bench.store.notifications()).items]
        assert kinds == ["package_repaired", "package_damaged"]

    in_bench(tmp_path, test)


def test_switched_off_it_reads_nothing_but_tells_what_others_found(tmp_path: Path) -> None:
    """With `every = "off"` no package is read, and damage that an operator's own check found is told all the same."""

    async def test(bench: FixityBench) -> None:
        package_id = await bench.package(1)
        flip(bench.place(package_id))
        service = bench.service()
        assert await service.step() == bench.pace.look
        await service.verify(package_id, by="ann")
        await service.step()
        assert len(log_of(bench, package_id)) == 1
        assert len((await bench.store.notifications()).items) == 1

    in_bench(tmp_path, test, every="off", pace=FixityPace(look=5.0, counts=0.0))
