"""The page of notifications: what was told, whom it reached, and test messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from fakes.console_house import ConsoleHouse, in_console

from coursekeep_daemon.console import words
from coursekeep_daemon.notifications.records import DeliveryState, NotificationKind
from coursekeep_daemon.notifications.service import Notifications
from coursekeep_daemon.notifications.targets import Undelivered


def test_every_kind_and_state_has_words() -> None:
    """No notification and no delivery is shown by the word of the program."""
    assert set(words.NOTIFICATIONS) == set(NotificationKind)
    assert set(words.DELIVERIES) == set(DeliveryState)


def test_without_targets_the_page_says_how_to_add_one() -> None:
    """Where nobody is told, the lines for settings.toml stand there."""

    async def test(house: ConsoleHouse) -> None:
        service = house.api.service
        service.notifications = Notifications(service.store, service.holds, [], clock=lambda: datetime.now(UTC))
        page = (await (await house.signed_in("viewer")).get("/notifications")).text

        assert "Nobody is told yet" in page
        assert "[notifications.operators]" in page
        assert "Nothing has happened that is told" in page

    in_console(test)


def test_what_was_told_is_listed_with_its_deliveries() -> None:
    """A notification is shown in the words that were sent, with each target's state, attempts and last error."""

    async def test(house: ConsoleHouse) -> None:
        store = house.api.store
        await store.tell_storage_held("<b>disk</b> full", datetime(2026, 1, 1, tzinfo=UTC))
        (one,) = await store.unaddressed()
        await store.address(one.id, ["ops", "team"])
        await store.delivered(one.id, "ops")
        later = datetime.now(UTC) + timedelta(hours=1)
        await store.undelivered(one.id, "team", "answered 503", next_attempt_at=later)
        browser = await house.signed_in("viewer")
        page = (await browser.get("/notifications")).text
        fitting = (await browser.get("/notifications?kind=storage_held")).text
        other = (await browser.get("/notifications?kind=run_failed")).text
        wrong = await browser.get("/notifications?kind=nonsense")

        assert "The archive cannot be written" in page
        assert "&lt;b&gt;disk&lt;/b&gt; full" in page
        assert "Delivered" in page
        assert "On its way" in page
        assert "answered 503" in page
        assert "1 attempt" in page
        assert "answered 503" in fitting
        assert "Nothing of this kind was told." in other
        assert wrong.status_code == 422

    in_console(test)


def test_a_long_list_is_paged() -> None:
    """More than one page of notifications leads to the next, and from there to the first."""

    async def test(house: ConsoleHouse) -> None:
        for number in range(14):
            await house.api.store.tell_storage_held(f"disk {number}.", datetime(2026, 1, 1, tzinfo=UTC))
            (one,) = [each for each in await house.api.store.unaddressed() if each.kind == "storage_held"]
            await house.api.store.address(one.id, ["ops"])
            await house.api.store.tell_storage_released()
            for each in await house.api.store.unaddressed():
                await house.api.store.address(each.id, ["ops"])
        browser = await house.signed_in("viewer")
        first = (await browser.get("/notifications")).text
        start = first.index('href="/notifications?cursor=') + 6
        second = (await browser.get(first[start : first.index('"', start)])).text

        assert ("disk 13." in first, "disk 0." in first) == (True, False)
        assert ("disk 13." in second, "disk 0." in second) == (False, True)
        assert "First page" in second

    in_console(test)


def test_a_test_message_is_sent_and_its_result_shown() -> None:
    """An operator sends a test message; what became of it is shown, and the audit keeps it."""

    async def test(house: ConsoleHouse) -> None:
        browser = await house.signed_in("operator")
        sent = await browser.follow(await browser.post("/notifications/targets/ops/test"))
        house.api.service.target.raises = Undelivered("the server refused <it>")
        failed = await browser.follow(await browser.post("/notifications/targets/ops/test"))
        unknown = await browser.post("/notifications/targets/nobody/test")
        viewer = await house.signed_in("viewer")
        refused = await viewer.post("/notifications/targets/ops/test")

        assert "ops has taken the test message." in sent.text
        assert "ops has not taken the test message: the server refused &lt;it&gt;" in failed.text
        assert (unknown.status_code, refused.status_code) == (404, 403)
        assert "Send a test message" not in (await viewer.get("/notifications")).text
        assert len(house.api.service.target.sent) == 1
        events = (await house.api.store.audit_events(target="ops")).items
        assert [(each.action, each.detail["ok"]) for each in events] == [
            ("notification.test", False),
            ("notification.test", True),
        ]

    in_console(test)
