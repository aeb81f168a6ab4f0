"""The stores that the tests of this room run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.postgres_server import Databases
from fakes.store_house import House, sqlite_house


@pytest.fixture(params=["sqlite", "postgresql"])
def house(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[House]:
    """A house with an empty store of the newest schema, on either database."""
    if request.param == "sqlite":
        yield sqlite_house(tmp_path)
        return
    databases: Databases = request.getfixturevalue("databases")
    url = databases.migrated()
    yield House(url)
    databases.drop(url)


@pytest.fixture(params=["sqlite", "postgresql"])
def new_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The address of a database, on either kind, that has no schema yet."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'coursekeep.db'}"
        return
    databases: Databases = request.getfixturevalue("databases")
    url = databases.empty()
    yield url
    databases.drop(url)
