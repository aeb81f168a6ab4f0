"""The page of the documentation, from the journal of a run."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["page"]


def page(journal: Mapping[str, Any]) -> str:
    """Return docs/reference/faults.md."""
    return ""


def _row(name: str, outcomes: Sequence[Mapping[str, Any]]) -> str:
    return ""
