"""Telling plugins what happened, without ever waiting for them: one thread at a time, in order, behind the runs."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import threading
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from typing import Any

import structlog

from coursekeep_daemon.registry import Registry
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.store import Item, Run

__all__ = ["Hooks", "plain"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Hooks:
    """Calls the event hooks of plugins. An event is told once.

    A dying process may leave the last events untold, or refusals at planning to be told again by the next one.
    """

    def __init__(self, registry: Registry, *, most_waiting: int = 10_000) -> None:
        self._registry = registry
        self._waiting: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue(most_waiting)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = lasting(self._tell_all, "hooks of plugins")

    async def stop(self, timeout: float) -> None:
        """Tell what is waiting, but not longer than `timeout` seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._waiting.join()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def wanted(self, hook: str) -> bool:
        """Tell whether some plugin listens to an event."""
        return self._registry.listens(hook)

    def tell(self, hook: str, **arguments: Run | Item | Mapping[str, Any]) -> None:
        """Note an event for the plugins and return at once."""
        if not self.wanted(hook):
            return
        try:
            self._waiting.put_nowait((hook, {name: plain(record) for name, record in arguments.items()}))
        except asyncio.QueueFull:  # a plugin hangs: the runs go on without it
            log.warning("hook_left_out", hook=hook, waiting=self._waiting.qsize())

    async def _tell_all(self) -> None:
        while True:
            hook, arguments = await self._waiting.get()
            try:
                await self._call(hook, arguments)
            finally:
                self._waiting.task_done()

    async def _call(self, hook: str, arguments: dict[str, Any]) -> None:
        """Call a hook in a thread of its own, which does not keep the process alive where a plugin hangs in it."""
        loop, told = asyncio.get_running_loop(), asyncio.Event()

        def call() -> None:
            try:
                self._registry.call(hook, **arguments)
            finally:
                with contextlib.suppress(RuntimeError):  # the loop was closed while the plugin was hanging
                    loop.call_soon_threadsafe(told.set)

        threading.Thread(target=call, name=f"hook {hook}", daemon=True).start()
        await told.wait()


def plain(value: Any) -> Any:
    """Turn a record into what JSON knows, with the field names of the record."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(plain(key)): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.value if isinstance(value, Enum) else value
