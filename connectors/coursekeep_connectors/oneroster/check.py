"""What an operator is told before the first course."""

from __future__ import annotations

from collections.abc import AsyncGenerator

from coursekeep import CheckStep, ConnectorError
from coursekeep_connectors.oneroster.layout import FILES
from coursekeep_connectors.oneroster.service import ServiceSource
from coursekeep_connectors.oneroster.service_check import check_service
from coursekeep_connectors.oneroster.settings import OneRosterSettings
from coursekeep_connectors.oneroster.tables import CsvSource
from coursekeep_connectors.packages.threads import in_thread

__all__ = ["check_oneroster"]

Steps = AsyncGenerator[CheckStep]

_FILES = (
    "Correct what is named, or set `path` to another zip or folder of OneRoster CSV files that the daemon may read."
)
_BROKEN = "Have the file corrected and exported again; until then its part of every course is a gap."


async def check_oneroster(source: CsvSource | ServiceSource, settings: OneRosterSettings) -> Steps:
    """Yield the steps; those that make no sense after a failed one are left out."""
    steps = _check_files(source, settings) if isinstance(source, CsvSource) else check_service(source, settings)
    async for step in steps:
        yield step


async def _check_files(source: CsvSource, settings: OneRosterSettings) -> Steps:
    try:
        roster = await source.roster()
    except ConnectorError as error:
        yield CheckStep(name="files", ok=False, detail=str(error), remedy=_FILES)
        return
    snapshot = roster.snapshot
    counts = [(name, await in_thread(snapshot.count, name)) for name in FILES if name in snapshot.present]
    detail = f"{settings.path}: OneRoster {roster.version}; " + ", ".join(f"{count:,} {name}" for name, count in counts)
    yield CheckStep(name="files", ok=True, detail=detail)
    if snapshot.unread:
        yield CheckStep(name="other files", ok=True, detail=f"left alone: {', '.join(snapshot.unread)}")
    for name, why in snapshot.broken.items():
        yield CheckStep(name=f"{name}.csv", ok=False, detail=str(why), remedy=_BROKEN)
