"""The few words that systemd wants to hear: sd_notify over its socket."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Mapping

__all__ = ["Notifier"]


class Notifier:
    """Tells systemd how the daemon stands. Says nothing where nobody listens."""

    def __init__(self, environ: Mapping[str, str] = os.environ) -> None:
        self._address = environ.get("NOTIFY_SOCKET", "")
        watchdog = environ.get("WATCHDOG_USEC", "")
        mine = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: seconds between two signs of life; None where none are wanted
        self.interval = int(watchdog) / 2_000_000 if watchdog.isdecimal() and mine and int(watchdog) else None

    def say(self, state: str) -> None:
        """Send one state, such as `READY=1`."""
        if not self._address:
            return
        # a leading @ stands for the zero byte of an abstract socket
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as out:
            try:
                out.connect(address)
                out.sendall(state.encode())
            except OSError:  # a supervisor that does not listen is no reason to stop
                return

    async def keep_alive(self) -> None:
        """Send signs of life for as long as the event loop turns; returns at once where none are wanted."""
        while self.interval is not None:
            self.say("WATCHDOG=1")
            await asyncio.sleep(self.interval)
