"""An event loop whose long waits take no time: for what an LMS asks to be left alone for."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Callable
from typing import Any

__all__ = ["LeapingLoop"]

#: seconds that are waited for real; whatever is awaited longer, while no request is under way, has passed then
_GLANCE = 0.05


class LeapingLoop(asyncio.SelectorEventLoop):
    """A loop that puts its clock forward instead of sleeping, as long as `idle` says that no answer can come."""

    def __init__(self, idle: Callable[[], bool]) -> None:
        self._leaping = _LeapingSelector(idle)
        super().__init__(self._leaping)

    def time(self) -> float:
        """Return the seconds that have passed, and those that were left out."""
        return super().time() + self._leaping.leapt


class _LeapingSelector(selectors.DefaultSelector):
    def __init__(self, idle: Callable[[], bool]) -> None:
        super().__init__()
        self._idle = idle
        self.leapt = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, Any]]:
        if timeout is None or timeout <= _GLANCE:
            return super().select(timeout)
        ready = super().select(_GLANCE)
        if not ready and self._idle():
            self.leapt += timeout - _GLANCE
        return ready
