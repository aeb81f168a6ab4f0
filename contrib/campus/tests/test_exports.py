"""Content exports: asked for, polled, fetched; or failed."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from coursekeep_campus import CampusServer


def start(client: httpx.Client, course: int) -> dict[str, Any]:
    """Start an export of a course."""
    data = {"export_type": "common_cartridge", "skip_notifications": "true"}
    started: dict[str, Any] = client.post(f"/api/v1/courses/{course}/content_exports", data=data).json()
    return started


def poll(client: httpx.Client, export: dict[str, Any]) -> list[dict[str, Any]]:
    """Look at the progress until it is over."""
    looks: list[dict[str, Any]] = []
    while not looks or looks[-1]["workflow_state"] in ("queued", "running"):
        looks.append(client.get(export["progress_url"]).json())
    return looks


@pytest.fixture
def own(order: Callable[..., CampusServer], connect: Callable[..., httpx.Client]) -> httpx.Client:
    """Speak to a campus of one's own."""
    return connect(order(courses=40))


def test_progress_advances(own: httpx.Client) -> None:
    """Every look at the progress takes it a step on; the attachment is there at the end only."""
    export = start(own, 101)
    path = f"/api/v1/courses/101/content_exports/{export['id']}"
    before = own.get(path).json()
    looks = poll(own, export)
    after = own.get(path).json()

    assert [look["workflow_state"] for look in looks] == ["queued", "running", "completed"]
    assert looks[-1]["completion"] == 100.0
    assert "attachment" not in before
    assert after["workflow_state"] == "exported"
    assert after["attachment"]["size"] > 0


def test_cartridge_is_whole_and_the_same(own: httpx.Client) -> None:
    """The cartridge is a good zip with manifest and pages, and two exports of one course are equal."""
    packages = []
    for _ in range(2):
        export = start(own, 102)
        poll(own, export)
        attachment = own.get(f"/api/v1/courses/102/content_exports/{export['id']}").json()["attachment"]
        packages.append(httpx.get(attachment["url"], follow_redirects=True).content)
        assert len(packages[-1]) == attachment["size"]

    with zipfile.ZipFile(io.BytesIO(packages[0])) as package:
        names = package.namelist()
        assert package.testzip() is None
    assert packages[0] == packages[1]
    assert names[0] == "imsmanifest.xml"
    assert [name for name in names if name.startswith("wiki_content/")]


def test_failed_export(own: httpx.Client, trap: Callable[[str], int]) -> None:
    """An export may fail: its progress says so with a message, and there is no attachment."""
    course = trap("export_fails")
    export = start(own, course)
    last = poll(own, export)[-1]
    found = own.get(f"/api/v1/courses/{course}/content_exports/{export['id']}").json()

    assert (last["workflow_state"], found["workflow_state"]) == ("failed", "failed")
    assert last["message"]
    assert "attachment" not in found


def test_bad_type(own: httpx.Client) -> None:
    """A kind of export that does not exist is 400."""
    answer = own.post("/api/v1/courses/101/content_exports", data={"export_type": "everything"})

    assert (answer.status_code, answer.json()) == (400, {"message": "invalid export_type"})


def test_list_and_ownership(own: httpx.Client) -> None:
    """A course lists its own exports, the newest first, and shows none of another."""
    numbers = [start(own, 101)["id"] for _ in range(2)]

    assert [e["id"] for e in own.get("/api/v1/courses/101/content_exports").json()] == numbers[::-1]
    assert own.get(f"/api/v1/courses/102/content_exports/{numbers[0]}").status_code == 404
