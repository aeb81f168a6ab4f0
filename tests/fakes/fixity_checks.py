"""Outcomes of checks with few words, for what stores and shows them."""

from __future__ import annotations

from datetime import datetime

from fakes.store_house import START

from coursekeep_daemon.fixity.records import Checked, FindingKind

__all__ = ["well", "wrong"]


def well(package_id: str, *versions: int, at: datetime = START) -> Checked:
    """A check that found nothing."""
    return Checked(package_id=package_id, at=at, versions=dict.fromkeys(versions or (1,), True))


def wrong(
    package_id: str,
    *versions: int,
    at: datetime = START,
    kind: FindingKind = FindingKind.DAMAGED,
    what: str = "its sha512 is 1, but 2 was recorded",
) -> Checked:
    """A check that found one file changed."""
    return Checked(
        package_id=package_id,
        at=at,
        versions=dict.fromkeys(versions or (1,), False),
        kind=kind,
        version=1,
        problems=({"path": "v1/content/data/course.json", "what": what},),
        problem_count=1,
    )
