"""What holds for all tests: the slow ones begin first, have more time, and stay together where they share a set-up."""

from __future__ import annotations

import os
from collections.abc import Iterator

import hypothesis
import pytest
from fakes.postgres_server import Databases, PostgresServer

#: seconds; a machine that is busy with other things is slow, not wrong
SLOW_TIMEOUT = 1200

# nor is one whose examples take long to make or to try
hypothesis.settings.register_profile(
    "coursekeep", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("coursekeep")


@pytest.fixture(scope="session")
def databases() -> Iterator[Databases]:
    """Databases on a PostgreSQL server that starts when the first test asks, or on that of COURSEKEEP_TEST_POSTGRES."""
    elsewhere = os.environ.get("COURSEKEEP_TEST_POSTGRES")
    server = None if elsewhere else PostgresServer()
    made = Databases(elsewhere or server.url("postgres"))  # type: ignore[union-attr]  # one of them is there
    yield made
    if server is None:
        made.close()
    else:
        server.remove()


def pytest_xdist_auto_num_workers() -> int:
    """Run one test more than there are cores: many wait for processes, and leave theirs idle."""
    return (os.cpu_count() or 1) + 1


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Put slow tests first, so that no worker ends with one while the others idle."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))
        if getattr(config.option, "loadgroup", False):
            _tell_group(item)
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def _tell_group(item: pytest.Item) -> None:
    """Put the group of a test behind its id, where pytest-xdist looks for it.

    pytest-xdist 3.8 writes it into a field that pytest 9.2 no longer reads, and spreads the group.
    """
    group = item.get_closest_marker("xdist_group")
    if group is None or item.nodeid.endswith(f"@{group.args[0]}"):
        return
    item._id = type(item._id).parse(f"{item.nodeid}@{group.args[0]}")  # type: ignore[attr-defined]
    assert item.nodeid.endswith(f"@{group.args[0]}")
