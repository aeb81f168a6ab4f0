"""Which database and engine the tests of runs use: SQLite and the daemon itself, unless the environment says otherwise.

`COURSEKEEP_TEST_STORE=postgresql` has services and daemons keep their store in PostgreSQL.
`COURSEKEEP_TEST_ENGINE=procrastinate` does so too, and gives each of them a worker.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
from pathlib import Path
from typing import Any

from fakes.postgres_server import Databases, PostgresServer

from coursekeep_daemon.engine import Rhythm
from coursekeep_daemon.service import Service
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.worker import WorkerProcess

__all__ = [
    "QUICK",
    "STEADY",
    "ServiceWithWorker",
    "engine_settings",
    "forget_store",
    "has_workers",
    "service_class",
    "store_of",
]

#: a worker is missed at once
QUICK = Rhythm(beat=0.1, silence=2.0, look=0.1, gather=0.01)
#: the same for processes, which a busy machine may stop for a while
STEADY = Rhythm(beat=0.5, silence=6.0, look=0.1, gather=0.01)


def has_workers() -> bool:
    """Tell whether the tests are to run with workers."""
    return os.environ.get("COURSEKEEP_TEST_ENGINE") == "procrastinate"


def engine_settings() -> dict[str, Any]:
    """Give the section of the engine."""
    return {"kind": "procrastinate"} if has_workers() else {}


def store_of(folder: Path) -> str:
    """Give the address of the store that belongs to a folder: always the same one for the same folder."""
    if not has_workers() and os.environ.get("COURSEKEEP_TEST_STORE") != "postgresql":
        return f"sqlite:///{folder}/data/coursekeep.db"
    if folder not in _addresses():
        _addresses()[folder] = _databases().migrated()
    return _addresses()[folder]


def forget_store(folder: Path) -> None:
    """Lose the store of a folder: the next one is empty, and may have another address."""
    shutil.rmtree(folder / "data")
    if url := _addresses().pop(folder, ""):
        _databases().drop(url)


@functools.cache
def _addresses() -> dict[Path, str]:
    return {}


@functools.cache
def _databases() -> Databases:
    """Start a server for this process, unless COURSEKEEP_TEST_POSTGRES names one; gone at the end."""
    if elsewhere := os.environ.get("COURSEKEEP_TEST_POSTGRES"):
        made = Databases(elsewhere)
        atexit.register(made.close)
        return made
    server = PostgresServer()
    atexit.register(server.remove)
    return Databases(server.url("postgres"))


class ServiceWithWorker(Service):
    """A service with a worker beside it, in one process: starts and stops with it, and has its plugins and waits."""

    def __init__(self, settings: Settings, **options: Any) -> None:
        super().__init__(settings, rhythm=QUICK, **options)
        more = {name: options[name] for name in ("patience", "limits", "retry") if name in options}
        self._beside = functools.partial(WorkerProcess, settings, name="beside", rhythm=QUICK, **more)
        self._worker: WorkerProcess | None = None

    async def start(self) -> None:
        await super().start()
        self._worker = self._beside(registry=self.registry, finished=self.metrics.course_done)
        try:
            await self._worker.start()
        except BaseException:
            self._worker = None
            await super().stop()
            raise
        await self.holds.refresh()  # no run is to wait for a worker, not even for a moment

    async def stop(self) -> None:
        worker, self._worker = self._worker, None
        if worker is not None:
            await worker.stop()
        await super().stop()


def service_class(settings: Settings) -> type[Service]:
    """Return what runs a service of these settings: itself, or with a worker beside it."""
    return ServiceWithWorker if settings.engine.kind == "procrastinate" and has_workers() else Service
