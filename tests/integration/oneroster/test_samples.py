"""Real OneRoster exports, archived by the real service, against counts read independently from the files."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from fakes.daemon_process import shared_data
from fakes.service_bench import Bench

from coursekeep_daemon.runs.states import RunStatus

SAMPLES = shared_data("oneroster")
SOURCES = ["oneroster-1.1-full.zip", "oneroster-1.1-minimal.zip", "oneroster-1.2-full.zip", "oat-sa-v1p1-base"]
PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "oneroster.md"
Rows = list[dict[str, str]]


def tables(source: Path) -> dict[str, Rows]:
    """Read all files of an export with nothing but the csv module."""
    if source.is_dir():
        texts = {path.stem: path.read_text("utf-8-sig") for path in source.glob("*.csv")}
    else:
        with zipfile.ZipFile(source) as archive:
            texts = {Path(name).stem: archive.read(name).decode("utf-8-sig") for name in archive.namelist()}
    return {name: list(csv.DictReader(io.StringIO(text, newline=""))) for name, text in texts.items()}


def counted(found: dict[str, Rows], class_id: str) -> dict[str, tuple[int, int]]:
    """Count what a class has, and what it refers to that no file holds: enrolments, people, what describes it."""
    (class_,) = [row for row in found["classes"] if row["sourcedId"] == class_id]
    enrolled = [row for row in found["enrollments"] if row["classSourcedId"] == class_id]
    wanted = {row["userSourcedId"] for row in enrolled}
    known = {row["sourcedId"] for row in found["users"]}
    described, lost = 1, 0
    for column, name in (("courseSourcedId", "courses"), ("schoolSourcedId", "orgs")):
        if class_[column]:
            there = class_[column] in {row["sourcedId"] for row in found.get(name, [])}
            described, lost = described + there, lost + (not there)
    sessions = {row["sourcedId"]: row.get("parentSourcedId", "") for row in found["academicSessions"]}
    waiting, seen = [each.strip() for each in class_["termSourcedIds"].split(",")], set[str]()
    while waiting:
        session = waiting.pop()
        if session and session not in seen:
            seen.add(session)
            waiting.append(sessions.get(session, ""))
    return {
        "enrollments": (len(enrolled), 0),
        "people": (len(wanted & known), len(wanted - known)),
        "settings": (described + len(seen & set(sessions)), lost + len(seen - set(sessions))),
    }


@pytest.mark.skipif(SAMPLES is None, reason="the open learning data is not beside this checkout (shared/data)")
@pytest.mark.parametrize("name", SOURCES)
def test_every_class_of_a_real_export_has_as_many_records_as_rows(tmp_path: Path, name: str) -> None:
    """Each class is archived; per kind, as many records as the files have rows, and a gap for each missing one."""
    assert SAMPLES is not None
    found = tables(SAMPLES / name)
    ids = [row["sourcedId"] for row in found["classes"]]
    folders = archived(tmp_path, SAMPLES / name, ids)

    assert sorted(folders) == sorted(ids)
    for class_id, folder in folders.items():
        said = json.loads((folder / "data" / "completeness.json").read_text())["kinds"]
        for kind, (records, gaps) in counted(found, class_id).items():
            numbers = said[kind]
            assert (numbers["captured"], numbers["gaps"]) == (records, gaps), (class_id, kind, numbers)
            assert numbers["expected"] == records + gaps, (class_id, kind, numbers)
        assert {kind for kind, numbers in said.items() if numbers["status"] != "not-supported"} == {
            "enrollments",
            "people",
            "settings",
        }
        records = [str(said[kind]["captured"]) for kind in ("enrollments", "people", "settings")]
        row = f"| `{name}` | `{class_id}` | {' | '.join(records)} | {said['settings']['gaps']} |"
        assert row in PAGE.read_text(), f"the table of docs/reference/oneroster.md needs {row}"
        told = "".join(path.read_text() for path in folder.rglob("*.jsonl"))
        assert "Password1-" not in told, "a password of a user is in the package"


def archived(tmp_path: Path, source: Path, ids: list[str]) -> dict[str, Path]:
    """Archive classes by their ids through a whole service; return the packages unpacked."""
    bench = Bench.of(tmp_path, {"connector": "oneroster", "path": source})

    async def main() -> dict[str, Path]:
        async with bench.service() as service:
            run = await bench.finished(service, await bench.run_ids(service, *ids))
            items: dict[str, Any] = await bench.items(service, run)
            assert run.status is RunStatus.COMPLETED, [(i.ref, i.status, i.detail) for i in items.values()]
            folders = {}
            for item in items.values():
                folders[item.ref] = tmp_path / "out" / item.ref
                service.archive.extract(item.package_id, None, folders[item.ref])
                assert service.archive.verify(item.package_id).valid
            return folders

    return asyncio.run(main())
