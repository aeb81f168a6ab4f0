"""The connectors and course sources that come with Coursekeep, registered like a stranger's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from coursekeep import Connector, CourseSource, hookimpl
from coursekeep_connectors.canvas import CanvasConnector
from coursekeep_connectors.csv import CsvSource
from coursekeep_connectors.end_date import EndDateSource
from coursekeep_connectors.ids import IdsSource
from coursekeep_connectors.moodle import MoodleConnector
from coursekeep_connectors.oneroster import OneRosterConnector
from coursekeep_connectors.packages import PackagesConnector
from coursekeep_connectors.search import SearchSource
from coursekeep_connectors.terms import TermsSource

__all__ = ["register_connectors", "register_course_sources"]


@hookimpl
def register_connectors() -> Sequence[type[Connector[Any]]]:
    """Return the built-in connectors."""
    return [CanvasConnector, MoodleConnector, OneRosterConnector, PackagesConnector]


@hookimpl
def register_course_sources() -> Sequence[type[CourseSource[Any]]]:
    """Return the built-in course sources."""
    return [TermsSource, CsvSource, IdsSource, SearchSource, EndDateSource]
