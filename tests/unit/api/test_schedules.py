"""Schedules through the API."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
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


def test_the_answer_tells_the_next_ticks_and_what_became_of_the_last() -> None:
    """Next times, the last run with its status, and why a tick failed stand with the schedule, in lists too."""

    async def test(house: ApiHouse) -> None:
        async with house.client("admin") as client:
            await client.post("/schedules", json=NEW | {"cron": "0 3 * * *"})
            run = (await client.post("/schedules/ended/run")).json()
            await house.store.schedule_fired("ended", datetime(2029, 1, 1, tzinfo=UTC), run["id"])
            good = (await client.get("/schedules")).json()["items"][0]
            await house.store.schedule_fired("ended", datetime(2029, 1, 2, tzinfo=UTC), None, error="no integration")
            bad = (await client.get("/schedules/ended")).json()

        assert good["next_fire_times"] == [f"2030-01-0{day}T03:00:00Z" for day in (1, 2, 3, 4, 5)]
        assert (good["last_run_id"], good["last_run_status"], good["last_error"]) == (run["id"], "queued", None)
        assert (bad["last_fired_at"], bad["last_error"]) == ("2029-01-02T00:00:00Z", "no integration")
        assert bad["last_run_id"] == run["id"]

    in_house(test)


def test_a_long_table_is_cut_in_lists_only() -> None:
    """A schedule of a CSV shows the beginning of it in the list, and all of it by itself."""

    async def test(house: ApiHouse) -> None:
        table = {"text": "course_id\n" + "1\n" * 500}
        body = {"name": "a", "integration": "main", "cron": "@daily", "source": "csv", "params": table}
        async with house.client("admin") as client:
            made = (await client.post("/schedules", json=body)).json()
            (listed,) = (await client.get("/schedules")).json()["items"]

        assert (made["params"], made["params_cut"]) == (table, False)
        assert (len(listed["params"]["text"]), listed["params_cut"]) == (200, True)

    in_house(test)


def test_a_schedule_is_previewed_before_it_is_stored() -> None:
    """The preview of a body tells its tick, cut-off, and the pattern that leaves a course out; nothing is stored."""

    async def test(house: ApiHouse) -> None:
        body = {key: value for key, value in NEW.items() if key != "name"} | {"ended_by": "academic_year"}
        async with house.client("operate") as client:
            shown = await client.post("/schedules/preview", json=body)
            wrong = await client.post("/schedules/preview", json=body | {"integration": "other"})
            stored = (await client.get("/schedules")).json()["items"]

        assert shown.status_code == 200
        answer = shown.json()
        assert (answer["counts"], answer["truncated"], answer["cut_after"]) == ({"left_out": 1}, True, 1)
        assert (answer["rows"][0]["would"], answer["rows"][0]["pattern"]) == ("left_out", "X*")
        assert answer["slot"][8:] == "15T03:00:00Z"
        assert answer["before"][5:] == "09-01T00:00:00Z"
        assert (wrong.status_code, wrong.json()["errors"][0]["where"]) == (422, "ended_by")
        assert stored == []

    in_house(test)


def test_a_schedule_is_run_by_hand() -> None:
    """The run has the caller and the schedule; the schedule's own ticks stay; an audit event names the run."""

    async def test(house: ApiHouse) -> None:
        async with house.client("admin") as client:
            await client.post("/schedules", json=NEW)
        async with house.client("operate") as client:
            started = await client.post("/schedules/ended/run", headers={"Idempotency-Key": "k"})
            again = await client.post("/schedules/ended/run", headers={"Idempotency-Key": "k"})
            missing = await client.post("/schedules/none/run")
            listed = (await client.get("/runs?schedule=ended")).json()["items"]
            shown = (await client.get("/schedules/ended")).json()

        assert (started.status_code, started.headers["Location"]) == (202, "/api/v1/runs/1")
        assert (started.json()["created_by"], started.json()["schedule"]) == ("operate", "ended")
        assert (again.json()["id"], again.headers["Idempotent-Replayed"]) == (1, "true")
        assert missing.status_code == 404
        assert [run["id"] for run in listed] == [1]
        assert (shown["last_fired_at"], shown["last_run_id"]) == (None, None)
        events = (await house.store.audit_events()).items
        assert [(e.action, e.result, e.detail.get("run")) for e in events if e.action == "schedule.run"] == [
            ("schedule.run", "refused", None),
            ("schedule.run", "done", 1),
            ("schedule.run", "done", 1),
        ]

    in_house(test)


def test_an_edit_of_an_old_revision_is_a_conflict() -> None:
    """Of two administrators who edit the same schedule one wins; the other gets 409 and changes nothing."""

    async def test(house: ApiHouse) -> None:
        async with house.client("admin") as client:
            made = (await client.post("/schedules", json=NEW)).json()
            first = await client.patch("/schedules/ended", json={"cron": "0 4 * * *", "revision": made["revision"]})
            second = await client.patch("/schedules/ended", json={"cron": "0 5 * * *", "revision": made["revision"]})
            alone = await client.patch("/schedules/ended", json={"revision": 2})
            now = (await client.get("/schedules/ended")).json()

        assert (first.status_code, first.json()["revision"]) == (200, 2)
        assert second.status_code == 409
        assert "changed meanwhile" in second.json()["detail"]
        assert alone.status_code == 422
        assert (now["cron"], now["revision"]) == ("0 4 * * *", 2)

    in_house(test)


@pytest.mark.parametrize(
    ("wrong", "where", "says"),
    [
        ({"name": "Ended!"}, "body.name", "lower-case letters"),
        ({"cron": "0 3 15 *"}, "cron", "minute, hour, day, month and weekday"),
        ({"cron": "0 0 30 2 *"}, "cron", "never comes"),
        ({"time_zone": "Vienna"}, "time_zone", "Europe/Vienna"),
        ({"ended_for": "6"}, "ended_for", "6 months"),
        ({"ended_for": None}, "ended_for", "how long ago"),
        ({"ended_by": "year"}, "body.ended_by", "academic_year"),
        ({"include": ["BIO*", " "]}, "include.1", "account:Faculty of Science"),
        ({"exclude": ["x" * 300]}, "exclude.0", "at most 200 characters"),
    ],
)
def test_each_field_that_is_wrong_is_named(wrong: dict[str, Any], where: str, says: str) -> None:
    """A rule that cannot be kept is a 422 that names the field and what to write; nothing is stored."""

    async def test(house: ApiHouse) -> None:
        async with house.client("admin") as client:
            answer = await client.post("/schedules", json=NEW | wrong)

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["where"] == where
        assert says in answer.json()["detail"]
        assert await house.store.schedules() == []

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
