"""A process that works on a store until it is killed, and says on standard output what was acknowledged to it."""

from __future__ import annotations

import asyncio
import sys

from fakes.store_house import START, completed, new_run, plans

from coursekeep_daemon.store import Store

CHUNK = 20


def say(word: str, *what: object) -> None:
    sys.stdout.write(" ".join(map(str, (word, *what))) + "\n")
    sys.stdout.flush()


async def plan(store: Store, run_id: int) -> None:
    known = await store.refs_of(run_id)
    for first in range(1, 1_000_000, CHUNK):
        new = [each for each in plans(CHUNK, first) if each.ref not in known]
        if new:
            await store.add_items(run_id, new)
            say("added", *(each.ref for each in new))


async def work(store: Store, run_id: int) -> None:
    while True:
        for item in await store.claim_items(run_id, limit=2, now=START):
            await store.finish_item(completed(item, gaps=1))
            say("completed", item.id)


async def main(url: str) -> None:
    async with Store(url) as store:
        await store.requeue_interrupted()
        open_runs = await store.open_runs()
        run_id = open_runs[0].id if open_runs else (await new_run(store)).id
        await asyncio.gather(plan(store, run_id), *(work(store, run_id) for _ in range(8)))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
