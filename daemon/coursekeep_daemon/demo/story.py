"""The story that the demo tells: three runs, and what must become of each course."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from coursekeep_daemon.cli.client import ApiClient
from coursekeep_daemon.cli.errors import CliError
from coursekeep_daemon.cli.output import Printer
from coursekeep_daemon.cli.watch import watch
from coursekeep_daemon.demo.house import Campus, House

__all__ = ["Growth", "Story", "tell"]


@dataclass(frozen=True, kw_only=True)
class Growth:
    """What each version of a package stores of its own."""

    package_id: str
    #: version -> (files, bytes) that are stored in it, and not in an earlier one
    stored: Mapping[str, tuple[int, int]]


@dataclass(kw_only=True)
class Story:
    """What happened, and what should not have."""

    runs: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)
    growth: Growth | None = None
    surprises: list[str] = field(default_factory=list)

    def expect(self, condition: bool, surprise: str) -> None:
        """Note a surprise where a condition does not hold."""
        if not condition:
            self.surprises.append(surprise)


def tell(house: House, printer: Printer) -> Story:
    """Tell the story, showing progress."""
    story = Story()
    known = house.campus.courses
    with house.client() as client:
        _check(client, printer)
        printer.say("\n1. All courses that have ended, as a schedule would take them")
        items = _run(house, client, printer, story, "ended courses", _ended())
        _expect_archived(story, items, known)
        printer.say("\n2. A CSV with an archived course and, where the campus has them, unknown and forbidden ones")
        _hard_cases(house, client, printer, story)
        printer.say("\n3. A grade changes late; that course and another are archived again as `refresh`")
        _late_grade(house, client, printer, story)
    return story


def _ended() -> Mapping[str, Any]:
    return {"source": "end_date", "params": {"before": datetime.now(UTC).date().isoformat()}}


def _check(client: ApiClient, printer: Printer) -> None:
    report = client.post("/integrations/campus/check")
    for step in report["steps"]:
        printer.say(f"   {'ok' if step['ok'] else 'NOT OK'}  {step['name']}  {step['detail']}")
    if not report["ok"]:
        raise CliError("the campus does not pass the connector's check.")


def _run(
    house: House, client: ApiClient, printer: Printer, story: Story, title: str, body: Mapping[str, Any]
) -> dict[str, Mapping[str, Any]]:
    """Start a run, follow it, and return its items by what was asked for."""
    common = {"integration": "campus", "note": f"demo: {title}"}
    if "file" in body:
        run = client.post_form("/runs", common, ("courses.csv", body["file"].encode()))
    else:
        run = client.post("/runs", {**common, **body})
    story.runs.append((title, watch(house.client, run["id"], printer)))
    return {item["ref"]: item for item in client.entries(f"/runs/{run['id']}/items", limit=None)}


def _expect_archived(story: Story, items: Mapping[str, Mapping[str, Any]], known: Mapping[str, Any]) -> None:
    story.expect(bool(items), "no course has ended")
    forbidden = str(known.get("forbidden", ""))
    for course in map(str, known["ended"]):
        if course != forbidden:
            _expect(story, items, course, "completed")
    locked = items.get(str(known.get("locked_file", "")))
    if "locked_file" in known:
        story.expect(bool(locked and locked["gaps"]), "the course with a locked file shows no gap")


def _hard_cases(house: House, client: ApiClient, printer: Printer, story: Story) -> None:
    known = house.campus.courses
    fates: Mapping[str, tuple[str, str | None]] = {
        "unknown": ("not_found", None),
        "deleted": ("not_found", None),
        "forbidden": ("failed", "no_access"),
    }
    expected: dict[str, tuple[str, str | None]] = {_ordinary(known): ("skipped", "archived")}
    expected |= {str(known[name]): fate for name, fate in fates.items() if name in known}
    body = {"file": "course_id\n" + "".join(f"{course}\n" for course in expected)}
    items = _run(house, client, printer, story, "hard cases", body)
    for course, (status, reason) in expected.items():
        _expect(story, items, course, status, reason)


def _late_grade(house: House, client: ApiClient, printer: Printer, story: Story) -> None:
    same = _ordinary(house.campus.courses)
    changed = _change_grade(house.campus, other_than=same)
    body = {"source": "ids", "params": {"ids": [changed, same]}, "on_existing": "refresh"}
    items = _run(house, client, printer, story, "refresh after a late grade", body)
    _expect(story, items, changed, "completed")
    _expect(story, items, same, "skipped", "unchanged")
    item = items.get(changed)
    if item is None or item["package_version"] != 2:
        story.surprises.append(f"course {changed} has no second version after its grade changed")
        return
    path = client.get(f"/packages/{item['package_id']}")["versions"][-1]["path"]
    story.growth = Growth(package_id=item["package_id"], stored=_stored(house.archive / path))
    first, second = story.growth.stored["v1"], story.growth.stored["v2"]
    story.expect(0 < second[1] < first[1], "version 2 stores as much as version 1, not only the change")


def _ordinary(courses: Mapping[str, Any]) -> str:
    """Return an ended course with nothing special about it."""
    special = {str(value) for value in courses.values() if not isinstance(value, list)}
    return next(course for course in map(str, courses["ended"]) if course not in special)


def _change_grade(campus: Campus, *, other_than: str) -> str:
    """Have a teacher of the campus grade one submission anew, and return its course."""
    course = str(campus.courses.get("late_grade") or next(c for c in campus.courses["ended"] if str(c) != other_than))
    headers = {"Authorization": f"Bearer {campus.token}", "User-Agent": "coursekeep-demo"}
    with httpx.Client(base_url=campus.url, headers=headers, trust_env=False, timeout=60) as lms:
        answer = lms.get(f"/api/v1/courses/{course}/students/submissions", params={"student_ids[]": "all"})
        graded = [one for one in answer.raise_for_status().json() if one.get("score") is not None]
        if not graded:
            raise CliError(f"course {course} of the campus has no graded submission to change.")
        one = graded[0]
        change = {"course": course, "assignment": one["assignment_id"], "user": one["user_id"]}
        lms.post("/campus/grade", json={**change, "score": one["score"] + 1}).raise_for_status()
    return course


def _expect(
    story: Story, items: Mapping[str, Mapping[str, Any]], course: str, status: str, reason: str | None = None
) -> None:
    item = items.get(course)
    if item is None:
        story.surprises.append(f"course {course} is missing from its run; it should be {status}")
    elif item["status"] != status or (reason is not None and item["reason"] != reason):
        is_so = f"{item['status']} {item['reason'] or ''} {item['detail'] or ''}".strip()
        story.surprises.append(f"course {course} should be {status} {reason or ''}, but is {is_so}")


def _stored(package: Path) -> Mapping[str, tuple[int, int]]:
    versions = sorted(path for path in package.glob("v*") if path.is_dir())
    return {version.name: _size(list((version / "content").rglob("*"))) for version in versions}


def _size(paths: Sequence[Path]) -> tuple[int, int]:
    sizes = [path.stat().st_size for path in paths if path.is_file()]
    return len(sizes), sum(sizes)
