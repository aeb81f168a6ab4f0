"""`coursekeep worker`: takes courses until SIGTERM or SIGINT, then finishes those in flight within a bound."""

from __future__ import annotations

import asyncio
import os
import signal

import structlog

from coursekeep_daemon.cli.systemd import Notifier
from coursekeep_daemon.worker import WorkerProcess

__all__ = ["work"]

_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def work(worker: WorkerProcess) -> None:
    """Run a worker until SIGTERM or SIGINT. A second signal ends the process at once.

    Ending at once is safe, if rude: the leader misses the worker, and gives its courses to others.
    """
    asyncio.run(_Run(worker).run())


class _Run:
    def __init__(self, worker: WorkerProcess) -> None:
        self.worker = worker
        self.stop_asked = asyncio.Event()
        self.notifier = Notifier()
        self.log = structlog.get_logger("coursekeep.worker")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        starting = asyncio.create_task(self.worker.start())
        asked = asyncio.create_task(self.stop_asked.wait())
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return
        try:
            await starting
            self.notifier.say(f"READY=1\nSTATUS=Worker {self.worker.name}")
            print(f"Coursekeep's worker {self.worker.name} takes courses", flush=True)  # noqa: T201  # for people
            alive = asyncio.create_task(self.notifier.keep_alive())
            await asked
            await self.worker.stop()
            alive.cancel()
        finally:
            asked.cancel()

    def _on_signal(self, number: signal.Signals) -> None:
        if self.stop_asked.is_set():
            self.log.warning("worker_stopped_at_once", signal=number.name)
            os._exit(128 + number)
        self.notifier.say("STOPPING=1")
        self.log.info("worker_stopping", signal=number.name)
        self.stop_asked.set()
