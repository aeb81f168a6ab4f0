"""Real course packages, archived by the real service, against counts that were taken without the product."""

from __future__ import annotations

import asyncio
import json
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes.daemon_process import shared_data
from fakes.hostile_packages import HOSTILE
from fakes.moodle_backup import MOODLE
from fakes.package_counts import count_package
from fakes.package_files import PLAIN_CARTRIDGE, make_mbz, make_zip
from fakes.service_bench import Bench

from coursekeep_daemon.requests import RunRequest
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import Item, Run

CARTRIDGES = shared_data("cartridges")


def bench_of(tmp_path: Path, packages: Path) -> Bench:
    """Make a bench whose one integration is a folder."""
    bench = Bench(tmp_path, cast(Any, SimpleNamespace(url="", token="")))
    bench.integration = {"connector": "packages", "path": str(packages)}
    return bench


async def archive_all(bench: Bench, out: Path) -> tuple[Run, dict[str, Item], dict[str, Path]]:
    """Archive every course that has ended, and unpack and verify what was made of each."""
    async with bench.service() as service:
        request = RunRequest(integration="main", source="end_date", params={"before": "2026-01-01"})
        run, _ = await service.start_run(request, by="tester")
        run = await bench.finished(service, run, seconds=240)
        items = await bench.items(service, run)
        folders: dict[str, Path] = {}
        for number, item in enumerate(items.values()):
            if item.package_id is not None:
                folders[item.ref] = out / str(number)
                service.archive.extract(item.package_id, None, folders[item.ref])
                assert service.archive.verify(item.package_id).valid
        return run, items, folders


@pytest.mark.slow
@pytest.mark.skipif(CARTRIDGES is None, reason="the open learning data is not beside this checkout (shared/data)")
def test_every_real_package_is_archived_as_it_was_counted(tmp_path: Path) -> None:
    """Of every real package each kind has as many records, or named gaps, as a plain count of its XML gives."""
    assert CARTRIDGES is not None
    bench = bench_of(tmp_path, CARTRIDGES)
    run, items, folders = asyncio.run(archive_all(bench, tmp_path / "out"))

    assert run.status is RunStatus.COMPLETED, [(item.ref, item.detail) for item in items.values()]
    assert len(folders) == sum(1 for path in CARTRIDGES.rglob("*") if path.is_file())
    for ref, folder in folders.items():
        kinds = json.loads((folder / "data" / "completeness.json").read_text())["kinds"]
        found = {
            kind: said["captured"] + said["gaps"] for kind, said in kinds.items() if said["captured"] + said["gaps"]
        }
        assert found == count_package(CARTRIDGES / ref), ref
        assert not any(said["surplus"] or "unexplained" in said["reasons"] for said in kinds.values()), ref
        (native,) = (folder / "data" / "native" / "export").iterdir()
        assert native.read_bytes() == (CARTRIDGES / ref).read_bytes()


def test_hostile_packages_fail_alone(tmp_path: Path) -> None:
    """Among hostile packages the good ones are archived, and each hostile one is a failed item with its reason."""
    packages = tmp_path / "packages"
    make_zip(packages / "good.imscc", PLAIN_CARTRIDGE)
    make_mbz(packages / "good.mbz", MOODLE)
    for name, (make, _) in HOSTILE.items():
        make(packages / name)
    run, items, folders = asyncio.run(archive_all(bench_of(tmp_path, packages), tmp_path / "out"))

    assert run.status is RunStatus.COMPLETED_WITH_ERRORS
    assert {"good.imscc", "good.mbz"} <= set(folders)
    failed = {ref: item for ref, item in items.items() if item.status is ItemStatus.FAILED}
    assert set(failed) == set(items) - set(folders)
    for ref, item in failed.items():
        assert item.reason == "malformed_answer", (ref, item.detail)
        assert HOSTILE[ref][1] in (item.detail or ""), (ref, item.detail)


def test_damaged_entry_is_a_gap_of_the_course(tmp_path: Path) -> None:
    """A file whose checksum is wrong is a gap; the course is archived with all others, and the package as it is."""
    path = make_zip(tmp_path / "packages" / "a.imscc", PLAIN_CARTRIDGE)
    data = bytearray(path.read_bytes())
    data[data.rindex(b"img/x.png") - 46 + 16] ^= 0xFF
    path.write_bytes(bytes(data))
    _, items, folders = asyncio.run(archive_all(bench_of(tmp_path, path.parent), tmp_path / "out"))

    assert items["a.imscc"].status is ItemStatus.COMPLETED
    gaps = [json.loads(line) for line in (folders["a.imscc"] / "data" / "gaps.jsonl").read_text().splitlines()]
    assert {gap["id"]: gap["reason"] for gap in gaps} == {"img/x.png": "malformed", "gone.pdf": "not_found"}
    assert zipfile.is_zipfile(next((folders["a.imscc"] / "data" / "native" / "export").iterdir()))
