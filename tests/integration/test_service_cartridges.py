"""Real course exports, served by the campus as courses and archived over real HTTP."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from fakes.daemon_process import shared_data
from fakes.service_bench import Bench

from coursekeep_campus import CampusServer, cartridges
from coursekeep_daemon.runs.states import RunStatus

CARTRIDGES = shared_data("cartridges")


@pytest.mark.skipif(CARTRIDGES is None, reason="the open learning data is not beside this checkout (shared/data)")
def test_every_real_cartridge_ends_in_a_package_whose_numbers_add_up(tmp_path: Path) -> None:
    """Courses made from real exports are archived whole: pages, files, discussions, quizzes, as many as expected."""
    assert CARTRIDGES is not None
    with CampusServer(cartridges(CARTRIDGES), throttle=False) as server:
        bench = Bench(tmp_path, server)
        ids = [str(one) for one in server.known["ended"]]

        async def main() -> list[Path]:
            async with bench.service() as service:
                run = await bench.finished(service, await bench.run_ids(service, *ids), seconds=240)
                items = await bench.items(service, run)
                assert run.status is RunStatus.COMPLETED, [(i.ref, i.status, i.detail) for i in items.values()]
                folders = []
                for item in items.values():
                    assert item.package_id is not None
                    folders.append(bench.folder / "out" / item.ref)
                    service.archive.extract(item.package_id, None, folders[-1])
                    assert service.archive.verify(item.package_id).valid
                return folders

        folders = asyncio.run(main())

    assert len(folders) >= 10
    kinds = set()
    for folder in folders:
        said = json.loads((folder / "data" / "completeness.json").read_text())
        for kind, numbers in said["kinds"].items():
            assert numbers["status"] in ("complete", "not-supported"), (folder.name, kind, numbers)
            kinds |= {kind} if numbers["captured"] else set()
    assert {"pages", "files", "discussions", "quizzes", "assignments", "structure"} <= kinds
