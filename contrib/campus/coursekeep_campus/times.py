"""Moments as Canvas writes them: UTC, whole seconds, a `Z` at the end."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["parse", "present", "stamp"]


def stamp(moment: datetime | None) -> str | None:
    """Write a moment as Canvas does, `2026-01-31T23:59:59Z`; None stays None."""
    return None if moment is None else moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse(text: str) -> datetime:
    """Read an ISO 8601 date or moment. Without a zone it counts as UTC. Raises ValueError."""
    moment = datetime.fromisoformat(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def present() -> datetime:
    """Return the present, in whole seconds."""
    return datetime.now(UTC).replace(microsecond=0)
