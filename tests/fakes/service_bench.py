"""A whole service on a temporary folder, over a campus on loopback: for the tests of the rooms together."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fakes.engines import engine_settings, service_class, store_of

from coursekeep import RetryPolicy
from coursekeep_campus import CampusServer
from coursekeep_daemon import replication
from coursekeep_daemon.notifications.courier import Pace
from coursekeep_daemon.registry import Registry
from coursekeep_daemon.requests import RunRequest
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.downloads import Limits
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.runs.states import FINAL_RUN
from coursekeep_daemon.runs.watch import Patience
from coursekeep_daemon.service import Service
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.store import Item, Run

__all__ = ["SHORT", "SHORT_PACE", "Bench", "at_rest", "eventually"]

#: waits that are long enough to be seen, and short enough for a test
SHORT = Patience(
    storage=0.05,
    full_storage=0.05,
    lms=Backoff(first=0.05, longest=0.1),
    course=Backoff(first=0.02, longest=0.05),
)


async def eventually(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    """Wait until a condition holds, and return what it gives. The condition may be a coroutine function."""
    async with asyncio.timeout(seconds):
        while True:
            found = condition()
            if asyncio.iscoroutine(found):
                found = await found
            if found:
                return found
            await asyncio.sleep(0.02)


async def at_rest(service: Service) -> bool:
    """Tell whether no course is being archived, by the service or by any worker."""
    work = await service.store.open_work()
    return service.in_flight == 0 and not any(busy for _, busy in work.values())


#: notifications at once
SHORT_PACE = Pace(look=0.01, look_again=0.5, retry=Backoff(first=0.05, longest=0.1), steady=0.2)


class Bench:
    """Makes services that share one data directory and one archive, as daemons started one after the other."""

    def __init__(self, folder: Path, server: CampusServer, **integration: Any) -> None:
        self.folder = folder
        self.server = server
        self.integration = {
            "connector": "canvas",
            "base_url": server.url,
            "token": server.token,
            "account": "self",
            "max_concurrency": 16,
            "export_poll": 0.02,
        } | integration

    @classmethod
    def of(cls, folder: Path, integration: dict[str, Any]) -> Bench:
        """Make services over another source than a campus."""
        bench = cls.__new__(cls)
        bench.folder, bench.integration = folder, integration
        return bench

    def settings(self, **sections: Any) -> Settings:
        base: dict[str, Any] = {
            "daemon": {"data_dir": self.folder / "data", "shutdown_timeout": 10},
            "store": {"url": store_of(self.folder)},
            "engine": engine_settings(),
            "archive": {"url": f"file://{self.folder}/archive", "organization": "Example University", "min_free": 1},
            "integrations": {"main": self.integration},
        }
        for name, section in sections.items():
            base[name] = base.get(name, {}) | section
        return Settings(**base)

    def service(
        self,
        *,
        registry: Registry | None = None,
        clock: Clock | None = None,
        copies: replication.Pace | None = None,
        **sections: Any,
    ) -> Service:
        retry = RetryPolicy(attempts=2, wait=0.01, longest=0.02)
        limits = Limits(wait=Backoff(first=0.01, longest=0.02))
        more: dict[str, Any] = {} if clock is None else {"clock": clock}
        more["copies"] = copies
        settings = self.settings(**sections)
        kind = service_class(settings)
        return kind(settings, registry=registry, patience=SHORT, limits=limits, retry=retry, pace=SHORT_PACE, **more)

    @staticmethod
    async def run_ids(service: Service, *ids: str, **more: Any) -> Run:
        """Start a run of these courses."""
        request = RunRequest(integration="main", source="ids", params={"ids": list(ids)}, **more)
        run, _ = await service.start_run(request, by="tester")
        return run

    @staticmethod
    def request(integration: str, *ids: str) -> RunRequest:
        """Return a request for courses of any integration."""
        return RunRequest(integration=integration, source="ids", params={"ids": list(ids or ["1"])})

    @staticmethod
    async def finished(service: Service, run: Run, seconds: float = 60.0) -> Run:
        """Wait until a run has ended, and return it."""

        async def ended() -> Run | None:
            now = await service.store.run(run.id)
            return now if now is not None and now.status in FINAL_RUN else None

        result: Run = await eventually(ended, seconds)
        return result

    @staticmethod
    async def items(service: Service, run: Run) -> dict[str, Item]:
        """Return the items of a run by what was asked for."""
        return {item.ref: item async for item in service.store.iter_items(run.id)}
