"""The connector for Kolibri: classes with their people, lessons, quizzes, attendance, and what learners did in them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coursekeep import Connector, hookimpl
from coursekeep_kolibri.connector import KolibriConnector
from coursekeep_kolibri.settings import KolibriSettings

__all__ = ["KolibriConnector", "KolibriSettings", "register_connectors"]


@hookimpl
def register_connectors() -> Sequence[type[Connector[Any]]]:
    """Return the connector for Kolibri."""
    return [KolibriConnector]
