"""A service whose store is real and whose LMS is not there: what the API needs, for tests of the API alone."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import shutil
import socket
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import uvicorn
from argon2 import PasswordHasher

from coursekeep import CheckStep, Course
from coursekeep_connectors import register_connectors, register_course_sources
from coursekeep_daemon.accounts import Accounts
from coursekeep_daemon.control import Control
from coursekeep_daemon.expiry import Expiry
from coursekeep_daemon.fixity.service import FixityService
from coursekeep_daemon.metrics import Metrics
from coursekeep_daemon.notifications.messages import Message
from coursekeep_daemon.notifications.service import Notifications
from coursekeep_daemon.notifications.targets import Target, Undelivered
from coursekeep_daemon.observation import Observation
from coursekeep_daemon.openid import OpenId
from coursekeep_daemon.registry import PluginRecord
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.schedule import next_slots
from coursekeep_daemon.scheduled import ScheduledRuns
from coursekeep_daemon.service import BadRequest, Hold, Preview, PreviewRow, RunRequest
from coursekeep_daemon.settings import IntegrationSettings, Settings
from coursekeep_daemon.store import DaemonState, ReplicaState, Store
from coursekeep_daemon.store.records import Schedule, StoredTerm
from coursekeep_daemon.system import SystemView
from coursekeep_daemon.web import close_app, create_app


class FakeTarget(Target):
    """A notification target that keeps what it is sent."""

    kind = "webhook"

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.sent: list[Message] = []
        self.raises: Undelivered | None = None

    async def send(self, message: Message) -> None:
        if self.raises:
            raise self.raises
        self.sent.append(message)


class FakeHolds(Holds):
    """Knows the pauses of the store; what else holds a run, a test says."""

    holding: Hold | None = None

    def hold(self, run: Any) -> Hold | None:
        return self.holding

    def trouble(self, name: str) -> Hold | None:
        return None


class FakeService:
    """Answers as the service does; tests set what it finds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._scheduled = ScheduledRuns(
            store=store,
            start_run=None,  # type: ignore[arg-type]  # nothing comes due here
            check=lambda request: None,
            clock=lambda: datetime.now(UTC),
            ends={"main": "08-31"},
        )
        self.sources = {source.name: source for source in register_course_sources()}
        self.connectors = {connector.name: connector for connector in register_connectors()}
        self.registry = SimpleNamespace(
            plugins=list,
            sources=lambda: self.sources,
            connectors=lambda: self.connectors,
            connector=lambda name: self.connectors[name],
        )
        self.archive: Any = SimpleNamespace(
            iter_zip=lambda package_id, version: iter([b"PK", b"zip"]), space=lambda: (5 * 10**9, 10**10)
        )
        self.settings = Settings(integrations={"main": IntegrationSettings(connector="canvas")})
        self.observation = Observation(self.settings, "0.0")
        # the cheapest hash there is: tests sign in often
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.accounts = Accounts(store, self.settings.accounts, hasher=hasher)
        self.version = "0.0"
        self.clock: Any = lambda: datetime.now(UTC)
        self.expiry = Expiry(self.settings, {}, store, FakeHolds(store, {}, self.clock), self.clock)
        self.system = SystemView(self)
        self.openid: OpenId | None = None
        self.holds = FakeHolds(store, {}, lambda: datetime.now(UTC))
        self.fixity = FixityService(
            archive=self.archive,
            store=store,
            holds=self.holds,
            clock=self.clock,
            settings=self.settings.fixity,
            metrics=Metrics("0").fixity(),
        )
        self.target = FakeTarget("ops", [], [])
        self.notifications = Notifications(store, self.holds, [self.target], clock=lambda: datetime.now(UTC))
        self.control = Control(store, self.holds, integrations={"main"})
        self.reasons: dict[str, str] = {}
        self.asked: list[RunRequest] = []
        self.check_steps = [CheckStep(name="address", ok=True)]
        self.raises: Exception | None = None
        self.previewed: list[RunRequest] = []
        self.preview_rows = [
            PreviewRow(ref="1", course=Course(id="1", name="Biology"), would=ItemStatus.QUEUED),
            PreviewRow(ref="9", course=None, would=ItemStatus.NOT_FOUND),
        ]

    leads = True
    in_flight = 2
    replicas_known: Sequence[ReplicaState] = ()
    me = DaemonState(
        id="a",
        host="one.example",
        pid=17,
        version="0.0",
        started_at=datetime(2030, 1, 1, tzinfo=UTC),
        seen_at=datetime(2030, 1, 1, tzinfo=UTC),
        leads_since=datetime(2030, 1, 1, tzinfo=UTC),
    )

    async def plugins(self) -> list[PluginRecord]:
        return list(self.registry.plugins())

    async def ready(self) -> tuple[bool, dict[str, str]]:
        return not self.reasons, self.reasons

    async def daemons(self) -> list[DaemonState]:
        return [self.me, replace(self.me, id="b", host="two.example", leads_since=None)]

    async def replicas(self) -> Sequence[ReplicaState]:
        return self.replicas_known

    def next_refresh(self, integration: str) -> datetime:
        return datetime(2030, 1, 2, tzinfo=UTC)

    async def start_run(self, request: RunRequest, *, by: str, idempotency_key: str | None = None, **more: Any) -> Any:
        if self.raises:
            raise self.raises
        if await self.store.integration(request.integration) is None:
            raise BadRequest(f"no integration {request.integration!r}", where="integration", remedy="Name one.")
        self.asked.append(request)
        return await self.store.create_run(
            integration=request.integration,
            source=request.source,
            params=request.params,
            on_existing=request.on_existing,
            note=request.note,
            created_by=by,
            options={"include": list(request.include), "exclude": list(request.exclude)},
            idempotency_key=idempotency_key,
            **more,
        )

    async def preview(self, request: RunRequest, limit: int = 1000) -> Preview:
        if self.raises:
            raise self.raises
        self.previewed.append(request)
        rows = self.preview_rows[:limit]
        counts = Counter(row.would for row in rows)
        return Preview(rows=rows, counts=counts, truncated=len(rows) < len(self.preview_rows))

    async def check(self, integration: str) -> list[CheckStep]:
        if self.raises:
            raise self.raises
        return self.check_steps

    async def refresh_terms(self, integration: str) -> int:
        await self.store.replace_terms(integration, [StoredTerm(integration=integration, id="1", name="Autumn")])
        return 1

    async def create_schedule(self, fields: dict[str, Any], *, by: str) -> Schedule:
        return await self._scheduled.create(fields, by)

    async def update_schedule(
        self, name: str, changes: dict[str, Any], *, by: str, revision: int | None = None
    ) -> Schedule:
        return await self._scheduled.update(name, changes, revision=revision)

    async def delete_schedule(self, name: str, *, by: str) -> None:
        await self._scheduled.delete(name)

    async def preview_schedule(self, name: str, limit: int = 1000) -> Preview:
        return Preview(rows=[], counts={}, truncated=False)

    async def preview_new_schedule(self, fields: dict[str, Any], limit: int = 1000) -> Preview:
        coming = self._scheduled.next_run(self._scheduled.draft(fields, ""))
        row = PreviewRow(ref="2", course=None, would="left_out", reason="excluded", pattern="X*")
        return Preview(rows=[row], counts={"left_out": 1}, truncated=True, slot=coming.slot, before=coming.before)

    async def run_schedule(self, name: str, *, by: str, idempotency_key: str | None = None) -> Any:
        request = await self._scheduled.run_now(name)
        return await self.start_run(request, by=by, idempotency_key=idempotency_key, schedule=name)

    def next_fires(self, schedule: Schedule, count: int = 5) -> list[datetime]:
        after = datetime(2030, 1, 1, tzinfo=UTC)
        return next_slots(schedule.cron, schedule.time_zone, after, count) if schedule.enabled else []

    def next_fire(self, schedule: Schedule) -> datetime | None:
        return datetime(2030, 1, 1, tzinfo=UTC) if schedule.enabled else None

    async def verify_package(self, package_id: str, version: int | None = None, *, by: str = "") -> Any:
        return SimpleNamespace(valid=True, checked_files=3, checked_bytes=9, problems=[])


@dataclass(kw_only=True)
class ApiHouse:
    """A service, its application, and clients with tokens of each scope."""

    service: Any
    app: Any
    tokens: dict[str, str]

    @property
    def store(self) -> Store:
        return self.service.store

    def client(self, scope: str | None = "admin") -> httpx.AsyncClient:
        """Return a client with a token of a scope, or without any."""
        headers = {} if scope is None else {"Authorization": f"Bearer {self.tokens[scope]}"}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://daemon/api/v1", headers=headers)


@contextlib.asynccontextmanager
async def api_house(folder: Path) -> AsyncIterator[ApiHouse]:
    """Make a store with an integration `main`, and an application around it."""
    shutil.copy(_empty_database(), folder / "store.db")
    store = Store(f"sqlite:///{folder / 'store.db'}")
    await store.start()
    try:
        await store.sync_integrations([("main", "canvas", {"base_url": "http://lms.example"})])
        tokens = {scope: (await store.create_token(scope, scope))[1] for scope in ("read", "operate", "admin")}
        service = FakeService(store)
        yield ApiHouse(service=service, app=create_app(service), tokens=tokens)  # type: ignore[arg-type]
    finally:
        await store.stop()


@functools.cache
def _empty_database() -> Path:
    """Make a database once in a process: applying every migration takes longer than a test does."""
    folder = tempfile.mkdtemp(prefix="coursekeep-tests-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    Store.upgrade(f"sqlite:///{folder}/store.db")
    return Path(folder) / "store.db"


@contextlib.asynccontextmanager
async def served(house: ApiHouse) -> AsyncIterator[str]:
    """Serve the application over a real socket, and yield its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(house.app, lifespan="off", log_config=None, access_log=False)
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listener]))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            close_app(house.app)
            server.should_exit = True
            await serving


def in_house(test: Callable[[ApiHouse], Awaitable[None]]) -> None:
    """Run a test in a house of its own."""

    async def main() -> None:
        with _folder() as folder:
            async with api_house(folder) as house:
                await test(house)

    asyncio.run(main())


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
