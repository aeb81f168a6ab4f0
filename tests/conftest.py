"""What holds for all tests: the slow ones begin first, have more time, and stay together where they share a set-up."""

from __future__ import annotations

import pytest

#: seconds; a machine that is busy with other things is slow, not wrong
SLOW_TIMEOUT = 1200


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put slow tests first, so that no worker ends with one while the others idle."""
    for item in items:
        if item.get_closest_marker("slow"):
            item.add_marker(pytest.mark.timeout(SLOW_TIMEOUT))
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
