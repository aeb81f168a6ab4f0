"""Members of a shared budget: in this process, or `python -m fakes.budget_members` in one of their own."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from pydantic import SecretStr

from coursekeep import BearerDialect, LmsClient, RetryLater, RetryPolicy
from coursekeep_daemon.budget import Budgets
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.store import Terms

__all__ = ["BRISK", "Asking", "asking", "lms_of", "member", "member_process"]

#: so that tests need not wait long; everything else is as ever
BRISK = Terms(lease=2.0, used=1.5, slice=0.4, interval=0.1)


@dataclass(frozen=True, kw_only=True)
class Asking:
    """What a member does: ask one address, so many requests at once, for so long."""

    store: str
    url: str
    token: str = "made-up-token"
    path: str = "/api/v1/users/self"
    most: int = 4
    at_once: int = 8
    seconds: float = 60.0
    brisk: bool = True


def lms_of(client: LmsClient, *, name: str = "main", settings: Any = None) -> Lms:
    """Make an integration of which the budget needs no more than its client."""
    connector = SimpleNamespace(over_http=True, client=client, settings=settings)
    return Lms(name=name, id=name, connector=cast(Any, connector), courses_at_once=4)


@asynccontextmanager
async def member(
    store: str, url: str, *, most: int = 4, token: str = "made-up-token", terms: Terms = BRISK, **more: Any
) -> AsyncIterator[LmsClient]:
    """Give a client whose governor has its share of the budget."""
    dialect = more.pop("dialect", None) or BearerDialect(SecretStr(token))
    options = {"retry": RetryPolicy(attempts=2, throttled_attempts=9, wait=0.0, longest=0.0), "max_concurrency": most}
    async with (
        LmsClient(url, dialect, **options, **more) as client,
        Budgets(store, {"main": lms_of(client)}, password=None, terms=terms),
    ):  # type: ignore[arg-type]
        yield client


async def asking(client: LmsClient, path: str, at_once: int, until: float) -> int:
    """Ask as fast as the governor lets, and count the answers."""
    clock = asyncio.get_running_loop().time
    done = 0

    async def ask() -> None:
        nonlocal done
        while clock() < until:
            try:
                await client.get(path)
            except RetryLater:
                continue
            done += 1

    await asyncio.gather(*(ask() for _ in range(at_once)))
    return done


@contextmanager
def member_process(asked: Asking, *, copies: int = 1) -> Iterator[subprocess.Popen[str]]:
    """Run a member in a process of its own, or in several: forks of one, since each start takes seconds.

    Each writes `ready`, waits until its input is closed, and at its end writes how many answers it got.
    """
    command = [sys.executable, "-m", "fakes.budget_members", str(copies), json.dumps(asdict(asked))]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    process = subprocess.Popen(command, **pipes, env=environment, text=True)
    try:
        assert process.stdout is not None
        assert [process.stdout.readline() for _ in range(copies)] == ["ready\n"] * copies
        yield process
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            assert pipe is not None
            pipe.close()


def _said(word: object) -> None:
    os.write(1, f"{word}\n".encode())  # whole, whoever else writes


async def _main(asked: Asking) -> None:
    terms = BRISK if asked.brisk else Terms()
    async with member(asked.store, asked.url, most=asked.most, token=asked.token, terms=terms) as client:
        _said("ready")
        await asyncio.to_thread(sys.stdin.read)
        until = asyncio.get_running_loop().time() + asked.seconds
        _said(await asking(client, asked.path, asked.at_once, until))


def _run(copies: int, asked: Asking) -> None:
    if copies == 1:
        asyncio.run(_main(asked))
        return
    children = []
    for _ in range(copies):
        if not (child := os.fork()):
            asyncio.run(_main(asked))
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)


if __name__ == "__main__":
    _run(int(sys.argv[1]), Asking(**json.loads(sys.argv[2])))
