"""Wires: TCP proxies on loopback that lose, hold back and tear what passes, as networks do.

All wires of a laboratory share one event loop in a thread of its own, so that one that is slow delays no other.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeVar

__all__ = ["Mode", "Wire", "Wires"]

T = TypeVar("T")

#: opens the connection onwards
Onwards = Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]

_PIECE = 65536
#: what a slow wire passes at once
_SLOW_PIECE = 2048


class Mode(StrEnum):
    """What a wire does with what comes."""

    OPEN = "open"
    #: connections are reset, new ones too
    CUT = "cut"
    #: connections stay, new ones are taken, and nothing passes either way
    SILENT = "silent"
    #: everything passes, some time later
    LATE = "late"
    #: few bytes a second
    SLOW = "slow"
    #: some pieces pass by half, and then the connection is reset
    TORN = "torn"


@dataclass(frozen=True, kw_only=True, slots=True)
class Behaviour:
    """A mode with its measure: seconds of delay, bytes a second, or one piece in how many is torn."""

    mode: Mode = Mode.OPEN
    measure: float = 0.0


class Wires:
    """The loop that wires run on. Use as a context manager."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wires", daemon=True)
        self._wires: list[Wire] = []

    def __enter__(self) -> Wires:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        for wire in self._wires:
            wire.close()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def to_port(self, name: str, port: int) -> Wire:
        """Lay a wire to a port of this machine."""
        return self._lay(name, lambda: asyncio.open_connection("127.0.0.1", port, limit=_PIECE))

    def to_socket(self, name: str, path: str) -> Wire:
        """Lay a wire to a socket in the file system."""
        return self._lay(name, lambda: asyncio.open_unix_connection(path, limit=_PIECE))

    def _lay(self, name: str, onwards: Onwards) -> Wire:
        wire = Wire(name, onwards, self.call)
        self._wires.append(wire)
        return wire

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        """Run something on the loop, from another thread, and return its result."""
        future: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result(30)


class Wire:
    """One proxy: a port of its own, the same as long as it lives, and a behaviour that changes at once."""

    def __init__(self, name: str, onwards: Onwards, call: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        self.name = name
        self._onwards = onwards
        self._call = call
        self._behaviour = Behaviour()
        self._pieces = 0
        self._open = set[asyncio.StreamWriter]()
        self._tasks = set[asyncio.Task[None]]()
        self._changed = asyncio.Event()
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._server: asyncio.Server | None = None
        call(self._listen())

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, sock=self._socket, limit=_PIECE)

    def behave(self, mode: Mode, measure: float = 0.0) -> None:
        """Change what happens to everything from now on; also to the connections that there are."""
        self._call(self._behave(Behaviour(mode=mode, measure=measure)))

    def reset(self) -> None:
        """Reset all connections once; new ones are as the mode has them."""
        self._call(self._reset())

    def close(self) -> None:
        """End it."""
        self._call(self._close())

    async def _behave(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._changed.set()
        self._changed = asyncio.Event()
        if behaviour.mode is Mode.CUT:
            await self._reset()

    async def _reset(self) -> None:
        for writer in list(self._open):
            _abort(writer)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        await self._reset()
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._connect(reader, writer)
        except (OSError, asyncio.CancelledError):
            _abort(writer)
        finally:
            writer.close()
            self._tasks.discard(task)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._behaviour.mode is Mode.CUT:
            raise ConnectionResetError
        self._open.add(writer)
        try:
            await self._speaks()
            far_reader, far_writer = await self._onwards()
            self._open.add(far_writer)
            try:
                await self._both(self._pump(reader, far_writer), self._pump(far_reader, writer))
            except (OSError, asyncio.CancelledError):
                _abort(far_writer)
                raise
            finally:
                self._open.discard(far_writer)
                far_writer.close()
        finally:
            self._open.discard(writer)

    @staticmethod
    async def _both(*pumps: Coroutine[Any, Any, None]) -> None:
        """Run both directions until both have ended, or one is torn."""
        tasks = [asyncio.ensure_future(pump) for pump in pumps]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_PIECE):
            size = _SLOW_PIECE if self._behaviour.mode is Mode.SLOW else _PIECE
            for start in range(0, len(data), size):
                await self._pass(data[start : start + size], writer)
        if writer.can_write_eof():
            writer.write_eof()

    async def _pass(self, piece: bytes, writer: asyncio.StreamWriter) -> None:
        behaviour = self._behaviour
        if behaviour.mode is Mode.LATE:
            await asyncio.sleep(behaviour.measure)
        elif behaviour.mode is Mode.SLOW:
            await asyncio.sleep(len(piece) / behaviour.measure)
        await self._speaks()
        self._pieces += 1
        if behaviour.mode is Mode.TORN and self._pieces % round(behaviour.measure) == 0:
            writer.write(piece[: len(piece) // 2])
            await writer.drain()
            raise ConnectionResetError
        writer.write(piece)
        await writer.drain()

    async def _speaks(self) -> None:
        while self._behaviour.mode is Mode.SILENT:
            await self._changed.wait()


def _abort(writer: asyncio.StreamWriter) -> None:
    """Close a connection by a reset, as a network does that has forgotten it."""
    taken = writer.get_extra_info("socket")
    with contextlib.suppress(OSError, ValueError):
        if taken is not None and taken.family != socket.AF_UNIX:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
