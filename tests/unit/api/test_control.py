"""Run control over HTTP: three levels of pause, cancel, reimport; each is audited, and of two at once one wins."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest
from fakes.api_service import ApiHouse, in_house
from fakes.store_house import START

from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.store import ItemPlan, ItemResult

VERBS = ["pause", "resume", "cancel", "reimport"]
LEVELS = ["", "/integrations/main", "/runs/1"]


async def make_run(house: ApiHouse, *plans: ItemPlan) -> int:
    run, _ = await house.store.create_run(
        integration="main", source="ids", params={}, on_existing="skip", note=None, created_by="t"
    )
    await house.store.change_run(run.id, RunStatus.PLANNING)
    await house.store.add_items(run.id, plans or [ItemPlan(ref="1"), ItemPlan(ref="2")])
    await house.store.change_run(run.id, RunStatus.PROCESSING)
    return run.id


async def failed_run(house: ApiHouse) -> int:
    bad = [ItemPlan(ref=ref, status=ItemStatus.FAILED, reason="no_access") for ref in ("1", "2")]
    return await make_run(house, *bad, ItemPlan(ref="3", status=ItemStatus.NOT_FOUND))


async def audit(house: ApiHouse) -> list[tuple[str, str, str]]:
    return [(each.action, each.target, each.result) for each in (await house.store.audit_events()).items][::-1]


def problem(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


def levels(body: dict[str, Any]) -> list[str]:
    return [each["level"] for each in body["pauses"]]


@pytest.mark.parametrize("where", LEVELS)
def test_pause_and_resume_at_each_level(where: str) -> None:
    """A pause is shown with who and when; a second is refused, naming the first; resume ends it."""

    async def test(house: ApiHouse) -> None:
        await make_run(house)
        async with house.client("operate") as client:
            paused = await client.post(f"{where}/pause")
            shown = (await client.get("/runs/1")).json()
            again = await client.post(f"{where}/pause")
            listed = (await client.get("/pauses")).json()["items"]
            integration = (await client.get("/integrations/main")).json()
            resumed = await client.post(f"{where}/resume")
            after = (await client.get("/runs/1")).json()
            not_paused = await client.post(f"{where}/resume")

        level = {"": "all", "/integrations/main": "integration", "/runs/1": "run"}[where]
        assert (paused.status_code, resumed.status_code) == (200, 200)
        assert [(each["level"], each["reason"]) for each in shown["pauses"]] == [(level, "paused by operate")]
        assert levels(integration) == ([] if level == "run" else [level])
        assert [(each["level"], each["by"]) for each in listed] == [(level, "operate")]
        assert "already, by operate" in problem(again, 409)
        assert after["pauses"] == []
        assert "is not paused" in problem(not_paused, 409)
        assert [result for _, _, result in await audit(house)] == ["done", "refused", "done", "refused"]

    in_house(test)


def test_levels_hold_independently() -> None:
    """All pauses in force are shown, the widest first, and each ends at its own level only."""

    async def test(house: ApiHouse) -> None:
        await make_run(house)
        async with house.client("operate") as client:
            for where in reversed(LEVELS):
                await client.post(f"{where}/pause")
            shown = [(await client.get("/runs/1")).json()]
            for where in LEVELS:
                await client.post(f"{where}/resume")
                shown.append((await client.get("/runs")).json()["items"][0])
            await client.post("/pause")
            narrow = await client.post("/runs/1/resume")

        assert [levels(each) for each in shown] == [["all", "integration", "run"], ["integration", "run"], ["run"], []]
        assert "held by a pause of all: resume that" in problem(narrow, 409)

    in_house(test)


@pytest.mark.parametrize("where", [*LEVELS, "/runs/1/cancel"])
def test_of_two_operators_at_once_one_wins(where: str) -> None:
    """Two requests for the same change at the same moment: one is done, the other is a conflict that says why."""

    async def test(house: ApiHouse) -> None:
        await make_run(house)
        async with house.client("operate") as one, house.client("admin") as other:
            path = f"{where}/pause"
            if where.endswith("cancel"):
                path = where
                await one.post("/pause")
            answers = await asyncio.gather(*(client.post(path) for client in (one, other)))

        assert sorted(answer.status_code for answer in answers) == [200, 409]

    in_house(test)


def test_only_a_paused_run_is_canceled() -> None:
    """Cancel is refused until a pause holds the run; then it is final, its items are canceled, and it is told why."""

    async def test(house: ApiHouse) -> None:
        await make_run(house)
        async with house.client("operate") as client:
            early = await client.post("/runs/1/cancel")
            await client.post("/runs/1/pause")
            canceled = (await client.post("/runs/1/cancel")).json()
            late = [await client.post(f"/runs/1/{verb}") for verb in ("cancel", "pause", "resume")]

        assert "pause it first" in problem(early, 409)
        assert (canceled["status"], canceled["reason"]) == ("canceled", "canceled by operate")
        assert (canceled["counts"]["canceled"], canceled["counts"]["queued"]) == (2, 0)
        assert canceled["pauses"] == []
        for answer in late:
            problem(answer, 409)
        assert (await audit(house))[:3] == [
            ("run.cancel", "run 1", "refused"),
            ("run.pause", "run 1", "done"),
            ("run.cancel", "run 1", "done"),
        ]

    in_house(test)


def test_a_reimport_is_a_new_run_linked_both_ways() -> None:
    """All failed items go into a run of the caller; both runs and both items name each other once it has succeeded."""

    async def test(house: ApiHouse) -> None:
        old = await failed_run(house)
        async with house.client("operate") as client:
            answer = await client.post(f"/runs/{old}/reimport", json={"note": "again"})
            run = answer.json()
            (item, _) = await house.store.claim_items(run["id"], limit=2, now=START)
            await house.store.finish_item(
                ItemResult(item_id=item.id, status=ItemStatus.SKIPPED, reason="unchanged", package_id="p")
            )
            was, other = (await client.get(f"/runs/{old}/items?status=failed_reimported")).json()["items"], None
            other = (await client.get(f"/runs/{old}")).json()
            csv = (await client.get(f"/runs/{old}/items.csv")).text.splitlines()
            new = (await client.get(f"/items/{item.id}")).json()

        assert answer.status_code == 202
        assert answer.headers["location"] == f"/api/v1/runs/{run['id']}"
        assert (run["reimport_of"], run["created_by"], run["note"], run["total"]) == (old, "operate", "again", 2)
        assert other["reimports"] == [run["id"]]
        assert [(each["reimported_by"], each["reimported_in_run"]) for each in was] == [(item.id, run["id"])]
        assert new["reimport_of"] == was[0]["id"]
        assert "reimported_in_run" in csv[0]
        assert (await audit(house))[-1] == ("run.reimport", f"run {old}", "done")

    in_house(test)


def test_chosen_items_are_reimported_once_at_a_time() -> None:
    """Chosen items only are taken; while that is open, they are refused, and all that failed means the rest."""

    async def test(house: ApiHouse) -> None:
        old = await failed_run(house)
        path = f"/runs/{old}/reimport"
        async with house.client("operate") as client:
            chosen = await client.post(path, json={"items": [1]}, headers={"Idempotency-Key": "k"})
            replayed = await client.post(path, json={"items": [1]}, headers={"Idempotency-Key": "k"})
            twice = await client.post(path, json={"items": [1]})
            rest = (await client.post(path)).json()
            none = await client.post(path)
            wrong = [await client.post(path, json={"items": [each]}) for each in (3, 77)]
            bad = [await client.post(path, json=each) for each in ({"items": []}, {"items": ["x"]}, {"item": [1]})]

        assert (chosen.json()["total"], rest["total"]) == (1, 1)
        assert replayed.headers["idempotent-replayed"] == "true"
        assert replayed.json()["id"] == chosen.json()["id"]
        assert f"being reimported already, as item 4 of run {chosen.json()['id']}" in problem(twice, 409)
        assert "All failed items" in problem(none, 409)
        assert "not_found" in problem(wrong[0], 409)
        assert "no item 77" in problem(wrong[1], 422)
        for answer in bad:
            problem(answer, 422)

    in_house(test)


@pytest.mark.parametrize(
    "path",
    [
        *(
            f"/runs/{run}/{verb}"
            for run in ("77", "-1", str(2**70))
            for verb in ("pause", "resume", "cancel", "reimport")
        ),
        "/integrations/other/pause",
        "/integrations/other/resume",
    ],
)
def test_what_does_not_exist_is_not_found(path: str) -> None:
    """Run control of an unknown run or integration is a 404 that names it."""

    async def test(house: ApiHouse) -> None:
        async with house.client("operate") as client:
            detail = problem(await client.post(path), 404)
        assert path.split("/")[2] in detail

    in_house(test)


def test_an_integration_that_has_left_the_settings_is_not_reimported() -> None:
    """A reimport that could never begin is refused, naming the integration."""

    async def test(house: ApiHouse) -> None:
        await house.store.sync_integrations([("gone", "canvas", {})])
        run, _ = await house.store.create_run(
            integration="gone", source="ids", params={}, on_existing="skip", note=None, created_by="t"
        )
        async with house.client("operate") as client:
            answer = await client.post(f"/runs/{run.id}/reimport")
        assert "gone" in problem(answer, 422)

    in_house(test)
