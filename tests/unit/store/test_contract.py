"""The store's promises, on every database."""

from __future__ import annotations

from fakes.store_contract_control import ControlContract
from fakes.store_contract_days import DayContract
from fakes.store_contract_items import ItemContract, WorkContract
from fakes.store_contract_leases import LeaseContract
from fakes.store_contract_lists import ListContract
from fakes.store_contract_replicas import ReplicaContract
from fakes.store_contract_runs import RunContract
from fakes.store_contract_topics import AccessContract, TopicContract


class TestRuns(RunContract):
    """Runs."""


class TestItems(ItemContract):
    """Items."""


class TestWork(WorkContract):
    """Items at work."""


class TestLeases(LeaseContract):
    """Leases and workers."""


class TestControl(ControlContract):
    """Pauses, cancels and reimports."""


class TestDays(DayContract):
    """Counts of days."""


class TestLists(ListContract):
    """Lists."""


class TestTopics(TopicContract):
    """Integrations, pauses, schedules and events."""


class TestAccess(AccessContract):
    """Tokens and audit."""


class TestReplicas(ReplicaContract):
    """Replicas of the archive."""
