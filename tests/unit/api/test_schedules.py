"""Schedules through the API."""

from __future__ import annotations

from datetime import UTC, datetime

from fakes.api_service import ApiHouse, in_house

from coursekeep_daemon.store.records import Schedule

NEW = {"name": "ended", "integration": "main", "cron": "0 3 15 * *", "ended_for": "6 months"}


def _declared() -> Schedule:
    return Schedule(
        name="fixed",
        integration="main",
        cron="0 3 * * *",
        time_zone="UTC",
        source="end_date",
        params={},
        ended_for="6 months",
        ended_by="course",
        include=[],
        exclude=[],
        on_existing="skip",
        enabled=True,
        declared=True,
        created_by="settings",
        created_at=datetime.now(UTC),
    )


def test_a_schedule_is_added_changed_and_deleted() -> None:
    """A schedule can be added, changed in part and deleted; each is an audit event."""

    async def test(house: ApiHouse) -> None:
        async with house.client("admin") as client:
            added = await client.post("/schedules", json=NEW)
            changed = await client.patch("/schedules/ended", json={"cron": "0 4 * * *"})
            deleted = await client.delete("/schedules/ended")
            gone = await client.get("/schedules/ended")

        assert (added.status_code, added.json()["next_fire_at"]) == (201, "2030-01-01T00:00:00Z")
        assert (changed.json()["cron"], changed.json()["ended_for"]) == ("0 4 * * *", "6 months")
        assert (deleted.status_code, gone.status_code) == (204, 404)
        actions = [each.action for each in (await house.store.audit_events()).items]
        assert actions == ["schedule.delete", "schedule.change", "schedule.add"]

    in_house(test)


def test_a_declared_schedule_is_not_edited_here() -> None:
    """A schedule of settings.toml answers edits with 409, saying where to edit it, and stays as it is."""

    async def test(house: ApiHouse) -> None:
        await house.store.put_schedule(_declared())
        async with house.client("admin") as client:
            changed = await client.patch("/schedules/fixed", json={"enabled": False})
            deleted = await client.delete("/schedules/fixed")
            still = (await client.get("/schedules/fixed")).json()

        assert (changed.status_code, deleted.status_code) == (409, 409)
        assert "[schedules.fixed]" in changed.json()["detail"]
        assert (still["enabled"], still["declared"]) == (True, True)
        assert [each.result for each in (await house.store.audit_events()).items] == ["refused", "refused"]

    in_house(test)
