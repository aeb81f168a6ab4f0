"""Clients of `coursekeep.http` for tests: quick to give up, quick to ask again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from typing import Any, TypeVar

from pydantic import SecretStr

from coursekeep import BearerDialect, LmsClient, RetryPolicy

__all__ = ["QUICK", "TOKEN", "collected", "make_client", "run"]

#: tells where it leaks to
TOKEN = "made-up-token-5f1c2"
#: asks again at once
QUICK = RetryPolicy(attempts=3, throttled_attempts=4, wait=0.0, longest=0.0)

T = TypeVar("T")


def make_client(base_url: str, **options: Any) -> LmsClient:
    """Make a client with a bearer token and a quick policy."""
    dialect = options.pop("dialect", None) or BearerDialect(SecretStr(TOKEN))
    return LmsClient(base_url, dialect, **{"retry": QUICK, "timeout": 5.0, **options})


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end, but never for ever."""

    async def bounded() -> T:
        async with asyncio.timeout(30):
            return await main

    return asyncio.run(bounded())


async def collected(items: AsyncIterator[T]) -> list[T]:
    """Read to the end."""
    return [item async for item in items]
