"""`coursekeep serve`: the service and, once it runs, its API; stopped in mirrored order within a bound."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import json
import os
import signal
import socket
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog
import uvicorn

from coursekeep_daemon.cli.call import ADDRESS_FILE
from coursekeep_daemon.cli.errors import CliError
from coursekeep_daemon.cli.systemd import Notifier
from coursekeep_daemon.service import Service
from coursekeep_daemon.settings import Settings
from coursekeep_daemon.web import close_app, create_app

__all__ = ["serve"]

#: seconds that open requests get at a stop, before the courses in flight get theirs
_REQUESTS = 3
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


def serve(settings: Settings) -> None:
    """Run the daemon until SIGTERM or SIGINT. A second signal ends the process at once.

    Ending at once is safe, if rude: whatever kills the process at any moment leaves a state that the next start goes
    on from.
    """
    with _bound(settings) as (listener, url):
        asyncio.run(_Daemon(settings, listener, url).run())


class _Server(uvicorn.Server):
    """Uvicorn that says when it listens, and leaves signals to us: ours stop more than the API."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.listening = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.listening.set()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class _Daemon:
    def __init__(self, settings: Settings, listener: socket.socket, url: str) -> None:
        self.settings = settings
        self.listener = listener
        self.url = url
        self.stop_asked = asyncio.Event()
        self.notifier = Notifier()
        self.log = structlog.get_logger("coursekeep.serve")

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._on_signal, number)
        service = Service(self.settings)
        try:
            if await self._started(service):
                await self._serve(service)
        finally:
            await service.stop()
        self.log.info("daemon_stopped")

    async def _started(self, service: Service) -> bool:
        """Start the service, unless a signal comes first. Planning left-overs of a large store can take a while."""
        starting = asyncio.create_task(service.start())
        asked = asyncio.create_task(self.stop_asked.wait())
        await asyncio.wait({starting, asked}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if not starting.done():
            starting.cancel()
            await asyncio.wait({starting})
            return False
        await starting
        return True

    async def _serve(self, service: Service) -> None:
        app = create_app(service)
        config = uvicorn.Config(
            app,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            # uvicorn would believe every process of this machine
            proxy_headers=bool(self.settings.daemon.trusted_proxies),
            forwarded_allow_ips=list(self.settings.daemon.trusted_proxies),
            timeout_graceful_shutdown=_REQUESTS,
        )
        server = _Server(config)
        serving = asyncio.create_task(server.serve(sockets=[self.listener]))
        listening = asyncio.create_task(server.listening.wait())
        asked = asyncio.create_task(self.stop_asked.wait())
        others: list[asyncio.Task[Any]] = [listening, asked]
        try:
            await asyncio.wait({serving, listening}, return_when=asyncio.FIRST_COMPLETED)
            if listening.done():
                with _address_file(self.settings.daemon.data_dir, self.url):
                    self._announce()
                    others.append(asyncio.create_task(self.notifier.keep_alive()))
                    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in others:
                task.cancel()
            close_app(app)
            server.should_exit = True
            await serving

    def _announce(self) -> None:
        self.notifier.say(f"READY=1\nSTATUS=Serving {self.url}")
        self.log.info("daemon_ready", url=self.url, api=f"{self.url}/api/v1", docs=f"{self.url}/api/docs")
        print(f"Coursekeep is ready at {self.url} (API: {self.url}/api/docs)", flush=True)  # noqa: T201  # for people

    def _on_signal(self, number: signal.Signals) -> None:
        if self.stop_asked.is_set():
            self.log.warning("daemon_stopped_at_once", signal=number.name)
            os._exit(128 + number)
        self.notifier.say("STOPPING=1")
        self.log.info("daemon_stopping", signal=number.name)
        self.stop_asked.set()


@contextlib.contextmanager
def _bound(settings: Settings) -> Iterator[tuple[socket.socket, str]]:
    """Take the port before anything starts, but do not listen yet: nobody can connect until the service runs."""
    host, port = settings.daemon.host, settings.daemon.port
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise CliError(f"daemon.host {host!r} is no address of this machine: {error.strerror or error}.") from error
    with socket.socket(family, kind, protocol) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
        except OSError as error:
            raise CliError(_why_not_bound(host, port, error)) from error
        shown = f"[{host}]" if ":" in host else host
        yield listener, f"http://{shown}:{listener.getsockname()[1]}"


def _why_not_bound(host: str, port: int, error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"port {port} on {host} is in use. Stop what uses it, or set daemon.port (0 takes a free one)."
    if error.errno == errno.EACCES:
        return f"port {port} may not be opened by this user. Set daemon.port to one above 1023."
    return f"{host} port {port} cannot be opened: {error.strerror}. Set daemon.host to an address of this machine."


@contextlib.contextmanager
def _address_file(data_dir: Path, url: str) -> Iterator[None]:
    """Tell the command line where the daemon is, for as long as it answers."""
    path = data_dir / ADDRESS_FILE
    content = {"url": url, "pid": os.getpid(), "started_at": datetime.now(UTC).isoformat()}
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content) + "\n")
    part.replace(path)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
