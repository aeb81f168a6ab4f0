"""Filters of lists, as they stand in the address: read, checked, and given back to the form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from fastapi import Request

from coursekeep_daemon.api.problems import Problem

__all__ = ["Filter", "first_page", "next_page"]

#: what a filter holds: a word of an enum, a text, or a day of the visitor's calendar
FilterKind = type[StrEnum] | type[str] | Literal["day"]


@dataclass(frozen=True, kw_only=True)
class Filter:
    """What a visitor asked a list for. Empty fields are no filter."""

    #: as typed, for the form
    typed: Mapping[str, str]
    kinds: Mapping[str, FilterKind]
    cursor: str | None

    @classmethod
    def of(cls, request: Request, **kinds: FilterKind) -> Filter:
        """Read the filters of an address. Raises a problem for a word or a day that does not exist."""
        given = request.query_params
        typed = {name: given.get(name, "").strip() for name in kinds}
        found = cls(typed=typed, kinds=kinds, cursor=given.get("cursor") or None)
        found.values(ZoneInfo("UTC"))
        return found

    def values(self, zone: ZoneInfo) -> dict[str, Any]:
        """Return the filters that are set. A day becomes its begin in a zone; named `before`, its end."""
        return {name: self._value(name, text, zone) for name, text in self.typed.items() if text}

    def _value(self, name: str, text: str, zone: ZoneInfo) -> Any:
        kind = self.kinds[name]
        try:
            if kind == "day":
                day = date.fromisoformat(text) + timedelta(days=1 if name.endswith("before") else 0)
                return datetime.combine(day, time(), zone)
            return kind(text)
        except (ValueError, OverflowError):
            what = "a day, as 2026-08-31" if kind == "day" else "one of the words of its list"
            raise Problem(
                422, "invalid", f"The filter {name.replace('_', ' ')} must be {what}, not {text!r}."
            ) from None

    def __getitem__(self, name: str) -> str:
        return self.typed[name]

    def __bool__(self) -> bool:
        return any(self.typed.values())


def next_page(request: Request, cursor: str | None) -> str | None:
    """Return the address of what follows in a list; None at its end."""
    if cursor is None:
        return None
    return f"{request.url.path}?{urlencode([*_asked(request), ('cursor', cursor)])}"


def first_page(request: Request) -> str | None:
    """Return the address of a list's begin, with the same filters; None where this is it."""
    if not request.query_params.get("cursor"):
        return None
    asked = urlencode(_asked(request))
    return f"{request.url.path}?{asked}" if asked else request.url.path


def _asked(request: Request) -> list[tuple[str, str]]:
    return [(name, value) for name, value in request.query_params.multi_items() if name != "cursor" and value]
