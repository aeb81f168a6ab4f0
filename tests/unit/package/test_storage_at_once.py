"""The staging area may be removed by another at any moment."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fakes.package_kit import new_archive

from coursekeep_daemon.package.storage import Staging


def test_staging_area_may_go_while_it_is_looked_at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That another has the empty staging area just now, and then removes it, keeps no package from being begun."""
    area, make, calls = tmp_path / "staging", os.mkdir, []

    def there_and_gone(path: Any, *more: Any) -> None:
        calls.append(path)
        if len(calls) == 1:
            raise FileExistsError(17, "File exists", str(path))
        make(path, *more)

    monkeypatch.setattr(os, "mkdir", there_and_gone)
    with Staging(area, "package") as staging:
        staging.prepare()
        assert staging.directory.is_dir()
    assert not area.exists()


def test_an_archive_opens_though_another_ends_its_work_just_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second process that starts while the first removes the staging area finds nothing to clear there."""
    archive = new_archive(tmp_path / "archive")
    area = archive.root / "extensions" / "coursekeep-staging"
    area.mkdir(parents=True, exist_ok=True)
    entries = os.listdir

    def gone(path: Any) -> list[str]:
        if Path(path) == area and area.exists():
            area.rmdir()
        return entries(path)

    monkeypatch.setattr(os, "listdir", gone)
    assert not archive.prepare()
    assert not area.exists()
