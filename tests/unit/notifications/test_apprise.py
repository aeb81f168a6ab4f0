"""Apprise against a real receiver: what becomes of it when the other side is not well."""

from __future__ import annotations

import asyncio
import logging
import threading
from datetime import UTC, datetime

import pytest
from fakes.notified import receiver
from fakes.service_bench import eventually

from coursekeep_daemon.notifications.apprise import AppriseTarget
from coursekeep_daemon.notifications.messages import Message
from coursekeep_daemon.notifications.targets import Undelivered

#: Apprise imports a module that Python has deprecated
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")

MESSAGE = Message(
    id="abc", kind="test", at=datetime(2026, 3, 1, tzinfo=UTC), subject="A subject", text="Two\nlines", data={}
)


def test_a_service_that_does_not_answer_holds_nothing_up() -> None:
    """The attempt ends at its time-out; its thread would not keep the process alive, and its late end harms nobody."""

    async def main() -> None:
        with receiver() as hook:
            target = AppriseTarget("ops", [], [], url=f"json://{hook.url.removeprefix('http://')}/", timeout=0.2)
            hook.may_answer.clear()
            with pytest.raises(Undelivered, match=r"not sent within 0\.2 seconds"):
                await target.send(MESSAGE)
            (thread,) = [each for each in threading.enumerate() if each.name == "notify ops"]
            assert thread.daemon
            hook.may_answer.set()
            await eventually(lambda: not thread.is_alive())
            await AppriseTarget("ops", [], [], url=f"json://{hook.url.removeprefix('http://')}/").send(MESSAGE)

        assert [post.json["message"] for post in hook.posts] == ["Two\nlines"] * 2

    asyncio.run(main())


def test_a_fault_of_apprise_is_an_attempt_that_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a service of Apprise raises ends as undelivered, named by its type only."""
    target = AppriseTarget("ops", [], [], url="json://127.0.0.1:9/")

    def fails(**_: object) -> None:
        raise RuntimeError("password hidden")

    monkeypatch.setattr(target._apprise, "notify", fails)
    with pytest.raises(Undelivered, match=r"^Apprise failed with RuntimeError$"):
        asyncio.run(target.send(MESSAGE))


def test_the_log_of_apprise_stays_out_of_ours() -> None:
    """Apprise writes addresses and recipients into its log, so that does not reach the handlers of the daemon."""
    AppriseTarget("ops", [], [], url="json://127.0.0.1:9/")

    assert not logging.getLogger("apprise").propagate
    assert logging.getLogger("urllib3").level >= logging.WARNING
