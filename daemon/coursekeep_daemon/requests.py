"""What callers of the service ask for, and how they are told that it cannot be had."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from coursekeep import CoursekeepError
from coursekeep_daemon.runs.patterns import Patterns, check_pattern
from coursekeep_daemon.runs.planner import Request

__all__ = ["BadRequest", "RunRequest", "check_patterns"]


class BadRequest(CoursekeepError):
    """What was asked cannot be done: what is wrong, where, and what to do. Nothing has changed."""

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(f"{where}: {what}" if where else what)
        self.what = what
        #: the field that is wrong, dotted
        self.where = where
        self.remedy = remedy


@dataclass(frozen=True, kw_only=True, slots=True)
class RunRequest:
    """A request to archive the courses that a source selects from an integration."""

    integration: str
    source: str
    params: Mapping[str, Any] = field(default_factory=dict)
    on_existing: str = "skip"
    note: str | None = None
    include: Sequence[str] = ()
    exclude: Sequence[str] = ()

    def for_planner(self) -> Request:
        """Return the part that says which courses."""
        patterns = Patterns(include=tuple(self.include), exclude=tuple(self.exclude))
        return Request(source=self.source, params=self.params, on_existing=self.on_existing, patterns=patterns)


def check_patterns(include: Sequence[str], exclude: Sequence[str]) -> None:
    """Raise `BadRequest`, naming the place, for a pattern that cannot be meant."""
    for where, patterns in (("include", include), ("exclude", exclude)):
        for place, pattern in enumerate(patterns):
            try:
                check_pattern(pattern)
            except ValueError as error:
                raise BadRequest(str(error), where=f"{where}.{place}") from None
