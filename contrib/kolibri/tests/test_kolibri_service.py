"""A real Kolibri through the real service: valid packages, with as much in them as in its database."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fakes.kolibri_counts import count_class
from fakes.kolibri_school import CHANNEL, LOST, UNIT, School
from fakes.service_bench import Bench

from coursekeep_daemon.runs.states import FailReason, ItemStatus, SkipReason
from coursekeep_daemon.store import Item

# slow, since the first of them waits for a server to be made
pytestmark = [pytest.mark.xdist_group("kolibri"), pytest.mark.slow]


def _bench(folder: Path, school: School) -> Bench:
    return Bench.of(
        folder,
        {
            "connector": "kolibri",
            "base_url": school.server.url,
            "username": "archive",
            "password": "archive-pass",
            "ended_classes": ["* 2025"],
        },
    )


def _archived(folder: Path, school: School, *ids: str) -> dict[str, Item]:
    """Archive classes with the service, verify their packages, and return the items by id."""
    bench = _bench(folder, school)

    async def main() -> dict[str, Item]:
        async with bench.service() as service:
            run = await bench.run_ids(service, *ids)
            await bench.finished(service, run, 120)
            items = await bench.items(service, run)
            for item in items.values():
                assert item.package_id is None or (await service.verify_package(str(item.package_id))).valid
            return items

    return asyncio.run(main())


def _packages(folder: Path) -> dict[str, Path]:
    """Return the payload of every package by its id."""
    found = [path for path in folder.rglob("inventory.json") if path.parent.name != "v1"]
    return {json.loads(path.read_text())["id"]: path.parent / "v1" / "content" / "data" for path in found}


def _lines(package: Path, name: str) -> list[dict[str, Any]]:
    path = package / name
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def test_all_classes_are_archived(tmp_path: Path, school: School) -> None:
    """Every class is completed, its package is valid, and holds as much of everything as Kolibri's database does."""
    items = _archived(tmp_path, school, *school.classes.values())

    packages = _packages(tmp_path / "archive")
    pictures = school.server.rows("SELECT picture_password FROM kolibriauth_facilityuser", {})
    secrets = ["-pass", "FEMALE", '"2010"', *(f'"{picture}"' for (picture,) in pictures if picture)]
    assert len(secrets) > 4, "learners should have pictures to sign in with"
    for class_, item in items.items():
        assert item.status is ItemStatus.COMPLETED, (item.ref, item.reason, item.detail)
        package = packages[str(item.package_id)]
        counts = {kind: len(_lines(package, f"records/{kind}.jsonl")) for kind in count_class(school.server, class_)}
        assert counts == count_class(school.server, class_)
        text = "".join(path.read_text(errors="replace") for path in package.rglob("*.json*"))
        assert not [secret for secret in secrets if secret in text]
    biology = packages[str(items[school.biology].package_id)]
    assert min(count_class(school.server, school.biology).values()) > 0, "the class should have something of each kind"
    assert [len(_lines(biology, f"records/{kind}.jsonl")) for kind in ("outcomes", "outcome_results")] == [2, 2]
    _gaps_are_true(biology)
    _files_are_whole(biology)


def _gaps_are_true(package: Path) -> None:
    found = Counter((gap["kind"], gap["reason"], gap["id"]) for gap in _lines(package, "gaps.jsonl"))
    assert found == Counter(
        {
            ("activities", "not_found", LOST["contentnode_id"]): 1,
            ("completions", "not_offered", LOST["content_id"]): 1,
            ("completions", "not_offered", None): 1,
            ("quiz_questions", "native_only", None): 1,
            ("responses", "not_offered", None): 1,
        }
    )


def _files_are_whole(package: Path) -> None:
    stored = {path.read_bytes() for path in (package / "files").rglob("*") if path.is_file()}
    (film,) = UNIT.children[0].children
    assert stored == {node.file[1] for node in (*CHANNEL.nodes, film) if node.file}


def test_unchanged_class_is_not_written_again(tmp_path: Path, school: School) -> None:
    """A class that is read once more, and has not changed, gives the same bytes, and so no new version."""
    bench = _bench(tmp_path, school)

    async def main() -> tuple[Item, Item]:
        async with bench.service() as service:
            found = []
            for policy in ("skip", "refresh"):
                run = await bench.run_ids(service, school.biology, on_existing=policy)
                await bench.finished(service, run, 120)
                found.append((await bench.items(service, run))[school.biology])
            return found[0], found[1]

    first, second = asyncio.run(main())
    assert (first.status, second.status) == (ItemStatus.COMPLETED, ItemStatus.SKIPPED)
    assert second.reason == SkipReason.UNCHANGED


def test_missing_and_forbidden_classes_are_told_apart(tmp_path: Path, school: School) -> None:
    """A class that does not exist is not found; one that the user may not read has failed with no_access."""
    missing = "0" * 32

    items = _archived(tmp_path, school, missing, school.foreign)

    assert items[missing].status is ItemStatus.NOT_FOUND
    forbidden = items[school.foreign]
    assert (forbidden.status, forbidden.reason) == (ItemStatus.FAILED, FailReason.NO_ACCESS)
