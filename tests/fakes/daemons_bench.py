"""Several daemons in this process, over one PostgreSQL database, and what can befall the one that leads."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psycopg
from fakes.service_bench import SHORT, SHORT_PACE, eventually
from sqlalchemy.engine import make_url

from coursekeep_daemon.leadership import Cadence
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.service import Service
from coursekeep_daemon.settings import Settings

__all__ = ["BRISK", "DaemonsBench"]

#: take-overs at once, though a busy machine may answer late
BRISK = Cadence(look=0.05, answer=10.0, beat=0.2, reconnect=0.05, rest=0.1)

#: a lock of 64 bits stands in two halves
_LEADER = """
SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
AND (classid::bigint << 32) + objid::bigint = x'636F757273650003'::bigint
"""


class DaemonsBench:
    """Makes daemons over packages on disk; each has a data directory of its own, as on a machine of its own."""

    def __init__(self, folder: Path, url: str, **sections: Any) -> None:
        self.folder = folder
        self.url = url
        self.sections = sections
        (folder / "lms").mkdir(exist_ok=True)

    def settings(self, name: str) -> Settings:
        base: dict[str, Any] = {
            "daemon": {"data_dir": self.folder / name, "shutdown_timeout": 5},
            "store": {"url": self.url},
            "archive": {"url": f"file://{self.folder}/archive", "min_free": 1},
            "engine": {"kind": "procrastinate"},
            "integrations": {"main": {"connector": "packages", "path": str(self.folder / "lms")}},
        }
        return Settings(**(base | self.sections))

    def service(self, name: str, *, clock: Clock | None = None, look_again: float = 0.05, **options: Any) -> Service:
        more: dict[str, Any] = {"cadence": BRISK, **options}
        if clock is not None:
            more["clock"] = clock
        return Service(self.settings(name), patience=SHORT, pace=SHORT_PACE, look_again=look_again, **more)

    @staticmethod
    async def leading(*services: Service) -> Service:
        """Wait until one of these leads, and return it."""
        found: Service = await eventually(lambda: next((each for each in services if each.leads), None), 20)
        return found

    def cut(self) -> None:
        """End the connection by which a daemon leads, as a network does."""
        url = make_url(self.url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({_LEADER}) AS leader")
