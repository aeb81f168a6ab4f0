"""The stores that the tests of this room run on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fakes.postgres_server import Databases, PostgresServer
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


@pytest.fixture
def pg_house(databases: Databases) -> Iterator[House]:
    """A house on PostgreSQL."""
    url = databases.migrated()
    yield House(url)
    databases.drop(url)


@pytest.fixture(scope="module")
def own_server() -> Iterator[PostgresServer]:
    """A server that a test may stop and kill."""
    server = PostgresServer()
    yield server
    server.remove()


@pytest.fixture(scope="module")
def own_databases(own_server: PostgresServer) -> Databases:
    """Databases on that server."""
    return Databases(own_server.url("postgres"))


@pytest.fixture
def own_house(own_databases: Databases) -> House:
    """A house on a server that a test may stop and kill."""
    return House(own_databases.migrated())
