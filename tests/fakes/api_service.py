"""A service whose store is real and whose LMS is not there: what the API needs, for tests of the API alone."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import uvicorn
from argon2 import PasswordHasher

from coursekeep import CheckStep, Course
from coursekeep_daemon.accounts import Accounts
from coursekeep_daemon.api import close_app, create_app
from coursekeep_daemon.control import Control
from coursekeep_daemon.openid import OpenId
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.service import BadRequest, Preview, PreviewRow, RunRequest
from coursekeep_daemon.settings import IntegrationSettings, Settings
from coursekeep_daemon.store import Store
from coursekeep_daemon.store.records import Schedule, StoredTerm


class FakeService:
    """Answers as the service does; tests set what it finds."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.registry = SimpleNamespace(plugins=list)
        self.scheduler = SimpleNamespace(next_fire=lambda name: datetime(2030, 1, 1, tzinfo=UTC))
        self.archive = SimpleNamespace(iter_zip=lambda package_id, version: iter([b"PK", b"zip"]))
        self.metrics = SimpleNamespace(render=lambda: b"coursekeep_runs 1\n")
        self.settings = Settings(integrations={"main": IntegrationSettings(connector="canvas")})
        # the cheapest hash there is: tests sign in often
        hasher = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
        self.accounts = Accounts(store, self.settings.accounts, hasher=hasher)
        self.openid: OpenId | None = None
        self.holds = Holds(store, {}, lambda: datetime.now(UTC))
        self.control = Control(store, self.holds, integrations={"main"})
        self.reasons: dict[str, str] = {}
        self.holding: Any = None
        self.asked: list[RunRequest] = []
        self.check_steps = [CheckStep(name="address", ok=True)]
        self.raises: Exception | None = None

    def ready(self) -> tuple[bool, dict[str, str]]:
        return not self.reasons, self.reasons

    def hold(self, run: Any) -> Any:
        return self.holding

    def pauses(self, integration: str, run: Any = None) -> Any:
        return self.holds.pauses(integration, run)

    def overall_holds(self) -> Any:
        return self.holds.overall()

    def trouble(self, integration: str) -> Any:
        return None

    async def start_run(self, request: RunRequest, *, by: str, idempotency_key: str | None = None) -> Any:
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
        )

    async def preview(self, request: RunRequest, limit: int = 1000) -> Preview:
        course = Course(id="1", name="Biology")
        rows = [PreviewRow(ref="1", course=course, would="queued"), PreviewRow(ref="9", course=None, would="not_found")]
        return Preview(rows=rows, counts={"queued": 1, "not_found": 1}, truncated=False)

    async def check(self, integration: str) -> list[CheckStep]:
        if self.raises:
            raise self.raises
        return self.check_steps

    async def refresh_terms(self, integration: str) -> int:
        await self.store.replace_terms(integration, [StoredTerm(integration=integration, id="1", name="Autumn")])
        return 1

    async def create_schedule(self, fields: dict[str, Any], *, by: str) -> Schedule:
        made = Schedule(**fields, declared=False, created_by=by, created_at=datetime.now(UTC))
        await self.store.put_schedule(made)
        return made

    async def update_schedule(self, name: str, changes: dict[str, Any], *, by: str) -> Schedule:
        from dataclasses import replace

        found = await self.store.schedule(name)
        assert found is not None
        await self.store.put_schedule(replace(found, **changes))
        return replace(found, **changes)

    async def delete_schedule(self, name: str, *, by: str) -> None:
        await self.store.delete_schedule(name)

    async def preview_schedule(self, name: str, limit: int = 1000) -> Preview:
        return Preview(rows=[], counts={}, truncated=False)

    async def verify_package(self, package_id: str, version: int | None = None) -> Any:
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
