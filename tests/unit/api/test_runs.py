"""Runs and items through the API."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime
from typing import Any

import pytest
from fakes.api_service import ApiHouse, in_house

from coursekeep_daemon.runs.holds import HoldLevel
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.service import Hold
from coursekeep_daemon.store.records import ItemPlan

GOOD = {"integration": "main", "source": "ids", "params": {"ids": ["1"]}}


async def _run_with(house: ApiHouse, *plans: ItemPlan) -> int:
    run, _ = await house.store.create_run(
        integration="main", source="ids", params={"ids": []}, on_existing="skip", note=None, created_by="t"
    )
    await house.store.add_items(run.id, plans)
    return run.id


def test_starting_a_run_answers_202_with_the_run() -> None:
    """A started run is answered at once with its place, who asked, zero counts and no percentage before planning."""

    async def test(house: ApiHouse) -> None:
        async with house.client("operate") as client:
            response = await client.post("/runs", json={**GOOD, "note": "n", "exclude": ["SANDBOX-*"]})

        run = response.json()
        assert response.status_code == 202
        assert response.headers["location"] == f"/api/v1/runs/{run['id']}"
        assert (run["created_by"], run["exclude"], run["status"]) == ("operate", ["SANDBOX-*"], "queued")
        assert set(run["counts"]) == {status.value for status in ItemStatus}
        assert run["progress"] == {"done": 0, "total": 0, "planned": False, "percent": None}
        assert run["created_at"].endswith("Z")
        audit = (await house.store.audit_events()).items[0]
        assert (audit.who, audit.action, audit.target, audit.result) == ("operate", "run.start", "run 1", "done")

    in_house(test)


def test_an_idempotency_key_starts_one_run_only() -> None:
    """The same key and body return the earlier run and say so; the same key with another body is a conflict."""

    async def test(house: ApiHouse) -> None:
        key = {"Idempotency-Key": "k1"}
        async with house.client() as client:
            first = await client.post("/runs", json=GOOD, headers=key)
            again = await client.post("/runs", json=GOOD, headers=key)
            other = await client.post("/runs", json={**GOOD, "note": "other"}, headers=key)

        assert again.json()["id"] == first.json()["id"]
        assert "idempotent-replayed" not in first.headers
        assert again.headers["idempotent-replayed"] == "true"
        assert other.status_code == 409

    in_house(test)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ("course_id\nä1\n".encode(), "course_id\nä1\n"),
        ("course_id\nä1\n".encode("utf-8-sig"), "course_id\nä1\n"),
        ("course_id\nä1\n".encode("cp1252"), "course_id\nä1\n"),
        ("course_id\nä1\n".encode("utf-16"), "course_id\nä1\n"),
    ],
)
def test_an_uploaded_csv_is_read_in_the_encodings_of_spreadsheets(data: bytes, text: str) -> None:
    """A form with a file starts a run of source csv, whatever of the usual encodings the file has."""

    async def test(house: ApiHouse) -> None:
        async with house.client() as client:
            response = await client.post(
                "/runs",
                data={"integration": "main", "on_existing": "refresh", "exclude": ["A*", "B*"]},
                files={"file": ("courses.csv", data)},
            )

        assert response.status_code == 202, response.text
        asked = house.service.asked[0]
        assert (asked.source, asked.params, asked.on_existing) == ("csv", {"text": text}, "refresh")
        assert asked.exclude == ["A*", "B*"]

    in_house(test)


@pytest.mark.parametrize(
    ("fields", "files", "says"),
    [
        ({"integration": "main"}, {"file": ("a.csv", b"")}, "empty"),
        ({"integration": "main"}, {"file": ("a.xlsx", b"PK\x03\x04\x00\x00")}, "not text"),
        ({"integration": "main"}, {"other": ("a.csv", b"id\n1\n")}, "body.file is missing"),
        ({"integration": "main", "source": "ids"}, {"file": ("a.csv", b"id\n1\n")}, "csv only"),
        ({}, {"file": ("a.csv", b"id\n1\n")}, "body.integration"),
        ({"integration": "main", "onexisting": "x"}, {"file": ("a.csv", b"id\n1\n")}, "body.onexisting"),
    ],
)
def test_a_bad_upload_is_refused_with_what_to_do(fields: dict[str, Any], files: dict[str, Any], says: str) -> None:
    """An empty, binary or missing file, and wrong fields, are answered 422 naming them, and nothing is started."""

    async def test(house: ApiHouse) -> None:
        async with house.client() as client:
            response = await client.post("/runs", data=fields, files=files)

        assert response.status_code == 422
        assert says in response.json()["detail"]
        assert house.service.asked == []

    in_house(test)


def test_a_preview_tells_what_would_become_of_each_course() -> None:
    """A preview lists courses and what would become of them."""

    async def test(house: ApiHouse) -> None:
        async with house.client("operate") as client:
            answer = (await client.post("/runs/preview", json=GOOD)).json()

        assert [(row["ref"], row["course_name"], row["would"]) for row in answer["rows"]] == [
            ("1", "Biology", "queued"),
            ("9", None, "not_found"),
        ]

    in_house(test)


def test_a_list_is_walked_by_its_links() -> None:
    """Following `next` links shows every run once, newest first, and keeps the filters."""

    async def test(house: ApiHouse) -> None:
        for _ in range(5):
            await _run_with(house)
        seen: list[int] = []
        async with house.client("read") as client:
            response = await client.get("/runs", params={"limit": 2, "status": "queued"})
            seen += [run["id"] for run in response.json()["items"]]
            while "next" in response.links:
                assert "status=queued" in response.links["next"]["url"]
                response = await client.get("http://daemon" + response.links["next"]["url"])
                seen += [run["id"] for run in response.json()["items"]]

        assert seen == [5, 4, 3, 2, 1]

    in_house(test)


def test_a_long_parameter_is_cut_in_answers() -> None:
    """A run of many ids shows only the first of them, and says so."""

    async def test(house: ApiHouse) -> None:
        await house.store.create_run(
            integration="main",
            source="ids",
            params={"ids": [str(n) for n in range(200)]},
            on_existing="skip",
            note=None,
            created_by="t",
        )
        async with house.client("read") as client:
            run = (await client.get("/runs/1")).json()

        assert len(run["params"]["ids"]) == 50
        assert run["params_cut"] is True

    in_house(test)


def test_what_holds_a_run_is_shown_with_it_and_its_queued_items() -> None:
    """A hold stands beside the run and those items that wait; an item that is done is held by nothing."""

    async def test(house: ApiHouse) -> None:
        run_id = await _run_with(
            house, ItemPlan(ref="1"), ItemPlan(ref="2", status=ItemStatus.NOT_FOUND, detail="no such course")
        )
        house.service.holds.holding = Hold(
            level=HoldLevel.CREDENTIALS, since=datetime(2026, 1, 1, tzinfo=UTC), reason="expired"
        )
        async with house.client("read") as client:
            run = (await client.get(f"/runs/{run_id}")).json()
            items = (await client.get(f"/runs/{run_id}/items")).json()["items"]
            one = (await client.get(f"/items/{items[0]['id']}")).json()

        hold = {"level": "credentials", "since": "2026-01-01T00:00:00Z", "reason": "expired"}
        assert run["hold"] == hold
        assert [item["hold"] for item in items] == [hold, None]
        assert one["hold"] == hold

    in_house(test)


def test_progress_counts_what_needs_no_more_work() -> None:
    """Progress counts every final status, and has a percentage once all courses are known."""

    async def test(house: ApiHouse) -> None:
        run_id = await _run_with(house, ItemPlan(ref="1"), ItemPlan(ref="2", status=ItemStatus.NOT_FOUND))
        await house.store.change_run(run_id, RunStatus.PLANNING)
        await house.store.change_run(run_id, RunStatus.PROCESSING)
        async with house.client("read") as client:
            run = (await client.get(f"/runs/{run_id}")).json()

        assert run["progress"] == {"done": 1, "total": 2, "planned": True, "percent": 50.0}

    in_house(test)


def test_csv_cells_cannot_be_formulas() -> None:
    """Cells that begin with = + - @ tab or return get an apostrophe before them; other cells stay as they are."""
    names = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", 'plain, "quoted"', "ä=1"]

    async def test(house: ApiHouse) -> None:
        run_id = await _run_with(house, *(ItemPlan(ref=f"r{n}", course_name=name) for n, name in enumerate(names)))
        async with house.client("read") as client:
            response = await client.get(f"/runs/{run_id}/items.csv")

        assert response.headers["content-type"] == "text/csv; charset=utf-8"
        assert response.content.startswith(b"\xef\xbb\xbf")
        rows = list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))
        assert [row["course_name"] for row in rows] == [f"'{name}" for name in names[:6]] + names[6:]

    in_house(test)


def test_csv_holds_every_item() -> None:
    """The CSV holds all items of a run, also more than fit into one piece, and can be narrowed to a status."""

    async def test(house: ApiHouse) -> None:
        plans = [ItemPlan(ref=f"r{n}", course_name="x" * 100) for n in range(2500)]
        run_id = await _run_with(house, *plans, ItemPlan(ref="gone", status=ItemStatus.NOT_FOUND))
        async with house.client("read") as client:
            everything = (await client.get(f"/runs/{run_id}/items.csv")).text.splitlines()
            some = (await client.get(f"/runs/{run_id}/items.csv?status=not_found")).text.splitlines()

        assert len(everything) == 1 + 2501
        assert len(some) == 2
        assert ",gone," in some[1]

    in_house(test)
