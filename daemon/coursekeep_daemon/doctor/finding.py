"""What the doctor finds: one named step, how it stands, and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Finding", "Health", "failed", "ok", "warning"]


class Health(StrEnum):
    """How a step stands."""

    OK = "ok"
    WARNING = "warning"  # it works, and will not for ever, or not as well as it could
    FAILED = "failed"


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """The outcome of one step."""

    step: str
    health: Health
    detail: str
    #: what to do; empty where all is well
    remedy: str = ""


def ok(step: str, detail: str) -> Finding:
    """Say that a step is well."""
    return Finding(step=step, health=Health.OK, detail=detail)


def warning(step: str, detail: str, remedy: str) -> Finding:
    """Say what will be trouble."""
    return Finding(step=step, health=Health.WARNING, detail=detail, remedy=remedy)


def failed(step: str, detail: str, remedy: str) -> Finding:
    """Say what is wrong."""
    return Finding(step=step, health=Health.FAILED, detail=detail, remedy=remedy)
