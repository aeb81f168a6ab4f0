"""Clocks that jump, one for each process: libfaketime, which reads how far off it is from a file.

It makes a process three times as slow, so that only those have such a clock to which this very thing is done.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
from pathlib import Path

__all__ = ["Clock"]


class Clock:
    """The clock of one process. Only the time of day jumps: no system lets its monotonic clock do so."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    @staticmethod
    def library() -> Path | None:
        """Return what is loaded before a process; None where it is not installed."""
        spec = importlib.util.find_spec("libfaketime")
        if spec is None or spec.origin is None:
            return None
        found = Path(spec.origin).parent / "vendor" / "libfaketime" / "src" / "libfaketime.so.1"
        return found if found.is_file() else None

    @property
    def variables(self) -> dict[str, str]:
        """Return the environment of a process that goes by this clock."""
        return {
            "LD_PRELOAD": str(self.library()),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, seconds: int) -> None:
        """Set it before or after the true time; the process goes by it within a second."""
        new = self._file.with_suffix(".new")
        new.write_text(f"{seconds:+d}\n")
        os.replace(new, self._file)

    @staticmethod
    def forget(pid: int) -> None:
        """Take away the shared memory that a process left behind when it was killed."""
        for name in (f"faketime_shm_{pid}", f"sem.faketime_sem_{pid}"):
            with contextlib.suppress(OSError):
                (Path("/dev/shm") / name).unlink()
