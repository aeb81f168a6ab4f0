"""Notifications through the API."""

from __future__ import annotations

from datetime import UTC, datetime

from fakes.api_service import ApiHouse, in_house

from coursekeep_daemon.notifications.targets import Undelivered
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import ItemPlan, Run


async def failed_run(house: ApiHouse) -> Run:
    """Make a run that ended with one failed course and one that is there already."""
    run, _ = await house.store.create_run(
        integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="t"
    )
    await house.store.change_run(run.id, RunStatus.PLANNING)
    there = ItemPlan(ref="2", status=ItemStatus.SKIPPED, reason="archived")
    await house.store.add_items(run.id, [ItemPlan(ref="1", status=ItemStatus.FAILED, reason="no_access"), there])
    await house.store.change_run(run.id, RunStatus.PROCESSING)
    ended = await house.store.finish_run_if_done(run.id)
    assert ended is not None
    return ended


def test_the_list_shows_how_each_target_was_reached() -> None:
    """Notifications come newest first, in pages, with their deliveries; a kind filters them."""

    async def test(house: ApiHouse) -> None:
        await failed_run(house)
        await house.store.halt_integration("main", "the token has expired")
        first, _ = await house.store.unaddressed()
        await house.store.address(first.id, ["ops"])
        await house.store.delivered(first.id, "ops")
        async with house.client("read") as client:
            newest = await client.get("/notifications", params={"limit": 1})
            rest = await client.get(newest.links["next"]["url"].removeprefix("/api/v1"))
            runs = await client.get("/notifications?kind=run_failed")
            wrong = await client.get("/notifications?kind=weather")

        (needed,), (failed,) = newest.json()["items"], rest.json()["items"]
        assert (needed["kind"], needed["integration"], needed["deliveries"]) == ("credentials_needed", "main", [])
        assert needed["data"] == {"reason": "the token has expired"}
        assert (failed["kind"], failed["run_id"], failed["uid"]) == ("run_failed", 1, first.uid)
        assert [(each["target"], each["state"]) for each in failed["deliveries"]] == [("ops", "delivered")]
        assert failed["told_at"] is not None
        assert runs.json()["items"] == [failed]
        assert wrong.status_code == 422

    in_house(test)


def test_a_failed_run_and_its_failed_items_say_when_operators_were_told() -> None:
    """`told_at` is null until a target has the message; then run and failed item show it, and no other item does."""

    async def test(house: ApiHouse) -> None:
        run = await failed_run(house)
        (notification,) = await house.store.unaddressed()
        await house.store.address(notification.id, ["ops", "mail"])
        async with house.client("read") as client:
            before = (await client.get(f"/runs/{run.id}")).json(), (await client.get("/items/1")).json()
            await house.store.undelivered(notification.id, "mail", "busy", next_attempt_at=datetime.now(UTC))
            await house.store.delivered(notification.id, "ops")
            shown = (await client.get(f"/runs/{run.id}")).json()
            (listed,) = (await client.get("/runs")).json()["items"]
            failed, skipped = (await client.get(f"/runs/{run.id}/items")).json()["items"]
            item = (await client.get("/items/1")).json()

        assert [each["told_at"] for each in before] == [None, None]
        assert shown["told_at"] is not None
        assert {each["told_at"] for each in (listed, failed, item)} == {shown["told_at"]}
        assert skipped["told_at"] is None

    in_house(test)


def test_targets_are_listed_and_tested() -> None:
    """The list names targets without addresses; a test says whether it arrived, and is an audit event."""

    async def test(house: ApiHouse) -> None:
        async with house.client("operate") as client:
            listed = (await client.get("/notifications/targets")).json()["items"]
            good = await client.post("/notifications/targets/ops/test")
            house.service.target.raises = Undelivered("it answered 503")
            bad = await client.post("/notifications/targets/ops/test")
            unknown = await client.post("/notifications/targets/obs/test")

        (target,) = listed
        assert (target["name"], target["kind"], len(target["events"]), target["integrations"]) == (
            "ops",
            "webhook",
            11,
            [],
        )
        assert (good.json(), bad.json()) == ({"ok": True, "error": None}, {"ok": False, "error": "it answered 503"})
        assert [message.kind for message in house.service.target.sent] == ["test"]
        assert unknown.status_code == 404
        assert "did you mean ops?" in unknown.json()["detail"]
        results = [
            (each.action, each.result, each.detail.get("ok")) for each in (await house.store.audit_events()).items
        ]
        assert results == [
            ("notification.test", "refused", None),
            ("notification.test", "done", False),
            ("notification.test", "done", True),
        ]

    in_house(test)
