"""Copies of a store in SQLite."""

from __future__ import annotations

import asyncio
import errno
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from coursekeep import SettingsError
from coursekeep_daemon.store import Conflict, Store, StoreError, backup, backup_store


def test_a_backup_is_one_file_with_all_that_was_committed(tmp_path: Path) -> None:
    """A store that is being written is copied whole into a file of its owner's, which a store can be started on."""
    url, copy = f"sqlite:///{tmp_path}/store.db", tmp_path / "copy.db"

    async def main() -> tuple[list[str], list[str]]:
        await asyncio.to_thread(Store.upgrade, url)
        async with Store(url) as store:
            await store.create_token("one", "read")
            size = await asyncio.to_thread(backup_store, url, copy)
            await store.create_token("two", "read")
            assert size == copy.stat().st_size
            async with Store(f"sqlite:///{copy}") as restored:
                return [one.name for one in await restored.tokens()], [one.name for one in await store.tokens()]

    assert asyncio.run(main()) == (["one"], ["one", "two"])
    assert copy.stat().st_mode & 0o777 == 0o600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "store.db"]


def test_a_store_of_an_older_release_can_be_copied(tmp_path: Path) -> None:
    """A backup asks for no revision, since it is made before the upgrade."""
    url, copy = f"sqlite:///{tmp_path}/store.db", tmp_path / "copy.db"
    Store.upgrade(url)
    with closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = '0005'")
        database.commit()

    assert backup_store(url, copy) > 0
    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("SELECT version_num FROM alembic_version").fetchone() == ("0005",)


def test_a_backup_replaces_nothing_and_leaves_nothing_half(tmp_path: Path) -> None:
    """What is there is not replaced; a store that is absent, damaged or in PostgreSQL is refused; nothing is left."""
    url, taken = f"sqlite:///{tmp_path}/store.db", tmp_path / "taken"
    taken.write_text("mine")
    with pytest.raises(StoreError, match="no database at"):
        backup_store(url, tmp_path / "copy.db")
    Store.upgrade(url)
    (tmp_path / "bad.db").write_bytes(b"SQLite format 3\0" + b"\1" * 5000)

    with pytest.raises(Conflict, match="there already"):
        backup_store(url, taken)
    with pytest.raises(StoreError, match="damaged"):
        backup_store(f"sqlite:///{tmp_path}/bad.db", tmp_path / "copy.db")
    with pytest.raises(StoreError, match="cannot be written: No such file"):
        backup_store(url, tmp_path / "nowhere" / "copy.db")
    with pytest.raises(SettingsError, match="pg_dump"):
        backup_store("postgresql://coursekeep@db.example.edu/coursekeep", tmp_path / "copy.db")

    assert taken.read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir() if not path.name.endswith(("-shm", "-wal"))) == [
        "bad.db", "store.db", "taken",
    ]  # fmt: skip


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_comes_up_while_a_backup_is_taken_is_not_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Nor is a backup that another process makes of the same name; on file systems with and without links."""
    url, copy, made = f"sqlite:///{tmp_path}/store.db", tmp_path / "copy.db", backup._copy

    def no_links(*_: Path) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    def meanwhile(source: Path, part: Path) -> None:
        made(source, part)
        monkeypatch.setattr(backup, "_copy", made)
        backup_store(url, copy)

    Store.upgrade(url)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    monkeypatch.setattr(backup, "_copy", meanwhile)
    with pytest.raises(Conflict, match="there already"):
        backup_store(url, copy)

    with closing(sqlite3.connect(copy)) as database:
        assert database.execute("PRAGMA quick_check").fetchone() == ("ok",)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy.db", "store.db"]
