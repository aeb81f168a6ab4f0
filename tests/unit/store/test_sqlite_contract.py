"""The store's promises, on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import store_contract as contract
from fakes.store_house import House, sqlite_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return sqlite_house(tmp_path)


class TestRuns(contract.RunContract):
    """Runs on SQLite."""


class TestItems(contract.ItemContract):
    """Items on SQLite."""


class TestWork(contract.WorkContract):
    """Items at work on SQLite."""


class TestLists(contract.ListContract):
    """Lists on SQLite."""


class TestTopics(contract.TopicContract):
    """Integrations, pauses, schedules and events on SQLite."""


class TestAccess(contract.AccessContract):
    """Tokens and audit on SQLite."""
