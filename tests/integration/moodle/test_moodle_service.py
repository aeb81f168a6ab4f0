"""A whole Moodle through the real service: every ended course becomes a valid package whose numbers are the site's."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.moodle_bench import MoodleBench

from coursekeep_campus.moodle import MoodleServer, moodle_content
from coursekeep_campus.moodle.model import MoodleCourse
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store import Item


@pytest.fixture(scope="module")
def server() -> Iterator[MoodleServer]:
    with MoodleServer(moodle_content(seed=1, courses=12)) as running:
        yield running


def _objects(folder: Path) -> dict[str, Path]:
    """Return the folder of every package by its id."""
    found = folder.rglob("inventory.json")
    return {json.loads(path.read_text())["id"]: path.parent for path in found if path.parent.name != "v1"}


def _lines(package: Path, name: str) -> list[dict[str, Any]]:
    path = package / "v1" / "content" / "data" / "records" / f"{name}.jsonl"
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def _counts(course: MoodleCourse) -> dict[str, int]:
    """Count what the site has, from its own content and not from its answers."""
    assigns, forums, quizzes = course.of("assign"), course.of("forum"), course.of("quiz")
    return {
        "enrollments": sum(max(1, len(one.roles)) for one in course.enrolments),
        "groups": len(course.groups),
        "structure": len(course.sections) + len(course.activities),
        "assignments": len(assigns),
        "quizzes": len(quizzes),
        "quiz_attempts": sum(len(one.data["attempts"]) for one in quizzes),
        "discussions": sum(len(one.data["discussions"]) for one in forums),
        "posts": sum(len(posts) for one in forums for posts in one.data["posts"].values()),
        "grades": len(course.grades),
        "completions": sum(map(len, course.statuses.values())) + len(course.completions),
        "badges": sum(map(len, course.badges.values())),
    }


def test_all_ended_courses_are_archived(tmp_path: Path, server: MoodleServer) -> None:
    """Every ended course is completed, its package is valid, and holds as many of everything as the site does."""
    bench = MoodleBench(tmp_path, server)
    ids = [str(number) for number in server.known["ended"]]

    async def main() -> dict[str, Item]:
        async with bench.service() as service:
            run = await bench.run_ids(service, *ids)
            await bench.finished(service, run, 120)
            items = await bench.items(service, run)
            for item in items.values():
                assert item.status is ItemStatus.COMPLETED, (item.ref, item.reason, item.detail)
                assert (await service.verify_package(str(item.package_id))).valid
            return items

    items = asyncio.run(main())
    packages = _objects(tmp_path / "archive")
    for ref, item in items.items():
        package = packages[str(item.package_id)]
        for name, count in _counts(server.site.courses[int(ref)]).items():
            assert len(_lines(package, name)) == count, f"course {ref}: {name}"
