"""Work that goes on for as long as a process does, whatever a defect does to it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog

from coursekeep_daemon.runs.backoff import Backoff

__all__ = ["lasting"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

_PATIENCE = Backoff(first=1.0, longest=60.0)
#: seconds after which work that was begun again counts as going well
_WELL: float = 300.0


def lasting(
    work: Callable[[], Coroutine[Any, Any, None]], name: str, *, patience: Backoff = _PATIENCE
) -> asyncio.Task[None]:
    """Begin work that goes on until it is cancelled, as a task; begin it again where an unforeseen error ends it.

    A loop that ends without a word leaves a process that looks alive and does nothing. So each such error is logged
    with its traceback as `task_failed`, and the work begins anew after a while: it must be able to at any time.
    """
    return asyncio.create_task(_keep_at(work, name, patience), name=name)


async def _keep_at(work: Callable[[], Coroutine[Any, Any, None]], name: str, patience: Backoff) -> None:
    failures = 0
    while True:
        begun = time.monotonic()
        try:
            return await work()
        except Exception:
            failures = 1 if time.monotonic() - begun >= _WELL else failures + 1
            wait = patience.seconds(failures)
            log.exception("task_failed", task=name, failures=failures, again_in=round(wait, 1))
        await asyncio.sleep(wait)
