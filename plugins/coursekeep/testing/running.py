"""How the suite runs a connector: within a loop of the test's own, with or without a wire in between."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote, quote_plus

from pydantic import SecretStr

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError
from coursekeep.records import Course
from coursekeep.retry import NO_RETRY, RetryPolicy
from coursekeep.testing.clock import LeapingLoop
from coursekeep.testing.export import Export, Known, collect
from coursekeep.testing.grades import not_applicable
from coursekeep.testing.wire import Asked, Trick, Wire

__all__ = [
    "PATIENT",
    "asked_of",
    "complaint",
    "course_of",
    "export_of",
    "hold_no_secret",
    "items",
    "needs_http",
    "places",
    "run",
    "run_leaping",
    "secrets_of",
    "wired",
]

T = TypeVar("T")

#: asks again at once, as often as one fault of every request needs
PATIENT = RetryPolicy(attempts=3, throttled_attempts=5, wait=0.0, longest=0.0)
#: seconds that one test may take, so that a connector that hangs fails
_PATIENCE = 60.0


def run(connector: Connector[Any], main: Callable[[], Awaitable[T]]) -> T:
    """Open the connector and run to the end, but never for ever."""

    async def opened() -> T:
        try:
            async with asyncio.timeout(_PATIENCE), connector:
                return await main()
        except TimeoutError:
            raise AssertionError(f"it did not end within {_PATIENCE:.0f} seconds") from None

    return asyncio.run(opened())


def run_leaping(connector: Connector[Any], wire: Wire, main: Callable[[], Awaitable[T]]) -> T:
    """Run as `run` does, but put the clock forward wherever nobody waits for an answer.

    The patience is measured outside of the loop, whose own clock would leap over it.
    """

    async def opened() -> T:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        patience = threading.Timer(_PATIENCE, loop.call_soon_threadsafe, [task.cancel])
        patience.start()
        try:
            async with connector:
                return await main()
        finally:
            patience.cancel()
            patience.join()

    with asyncio.Runner(loop_factory=lambda: LeapingLoop(lambda: wire.open == 0)) as runner:
        try:
            return runner.run(opened())
        except asyncio.CancelledError:
            raise AssertionError(f"it did not end within {_PATIENCE:.0f} seconds") from None


def needs_http(connector: Connector[Any]) -> None:
    """End the test where no request could be spoilt."""
    if not connector.over_http:
        not_applicable("nothing is asked over HTTP")


def wired(
    connector: Connector[Any], trick: Trick | None = None, retry: RetryPolicy = NO_RETRY
) -> tuple[Connector[Any], Wire]:
    """Return a connector with the same settings, and the wire that it speaks over."""
    needs_http(connector)
    wire = Wire(connector.client.transport, trick)
    return type(connector)(connector.settings, transport=wire, retry=retry), wire


async def course_of(connector: Connector[Any], known: Known) -> Course:
    """Return the known course that has ended."""
    course = await connector.course(known.ended)
    assert course is not None, f"the known course {known.ended} is not found"
    return course


def export_of(
    connector: Connector[Any], known: Known, trick: Trick | None = None, retry: RetryPolicy = NO_RETRY
) -> Export:
    """Export the known course; with a trick, over a wire that plays it once the course has been found."""
    if trick is None:
        return run(connector, lambda: _export(connector, known))
    spoilt, wire = wired(connector, trick, retry)
    return run(spoilt, lambda: _export(spoilt, known, wire))


def asked_of(connector: Connector[Any], known: Known) -> tuple[Export, list[Asked]]:
    """Export the known course as it is, and return every request of that with its export."""
    plain, wire = wired(connector)
    export = run(plain, lambda: _export(plain, known, wire))
    assert wire.asked, "the export asked nothing by the transport that it was given; use the connector's client"
    return export, list(wire.asked)


async def _export(connector: Connector[Any], known: Known, wire: Wire | None = None) -> Export:
    course = await course_of(connector, known)
    if wire is not None:
        wire.begin()
    return await collect(connector, course)


def places(asked: Sequence[Asked], most: int, *, before: float = 1.0) -> list[Asked]:
    """Choose at most so many different requests, spread evenly over that share of the export."""
    first: dict[tuple[str, str, bytes], Asked] = {}
    for each in asked:
        first.setdefault(each.identity, each)
    different = list(first.values())[: max(1, int(len(first) * before))]
    if len(different) <= most:
        return different
    step = (len(different) - 1) / max(1, most - 1)
    return [different[round(number * step)] for number in range(most)]


async def items(found: AsyncIterator[T]) -> list[T]:
    """Read to the end."""
    return [item async for item in found]


def secrets_of(connector: Connector[Any]) -> Iterator[str]:
    """Yield the secrets of the settings, in every spelling that an address or a form may have."""
    settings = connector.settings
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr) and (secret := value.get_secret_value()):
            yield from dict.fromkeys((secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]))


def hold_no_secret(connector: Connector[Any], told: Sequence[str], what: str = "") -> None:
    """Make sure that no text holds a secret of the settings."""
    for secret in secrets_of(connector):
        assert not any(secret in text for text in told), f"a secret of the settings is told{what and ' in '}{what}"


async def complaint(connector: Connector[Any], course_id: str) -> str:
    """Return what the connector says of a course, or its error."""
    try:
        return repr(await connector.course(course_id))
    except ConnectorError as error:
        return f"{error!r} {error}"
