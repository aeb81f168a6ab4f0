"""The daemon's API, with one route more, over a store in which a run writes: `python -m bench.api_server FOLDER`.

The route answers with constant bytes behind the same middleware and the same check of tokens as all others. The
process prints its port and a token, and ends with SIGTERM, or when whoever started it is gone.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import uvicorn
from fastapi import Response

from coursekeep_daemon.api.security import Reader
from coursekeep_daemon.logs import configure_logs
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.settings import Settings, load_settings
from coursekeep_daemon.store import ItemPlan, ItemResult, Store
from coursekeep_daemon.web import close_app, create_app

CONSTANT = b'{"status":"ok"}'

#: items that begin and end in each step of the run that writes, and the seconds between: 100 changes a second, where
#: archiving makes about ten
AT_ONCE = 5
STEP = 0.1


class _Server(uvicorn.Server):
    """Uvicorn that leaves signals to us."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def main(folder: Path) -> None:
    """Serve until told to stop."""
    configure_logs("warning")
    service = Service(_settings(folder))
    await service.start()
    try:
        async with writing(service.store):
            await _serve(service)
    finally:
        await service.stop()


def _settings(folder: Path) -> Settings:
    path = folder / "settings.toml"
    path.write_text(
        f'''
        [daemon]
        data_dir = "{folder}/data"
        [store]
        url = "sqlite:///{folder}/coursekeep.db"
        [archive]
        url = "file://{folder}/archive"
        organization = "Example University"
        '''
    )
    return load_settings(path)


@asynccontextmanager
async def writing(store: Store) -> AsyncIterator[None]:
    """Have a run of its own write status changes, as if its courses were archived."""
    run, _ = await store.create_run(
        integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="bench"
    )
    await store.change_run(run.id, RunStatus.PLANNING)
    await store.change_run(run.id, RunStatus.PROCESSING)
    task = asyncio.create_task(_write(store, run.id))
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _write(store: Store, run_id: int) -> None:
    planned = 0
    while True:
        await store.add_items(run_id, [ItemPlan(ref=str(planned + n)) for n in range(AT_ONCE)])
        planned += AT_ONCE
        items = await store.claim_items(run_id, limit=AT_ONCE, now=datetime.now(UTC))
        for item in items:
            await store.finish_item(ItemResult(item_id=item.id, status=ItemStatus.NOT_FOUND))
        await asyncio.sleep(STEP)


async def _serve(service: Service) -> None:
    app = create_app(service)

    @app.get("/api/v1/constant")
    async def constant(caller: Reader) -> Response:
        return Response(CONSTANT, media_type="application/json")

    _, secret = await service.store.create_token(f"bench {datetime.now(UTC)}", "read")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = _Server(uvicorn.Config(app, lifespan="off", log_config=None, access_log=False))
        loop = asyncio.get_running_loop()
        loop.add_reader(sys.stdin, _stop, server)  # readable at the end of whoever started this
        loop.add_signal_handler(signal.SIGTERM, _stop, server)
        sys.stdout.write(json.dumps({"port": listener.getsockname()[1], "token": secret}) + "\n")
        sys.stdout.flush()
        await server.serve([listener])
        close_app(app)


def _stop(server: uvicorn.Server) -> None:
    server.should_exit = True


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
