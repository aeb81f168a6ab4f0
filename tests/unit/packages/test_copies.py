"""The same package under several paths: recognised by content, and never lost."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fakes.moodle_backup import MOODLE
from fakes.package_files import CANVAS_CARTRIDGE, make_mbz, make_zip
from fakes.service_bench import Bench

from coursekeep import CourseQuery
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings
from coursekeep_connectors.packages.disk import DiskFile
from coursekeep_daemon.requests import RunRequest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two packages, each twice, and one that differs from the first in a byte of no consequence."""
    first = make_zip(tmp_path / "packages" / "2023" / "botany.imscc", CANVAS_CARTRIDGE)
    second = make_mbz(first.parent / "m.mbz", MOODLE)
    for path, copy in ((first, "2024/renamed.zip"), (second, "2023/n.mbz")):
        target = tmp_path / "packages" / copy
        target.parent.mkdir(exist_ok=True)
        shutil.copy(path, target)
    other = bytearray(first.read_bytes())
    other[10] ^= 1  # the time of an entry
    (tmp_path / "packages" / "2024" / "other.imscc").write_bytes(bytes(other))
    return tmp_path / "packages"


def same_as(connector: PackagesConnector, **query: Any) -> dict[str, str | None]:
    async def main() -> dict[str, str | None]:
        async with connector:
            return {course.id: course.same_as async for course in connector.courses(CourseQuery(**query))}

    return asyncio.run(main())


def test_copies_are_recognised_by_content(folder: Path) -> None:
    """The first path is the course; a copy names it, whatever it is called. One other byte makes another course."""
    connector = PackagesConnector(PackagesSettings(path=folder))

    assert same_as(connector) == {
        "2023/botany.imscc": None,
        "2023/m.mbz": None,
        "2023/n.mbz": "2023/m.mbz",
        "2024/other.imscc": None,
        "2024/renamed.zip": "2023/botany.imscc",
    }


def test_copy_is_a_course_where_its_twin_is_not_asked_for(folder: Path) -> None:
    """A term has all its packages, though copies of some lie in another; and a copy can be asked for by its path."""
    connector = PackagesConnector(PackagesSettings(path=folder))
    assert same_as(connector, term_ids=["2024"]) == {"2024/other.imscc": None, "2024/renamed.zip": None}

    async def main() -> None:
        course = await connector.course("2024/renamed.zip")
        assert course is not None
        assert course.same_as is None

    asyncio.run(main())


def test_only_what_may_be_a_copy_is_read_and_only_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of their own size are not read for it; those of one size whole only where their ends agree, and once."""
    read: list[tuple[str, int]] = []
    pread = DiskFile.pread

    def noted(self: DiskFile, offset: int, size: int) -> bytes:
        read.append((self.name, size))
        return pread(self, offset, size)

    ends = bytearray((folder / "2023" / "m.mbz").read_bytes())
    ends[-1] ^= 1
    (folder / "2023" / "ends.mbz").write_bytes(bytes(ends))
    connector = PackagesConnector(PackagesSettings(path=folder))
    monkeypatch.setattr(DiskFile, "pread", noted)
    found = same_as(connector)
    whole = [name for name, size in read if size == 2**20]
    read.clear()

    assert found["2023/n.mbz"] == "2023/m.mbz"
    assert sorted(set(whole)) == sorted(whole)
    assert "ends.mbz" not in whole
    assert same_as(connector) == found
    assert not read
    os.utime(folder / "2023" / "n.mbz", ns=(1, 1))
    assert same_as(connector) == found
    assert {name for name, _ in read} == {"n.mbz"}


def test_check_names_copies(folder: Path) -> None:
    """The check says which packages are copies of which; that is nothing to be mended."""

    async def main() -> dict[str, Any]:
        async with PackagesConnector(PackagesSettings(path=folder)) as connector:
            return {step.name: step async for step in connector.check()}

    step = asyncio.run(main())["copies"]
    assert step.ok
    assert "2023/n.mbz of 2023/m.mbz" in step.detail
    assert "2024/renamed.zip of 2023/botany.imscc" in step.detail


def test_run_archives_each_content_once_and_names_the_copies(folder: Path, tmp_path: Path) -> None:
    """A run over all has an item for every path: of twins one is archived, the other skipped with the twin's name."""
    bench = Bench(tmp_path, cast(Any, SimpleNamespace(url="", token="")))
    bench.integration = {"connector": "packages", "path": str(folder)}

    async def main() -> dict[str, tuple[str, str | None]]:
        async with bench.service() as service:
            request = RunRequest(integration="main", source="end_date", params={"before": "2026-01-01"})
            run, _ = await service.start_run(request, by="tester")
            run = await bench.finished(service, run, seconds=120)
            return {ref: (str(item.status), item.reason) for ref, item in (await bench.items(service, run)).items()}

    assert asyncio.run(main()) == {
        "2023/botany.imscc": ("completed", None),
        "2023/m.mbz": ("completed", None),
        "2023/n.mbz": ("skipped", "duplicate"),
        "2024/other.imscc": ("completed", None),
        "2024/renamed.zip": ("skipped", "duplicate"),
    }
