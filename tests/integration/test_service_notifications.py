"""Notifications from the event to the receiver: a real service, a real campus, real receivers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fakes.notified import Receiver, receiver
from fakes.service_bench import Bench, eventually

from coursekeep_campus import CampusServer, generated
from coursekeep_daemon.notifications.records import DeliveryState
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.service import Service


@pytest.fixture(scope="module")
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=1, courses=10), throttle=False) as server:
        yield server


@pytest.fixture
def bench(tmp_path: Path, server: CampusServer) -> Iterator[Bench]:
    yield Bench(tmp_path, server)
    server.faults.clear()


@pytest.fixture
def hook() -> Iterator[Receiver]:
    with receiver() as hook:
        yield hook


def telling(bench: Bench, hook: Receiver, **more: Any) -> Service:
    """Return a service with one webhook."""
    target = {"kind": "webhook", "url": f"{hook.url}/token-in-the-path", "secret": "hush"} | more
    return bench.service(notifications={"ops": target}, daemon={"public_url": "https://coursekeep.example.edu"})


async def settled(service: Service) -> list[Any]:
    """Wait until nothing is to be delivered any more, and return everything that was told, oldest first."""

    async def done() -> list[Any] | None:
        new = await service.store.unaddressed()
        listed = (await service.notifications.list(limit=200)).items
        pending = any(each.state is DeliveryState.PENDING for one in listed for each in one.deliveries)
        return None if pending or new else [True, *reversed(listed)]

    return (await eventually(done))[1:]


def test_a_run_with_failures_is_told_once_with_numbers_reasons_and_a_link(bench, server, hook):
    """One message names the run, counts by status and the reasons; a run that ends well tells nothing."""
    good, forbidden = str(server.known["late_grade"]), str(server.known["forbidden"])

    async def main() -> None:
        async with telling(bench, hook) as service:
            run = await bench.finished(service, await bench.run_ids(service, good, forbidden))
            await eventually(lambda: hook.posts)
            (listed,) = await settled(service)
            told = (await service.store.told([run.id]))[run.id]
            await bench.finished(service, await bench.run_ids(service, good))
            await settled(service)

            assert run.status is RunStatus.COMPLETED_WITH_ERRORS
            assert [each.state for each in listed.deliveries] == [DeliveryState.DELIVERED]
            assert told.told_at == listed.notification.told_at == listed.deliveries[0].delivered_at
            assert b'coursekeep_notification_deliveries_total{result="delivered",target="ops"} 1.0' in (
                service.metrics.render()
            )

    asyncio.run(main())

    (post,) = hook.posts
    said = post.json
    assert (said["kind"], said["run"], said["integration"]) == ("run_failed", 1, "main")
    assert said["subject"] == "Coursekeep: run 1 ended with 1 course failed (main)"
    assert said["url"] == "https://coursekeep.example.edu/runs/1"
    assert said["data"]["counts"] == {"completed": 1, "failed": 1}
    assert said["data"]["reasons"] == [{"reason": "no_access", "count": 1}]
    assert "1 x no_access: the credentials do not allow these courses" in said["text"]
    assert "coursekeep run reimport 1" in said["text"]


def test_a_restart_tells_what_was_not_delivered_and_nothing_twice(bench, server, hook):
    """A message that could not be delivered before a stop is delivered by the next process, with the same id."""
    hook.refuse(*[503] * 1000)

    async def main() -> None:
        async with telling(bench, hook) as service:
            await bench.finished(service, await bench.run_ids(service, str(server.known["forbidden"])))
            await eventually(lambda: len(hook.posts) >= 2)
            assert await service.store.told([1]) == {}
        hook.answers.clear()
        before = len(hook.posts)
        async with telling(bench, hook) as service:
            await eventually(lambda: len(hook.posts) > before)
            (listed,) = await settled(service)
            assert listed.deliveries[0].attempts == len(hook.posts)
        async with telling(bench, hook) as service:
            await settled(service)

    asyncio.run(main())

    assert len({post.json["id"] for post in hook.posts}) == 1
    assert {post.headers["Coursekeep-Delivery"] for post in hook.posts} == {hook.posts[0].json["id"]}
