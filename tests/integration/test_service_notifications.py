"""Notifications from the event to the receiver: a real service, a real campus, real receivers on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from fakes.daemon_process import CampusProcess, DaemonProcess, wait_for
from fakes.notified import Receiver, mail_server, receiver
from fakes.service_bench import Bench, at_rest, eventually

import coursekeep
from coursekeep_campus import CampusServer, Fault, generated
from coursekeep_daemon.notifications.records import DeliveryState
from coursekeep_daemon.registry import Registry
from coursekeep_daemon.runs.states import RunStatus
from coursekeep_daemon.service import Service
from coursekeep_daemon.store import Store

#: Apprise imports a module that Python has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


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


def telling(bench: Bench, hook: Receiver, **sections: Any) -> Service:
    """Return a service with one webhook."""
    target = {"kind": "webhook", "url": hook.url, "secret": "hush"}
    public = {"public_url": "https://coursekeep.example.edu"}
    return bench.service(notifications={"ops": target}, daemon=public, **sections)


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
        async with Store(bench.settings().store.url) as store:
            (kept,) = (await store.notifications()).items
        noted = kept.deliveries[0].attempts
        assert before - noted in (0, 1)  # the stop may have come between sending and noting
        async with telling(bench, hook) as service:
            await eventually(lambda: len(hook.posts) > before)
            (listed,) = await settled(service)
            assert listed.deliveries[0].attempts - noted == len(hook.posts) - before
        async with telling(bench, hook) as service:
            await settled(service)

    asyncio.run(main())

    assert len({post.json["id"] for post in hook.posts}) == 1
    assert {post.headers["Coursekeep-Delivery"] for post in hook.posts} == {hook.posts[0].json["id"]}


@pytest.mark.slow
def test_a_kill_between_sending_and_noting_sends_the_same_message_again(tmp_path):
    """Killed while the receiver has the message and the store does not know, the next start sends it once more."""
    with receiver() as hook, CampusProcess.running("--no-throttle") as campus:
        target = f'kind = "webhook"\nurl = "{hook.url}"'
        daemon = DaemonProcess(tmp_path / "house", campus.url, campus.tokens["admin"], {"notifications.ops": target})
        hook.may_answer.clear()
        with daemon.running():
            run = daemon.start_run("ids", {"ids": [str(campus.courses["forbidden"])]})
            wait_for("the message to be sent", lambda: hook.posts)
            daemon.kill()
            hook.may_answer.set()
            daemon.start()
            told = wait_for("the message to be noted", lambda: daemon.get(f"/runs/{run}")["told_at"])
            (item,) = daemon.items(run)
            (listed,) = daemon.get("/notifications")["items"]

    assert [post.json["id"] for post in hook.posts] == [listed["uid"]] * 2
    assert [(each["state"], each["attempts"]) for each in listed["deliveries"]] == [("delivered", 1)]
    assert item["told_at"] == told


def test_a_reimport_of_all_failed_courses_tells_that_the_run_has_recovered(bench, server, hook):
    """Half of the failed courses reimported tell nothing; the last one tells it, once, with the runs that did it."""
    courses = [str(one) for one in server.known["ended"][:2]]
    for course in courses:
        server.faults.add(Fault(match=f"GET /api/v1/courses/{course}*", kind="html"))

    async def main() -> None:
        async with telling(bench, hook) as service:
            run = await bench.finished(service, await bench.run_ids(service, *courses))
            items = await bench.items(service, run)
            server.faults.clear()
            for course in courses:
                again, _ = await service.control.reimport(run.id, [items[course].id], by="tester")
                await bench.finished(service, again)
            failed, recovered = await settled(service)

            assert recovered.notification.recovers == failed.notification.id

    asyncio.run(main())

    assert hook.kinds == ["run_failed", "run_recovered"]
    said = hook.posts[1].json
    assert said["data"] == {"counts": {"failed_reimported": 2}, "archived_by_runs": [2, 3]}
    assert "2 courses, by run 2, 3." in said["text"]


def test_credentials_are_told_once_and_once_when_they_are_renewed(bench, server, hook):
    """However many courses meet the wall, one message is sent; a good check tells the recovery, a bad one nothing."""
    courses = [str(one) for one in server.known["ended"][:3]]
    server.faults.add(Fault(match="GET /api/v1/*", kind="token_expires_after", after=10))

    async def main() -> None:
        async with telling(bench, hook) as service:
            run = await bench.run_ids(service, *courses)
            await eventually(lambda: service.holds.hold(run))
            await service.check("main")
            await eventually(lambda: at_rest(service))
            await settled(service)
        async with telling(bench, hook) as service:  # the start checks again, in vain
            await settled(service)
            server.faults.clear()
            await service.check("main")
            await service.check("main")
            await settled(service)

    asyncio.run(main())

    assert hook.kinds == ["credentials_needed", "credentials_renewed"]
    assert "coursekeep check main" in hook.posts[0].json["text"]
    assert {post.json["integration"] for post in hook.posts} == {"main"}


def test_storage_is_told_once_over_restarts_and_when_it_is_well(bench, hook):
    """A trouble that outlives a restart is not told again; one that is gone at a start is told as over."""
    full = {"min_free": 2**62}

    async def main() -> None:
        async with telling(bench, hook, archive=full) as service:
            await eventually(lambda: hook.posts)
            await settled(service)
        async with telling(bench, hook, archive=full) as service:
            await asyncio.sleep(0)
            assert service.holds.storage is not None
            assert await service.store.storage_told()
        async with telling(bench, hook) as service:
            await eventually(lambda: len(hook.posts) == 2)
            await settled(service)
            assert not await service.store.storage_told()

    asyncio.run(main())

    assert hook.kinds == ["storage_held", "storage_released"]
    held = hook.posts[0].json
    assert (held["integration"], held["run"]) == (None, None)
    assert "archive.min_free asks for" in held["text"]


def test_storage_that_comes_and_goes_makes_no_message(bench, hook):
    """A trouble that is over before it has lasted for a while is never told, nor is its end."""

    async def main() -> None:
        async with telling(bench, hook) as service:
            for _ in range(10):
                service.holds.storage_trouble("full")
                await asyncio.sleep(0)
                service.holds.storage_fine()
                await asyncio.sleep(0)
            service.leader.watch._min_free = 2**62
            await eventually(lambda: hook.posts)
            told = await settled(service)
            hold = service.holds.storage

            assert hold is not None
            assert [each.notification.kind for each in told] == ["storage_held"]
            assert told[0].notification.data["since"] == hold.since.isoformat().replace("+00:00", "Z")

    asyncio.run(main())


def test_mail_and_other_services_get_a_subject_and_a_plain_text(bench, server, hook):
    """Apprise brings the message by SMTP, and as JSON to an address that asks for a password."""

    async def main() -> None:
        async with mail_server() as box:
            mail = f"mailto://127.0.0.1:{box.port}?from=coursekeep@example.edu&to=ops@example.edu&format=text"
            address = hook.url.removeprefix("http://")
            targets = {
                "mail": {"url": mail},
                "json": {"url": f"json://someone:passw0rd@{address}/service-path", "events": ["run_failed"]},
                "other": {"url": f"json://{address}/other", "events": ["storage_held"]},
            }
            async with bench.service(notifications=targets) as service:
                await bench.finished(service, await bench.run_ids(service, str(server.known["forbidden"])))
                (listed,) = await settled(service)

                assert [(each.target, each.state) for each in listed.deliveries] == [
                    ("json", DeliveryState.DELIVERED),
                    ("mail", DeliveryState.DELIVERED),
                ]
                assert (await service.notifications.send_test("mail", by="tester")).ok
            assert [mail["Subject"] for mail in box.mails] == [
                "Coursekeep: run 1 ended with 1 course failed (main)",
                "Coursekeep: test message",
            ]
            assert "What to do: see why with `coursekeep run items 1 --status failed`" in box.text()

    asyncio.run(main())

    (post,) = hook.posts
    assert (post.path, post.json["type"]) == ("/service-path", "failure")
    assert post.headers["Authorization"].startswith("Basic ")


@pytest.mark.slow
def test_no_secret_of_a_target_is_shown_anywhere(tmp_path, hook):
    """Passwords, paths and recipients are in no log, debug ones included, in no error, answer or command's output."""
    address = hook.url.removeprefix("http://")
    hook.refuse(*[500] * 1000)
    webhook = 'kind = "webhook"\n'
    targets = {
        "json": f'url = "json://someone:passw0rd@{address}/hidden-path"',
        "mail": 'url = "mailto://someone:passw0rd@127.0.0.1:9?from=a@example.edu&to=hidden-person@example.edu"',
        "hook": f'{webhook}url = "http://someone:passw0rd@{address}/hidden-path"\nsecret = "hidden-key"',
        "gone": f'{webhook}url = {{ env = "HOOK" }}',
    }
    extra = {f"notifications.{name}": text for name, text in targets.items()} | {"daemon": 'log_level = "debug"'}
    hidden = {"HOOK": "http://127.0.0.1:9/hidden-path"}
    with CampusProcess.running("--no-throttle") as campus:
        daemon = DaemonProcess(tmp_path / "house", campus.url, campus.tokens["admin"], extra, hidden)
        with daemon.running():
            daemon.finished(daemon.start_run("ids", {"ids": [str(campus.courses["forbidden"])]}))

            def all_tried() -> dict[str, str] | None:
                found = {}
                for each in daemon.get("/notifications")["items"]:
                    found = {one["target"]: one["last_error"] for one in each["deliveries"] if one["last_error"]}
                return found if len(found) == len(targets) else None

            errors = wait_for("every target to be tried", all_tried)
            tests = [daemon.call("POST", f"/notifications/targets/{name}/test").text for name in targets]
            answers = [daemon.call("GET", path).text for path in ("/notifications", "/notifications/targets")]
            shown = [daemon.cli(*command.split()).stdout for command in ("config show", "notification targets")]
        log = daemon.log.read_text()

    assert errors["hook"] == "it answered 500"
    assert errors["gone"] == "it could not be reached: ConnectError"
    assert "error=500" in errors["json"]
    assert "Connection error while submitting email" in errors["mail"]
    assert {(event["target"], event["level"]) for event in daemon.events("notification_undelivered")} == {
        (name, "warning") for name in targets
    }
    assert all('"ok":false' in test for test in tests)
    for text in (log, str(errors), *tests, *answers, *shown):
        assert "passw0rd" not in text
        assert "hidden" not in text


class Listener:
    """A plugin that remembers what operators are told."""

    def __init__(self) -> None:
        self.told: list[Mapping[str, Any]] = []

    @coursekeep.hookimpl
    def notification(self, notification: Mapping[str, Any]) -> None:
        self.told.append(notification)


def test_plugins_are_told_what_operators_are_told(bench, server):
    """The hook `notification` gets what a webhook would be sent, without any target in the settings."""
    import coursekeep_connectors

    listener = Listener()
    plugins = {"builtin": coursekeep_connectors, "listener": listener}
    points: Any = [
        SimpleNamespace(name=name, value=name, group="coursekeep", dist=None, load=lambda plugin=plugin: plugin)
        for name, plugin in plugins.items()
    ]

    async def main() -> None:
        async with bench.service(registry=Registry(points)) as service:
            run = await bench.finished(service, await bench.run_ids(service, str(server.known["forbidden"])))
            await eventually(lambda: listener.told)
            assert await service.store.told([run.id]) == {}  # nobody but plugins was there to be told

    asyncio.run(main())

    (told,) = listener.told
    assert (told["kind"], told["run"], told["url"]) == ("run_failed", 1, None)
    assert told["data"]["counts"] == {"failed": 1}
