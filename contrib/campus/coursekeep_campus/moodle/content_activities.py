"""All other activities, each with what people did in it."""

from __future__ import annotations

from coursekeep_campus.moodle.builder import Builder

__all__ = ["fill"]


def fill(builder: Builder, sections: list[int]) -> None:
    """Put one of each other type into the course."""
