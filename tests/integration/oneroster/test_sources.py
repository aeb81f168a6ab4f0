"""All course sources over OneRoster, from files and from a service, through the whole service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.oneroster_files import district, write_zip
from fakes.oneroster_server import CLIENT, SECRET, OneRosterServer
from fakes.service_bench import Bench

from coursekeep_daemon.requests import RunRequest
from coursekeep_daemon.runs.states import ItemStatus

CLASS = "c/1 ä"


@pytest.fixture(params=["files", "service"])
def integration(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dict[str, Any]]:
    if request.param == "files":
        yield {"connector": "oneroster", "path": str(write_zip(tmp_path / "export.zip", district()))}
        return
    with OneRosterServer(district()) as server:
        (tmp_path / "secret").write_text(SECRET)
        yield {
            "connector": "oneroster",
            "base_url": server.url,
            "client_id": CLIENT,
            "client_secret": {"file": str(tmp_path / "secret")},
            "oauth_url": f"{server.url}/token",
            "page_size": 2,
        }


@pytest.mark.parametrize(
    ("source", "params", "completed"),
    [
        ("terms", {"terms": ["y24"]}, {CLASS}),
        ("ids", {"ids": [CLASS, "sis:c3"]}, {CLASS, "sis:c3"}),
        ("csv", {"text": f"course_id\n{CLASS}\nc9\n"}, {f"sis:{CLASS}"}),
        ("search", {"text": "physics"}, {CLASS}),
        ("end_date", {"before": "2024-07-01"}, {CLASS, "c3"}),
    ],
)
def test_every_course_source_finds_classes(
    tmp_path: Path, integration: dict[str, Any], source: str, params: dict[str, Any], completed: set[str]
) -> None:
    """Classes are found by term, id, list, text and end, and archived; one that does not exist is not found."""
    bench = Bench.of(tmp_path, integration)

    async def main() -> dict[str, ItemStatus]:
        async with bench.service() as service:
            request = RunRequest(integration="main", source=source, params=params)
            run, _ = await service.start_run(request, by="tester")
            await bench.finished(service, run)
            return {ref: item.status for ref, item in (await bench.items(service, run)).items()}

    statuses = asyncio.run(main())
    assert {ref for ref, status in statuses.items() if status is ItemStatus.COMPLETED} == completed
    assert (statuses.get("sis:c9") is ItemStatus.NOT_FOUND) == (source == "csv")
    told = "".join(path.read_text(errors="replace") for path in (tmp_path / "archive").rglob("*") if path.is_file())
    assert not [secret for secret in (SECRET, "hush-1", "hush-3", "made-up-1-token") if secret in told]


def test_a_second_archive_of_an_unchanged_class_writes_nothing_new(tmp_path: Path, integration: dict[str, Any]) -> None:
    """A refresh finds the same bytes, and keeps the version that there is."""
    bench = Bench.of(tmp_path, integration)

    async def main() -> list[Any]:
        async with bench.service() as service:
            found = []
            for _ in range(2):
                run = await bench.finished(service, await bench.run_ids(service, CLASS, on_existing="refresh"))
                found.append((await bench.items(service, run))[CLASS].status)
            return found

    assert asyncio.run(main()) == [ItemStatus.COMPLETED, ItemStatus.SKIPPED]
