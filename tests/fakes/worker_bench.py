"""Daemons and workers in this process, over one PostgreSQL database and a campus."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fakes.engines import QUICK
from fakes.service_bench import SHORT, SHORT_PACE, Bench

from coursekeep import RetryPolicy
from coursekeep_campus import CampusServer
from coursekeep_daemon.registry import Registry
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.downloads import Limits
from coursekeep_daemon.service import Service
from coursekeep_daemon.worker import WorkerProcess

__all__ = ["QUICK", "WorkerBench"]

LIMITS = Limits(wait=Backoff(first=0.01, longest=0.02))
RETRY = RetryPolicy(attempts=2, wait=0.01, longest=0.02)


class WorkerBench(Bench):
    """Makes services and workers that share a database and an archive."""

    def __init__(self, folder: Path, server: CampusServer, url: str, **integration: Any) -> None:
        super().__init__(folder, server, **integration)
        self.url = url

    def settings(self, **sections: Any) -> Any:
        ours: dict[str, Any] = {"store": {"url": self.url}, "engine": {"kind": "procrastinate"}}
        return super().settings(**{name: ours.get(name, {}) | sections.get(name, {}) for name in ours | sections})

    def service(self, **options: Any) -> Service:
        """Return a service without a worker beside it."""
        more = {name: options.pop(name) for name in ("registry", "clock", "rhythm") if name in options}
        more.setdefault("rhythm", QUICK)
        return Service(self.settings(**options), patience=SHORT, retry=RETRY, pace=SHORT_PACE, limits=LIMITS, **more)

    def worker(
        self, name: str = "worker", *, concurrency: int = 2, registry: Registry | None = None, **sections: Any
    ) -> WorkerProcess:
        return WorkerProcess(
            self.settings(**sections),
            name=name,
            concurrency=concurrency,
            registry=registry,
            patience=SHORT,
            limits=LIMITS,
            retry=RETRY,
            rhythm=QUICK,
            store_patience=Backoff(first=0.05, longest=0.1),
        )
