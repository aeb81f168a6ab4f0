"""The judges of the demo: what they say of packages that they are given together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from fakes.package_kit import CONTEXT, COURSE, feed, parts

from coursekeep import ALWAYS
from coursekeep_daemon.demo import judges
from coursekeep_daemon.package import Archive


def test_a_bad_package_does_not_discredit_those_judged_with_it(tmp_path: Path) -> None:
    """Of packages that ocfl-py judges together, exactly the bad one is called bad, and the reason is told."""
    archive = Archive(tmp_path, organization="Example University")
    archive.prepare()
    packages: list[dict[str, Any]] = []
    for number in ("101", "102"):
        with archive.writer(replace(COURSE, id=number), CONTEXT, ALWAYS) as writer:
            feed(writer, parts())
            packages.append({"package_id": number, "version": 1, "path": writer.commit().path})
    bad = tmp_path / packages[1]["path"] / "v1" / "content" / "data" / "course.json"
    bad.write_text("{}")
    script = judges._find(judges.OCFL)
    assert script is not None

    said = {package["package_id"]: problem for package, problem in judges._by_ocfl(script, tmp_path, packages)}

    assert said["101"] == ""
    assert "INVALID" in said["102"]
