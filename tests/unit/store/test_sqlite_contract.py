"""The store's promises, on SQLite."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.store_contract_control import ControlContract
from fakes.store_contract_days import DayContract
from fakes.store_contract_items import ItemContract, WorkContract
from fakes.store_contract_lists import ListContract
from fakes.store_contract_runs import RunContract
from fakes.store_contract_topics import AccessContract, TopicContract
from fakes.store_house import House, sqlite_house


@pytest.fixture
def house(tmp_path: Path) -> House:
    return sqlite_house(tmp_path)


class TestRuns(RunContract):
    """Runs on SQLite."""


class TestItems(ItemContract):
    """Items on SQLite."""


class TestWork(WorkContract):
    """Items at work on SQLite."""


class TestControl(ControlContract):
    """Pauses, cancels and reimports on SQLite."""


class TestDays(DayContract):
    """Counts of days on SQLite."""


class TestLists(ListContract):
    """Lists on SQLite."""


class TestTopics(TopicContract):
    """Integrations, pauses, schedules and events on SQLite."""


class TestAccess(AccessContract):
    """Tokens and audit on SQLite."""
