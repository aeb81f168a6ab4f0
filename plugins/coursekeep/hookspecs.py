"""Every hook of Coursekeep. A plugin is a module or object with functions of these names, marked with `hookimpl`.

An entry point of the group `coursekeep` names it::

    [project.entry-points.coursekeep]
    my_lms = "coursekeep_my_lms"

Hooks are called per plugin: one that fails is recorded with its traceback, and never stops the daemon or another.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pluggy

from coursekeep.connector import Connector
from coursekeep.source import CourseSource

__all__ = [
    "PROJECT",
    "course_archived",
    "course_failed",
    "hookimpl",
    "hookspec",
    "notification",
    "register_connectors",
    "register_course_sources",
    "run_finished",
    "run_started",
]

#: pluggy project name and entry-point group
PROJECT = "coursekeep"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_connectors() -> Sequence[type[Connector[Any]]]:  # type: ignore[empty-body]  # a hook spec has no body
    """Return the connector classes of this plugin."""


@hookspec
def register_course_sources() -> Sequence[type[CourseSource[Any]]]:  # type: ignore[empty-body]  # a hook spec has no body
    """Return the course source classes of this plugin."""


@hookspec
def run_started(run: Mapping[str, Any]) -> None:
    """Be told that a run has started. `run` is the run as in `GET /api/v1/runs/{id}`."""


@hookspec
def run_finished(run: Mapping[str, Any]) -> None:
    """Be told that a run has ended, in whatever way. `run` is as in `GET /api/v1/runs/{id}`."""


@hookspec
def course_archived(item: Mapping[str, Any]) -> None:
    """Be told that a course is in a package. `item` is as in `GET /api/v1/items/{id}`."""


@hookspec
def course_failed(item: Mapping[str, Any]) -> None:
    """Be told that a course could not be archived. `item` is as in `GET /api/v1/items/{id}`."""


@hookspec
def notification(notification: Mapping[str, Any]) -> None:
    """Be told what operators are told. `notification` is what a webhook is sent: id, kind, at, subject, text, data."""
