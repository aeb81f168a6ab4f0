"""How fast packages are read, and how a reading is broken off."""

from __future__ import annotations

import threading
import time

__all__ = ["Interrupted", "Throttle"]

#: seconds of unused allowance that are kept: a pause is no licence to read at full speed for hours
_SAVED = 1.0


class Interrupted(Exception):
    """The check was broken off. Nothing is known of the package."""


class Throttle:
    """Lets blocks through at a rate, and none at all once it is stopped. Called in the thread that reads."""

    def __init__(self, rate: int | None) -> None:
        """Take bytes per second; None sets no limit."""
        self._rate = rate
        self._free_at = time.monotonic()
        self._stopped = threading.Event()
        self.total = 0

    def __call__(self, size: int) -> None:
        """Wait until a block of this size fits the rate. Raises `Interrupted` once stopped, also while waiting."""
        self.total += size
        wait = 0.0
        if self._rate is not None:
            now = time.monotonic()
            self._free_at = max(self._free_at, now - _SAVED) + size / self._rate
            wait = self._free_at - now
        if self._stopped.wait(max(wait, 0.0)):
            raise Interrupted

    def stop(self) -> None:
        """Break off what is being read, and all that would be."""
        self._stopped.set()

    @property
    def stopped(self) -> bool:
        """Tell whether nothing is read any more."""
        return self._stopped.is_set()
