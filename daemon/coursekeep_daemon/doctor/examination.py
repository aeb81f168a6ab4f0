"""All steps in their order: what the later ones need is looked at first."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from coursekeep import CoursekeepError
from coursekeep_daemon.doctor import database, machine, running
from coursekeep_daemon.doctor.finding import Finding, failed, ok
from coursekeep_daemon.settings import Settings, load_settings

__all__ = ["examine"]


def examine(path: Path | None, *, url: str | None = None, token: str | None = None) -> Iterator[Finding]:
    """Yield what is found, step by step. `url` and `token` lead to a daemon that does not run where settings say."""
    try:
        settings = load_settings(path)
    except CoursekeepError as error:
        yield failed("settings", str(error), "correct the settings; nothing else can be looked at without them")
        return
    yield ok("settings", str(settings.origin.path or "no file: defaults and environment variables"))
    yield from machine.look(settings)
    yield from asyncio.run(_store(settings))
    yield from running.look(settings, url=url, token=token)


async def _store(settings: Settings) -> list[Finding]:
    return [finding async for finding in database.look(settings, datetime.now(UTC))]
