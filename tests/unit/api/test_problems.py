"""Errors are RFC 9457 problems, whatever goes wrong."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.api_service import ApiHouse, in_house

from coursekeep import CredentialsNeeded
from coursekeep_daemon.api.middleware import MAX_BODY
from coursekeep_daemon.api.problems import PROBLEMS

GOOD = {"integration": "main", "source": "ids", "params": {"ids": ["1"]}}

CASES: list[tuple[str, str, dict[str, Any], int, str]] = [
    ("GET", "/nothing", {}, 404, "not-found"),
    ("GET", "/runs/77", {}, 404, "not-found"),
    ("GET", "/items/77", {}, 404, "not-found"),
    ("GET", "/integrations/other", {}, 404, "not-found"),
    ("GET", "/packages/urn:uuid:0", {}, 404, "not-found"),
    ("GET", "/schedules/none", {}, 404, "not-found"),
    ("DELETE", "/runs", {}, 405, "method-not-allowed"),
    ("POST", "/runs/1/pause", {}, 404, "not-found"),
    ("GET", "/runs?cursor=nonsense", {}, 400, "bad-cursor"),
    ("GET", "/runs?limit=0", {}, 422, "invalid"),
    ("GET", "/runs?limit=201", {}, 422, "invalid"),
    ("GET", "/runs?stauts=failed", {}, 422, "invalid"),
    ("GET", "/runs?status=done", {}, 422, "invalid"),
    ("GET", "/runs?created_since=2026-08-01T00:00:00", {}, 422, "invalid"),
    ("GET", "/runs/abc", {}, 422, "invalid"),
    ("POST", "/runs", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "invalid"),
    ("POST", "/runs", {"content": b"x", "headers": {"Content-Type": "text/plain"}}, 415, "unsupported-media-type"),
    ("POST", "/runs", {"json": {**GOOD, "sorce": "x"}}, 422, "invalid"),
    ("POST", "/runs", {"json": []}, 422, "invalid"),
    ("POST", "/runs", {"content": b"x", "headers": {"Content-Type": "multipart/form-data"}}, 400, "bad-request"),
    ("POST", "/runs", {"json": {**GOOD, "integration": "other"}}, 422, "bad-request"),
    ("POST", "/runs", {"json": GOOD, "headers": {"Idempotency-Key": "x" * 201}}, 422, "invalid"),
    ("POST", "/schedules", {"content": b"{", "headers": {"Content-Type": "application/json"}}, 422, "invalid"),
    ("PATCH", "/schedules/none", {"json": {}}, 422, "invalid"),
]


@pytest.mark.parametrize(("method", "path", "options", "status", "kind"), CASES)
def test_every_error_is_a_problem(method: str, path: str, options: dict[str, Any], status: int, kind: str) -> None:
    """An error has the media type, the kind, a title and a detail that says what happened."""

    async def test(house: ApiHouse) -> None:
        async with house.client() as client:
            response = await client.request(method, path, **options)

        assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
        body = response.json()
        assert body["type"] == f"/api/docs#{kind}"
        assert body["title"] == PROBLEMS[kind]
        assert body["status"] == status
        assert body["detail"]
        assert body["instance"] == f"/api/v1{path.partition('?')[0]}"

    in_house(test)


def test_an_invalid_field_is_named() -> None:
    """A problem with fields names each one, what is wrong with it and what to do."""

    async def test(house: ApiHouse) -> None:
        async with house.client() as client:
            response = await client.post("/runs", json={"source": "ids", "sorce": "x"})

        errors = {each["where"]: each for each in response.json()["errors"]}
        assert errors["body.integration"]["remedy"] == "Add it."
        assert "Remove it" in errors["body.sorce"]["remedy"]

    in_house(test)


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(chunked: bool) -> None:
    """A body that is too large is refused with 413, whether or not it says its length beforehand."""

    async def pieces() -> Any:
        for _ in range(MAX_BODY // 2**20 + 1):
            yield b" " * 2**20

    async def test(house: ApiHouse) -> None:
        content = pieces() if chunked else b" " * (MAX_BODY + 1)
        async with house.client() as client:
            response = await client.post("/runs", content=content, headers={"Content-Type": "application/json"})

        assert response.status_code == 413
        assert response.json()["type"] == "/api/docs#too-large"

    in_house(test)


def test_what_the_lms_refuses_is_told_with_a_remedy() -> None:
    """Bad credentials in the LMS are a 502 that says what to do, not an error of the caller's token."""

    async def test(house: ApiHouse) -> None:
        house.service.raises = CredentialsNeeded("the token has expired", where="GET /api/v1/users/self")
        async with house.client() as client:
            response = await client.post("/integrations/main/check")

        assert response.status_code == 502
        assert "the token has expired" in response.json()["detail"]
        assert "Renew the credentials" in response.json()["detail"]

    in_house(test)


def test_an_unforeseen_error_tells_nothing_of_the_inside() -> None:
    """A fault of our own is a problem without a traceback, and carries the security headers."""

    async def test(house: ApiHouse) -> None:
        house.service.raises = RuntimeError("password=hunter2")
        async with house.client() as client:
            response = await client.post("/runs", json=GOOD)

        assert response.status_code == 500
        assert response.headers["content-type"] == "application/problem+json"
        assert "hunter2" not in response.text
        assert response.headers["x-content-type-options"] == "nosniff"
        assert (await house.store.audit_events()).items[0].result == "failed"

    in_house(test)


def test_readiness_says_why_not() -> None:
    """A daemon that cannot work answers 503 with its reasons; one that stops says so."""

    async def test(house: ApiHouse) -> None:
        async with house.client(None) as client:
            good = await client.get("/ready")
            house.service.reasons = {"archive": "no space"}
            bad = await client.get("/ready")
            house.app.state.closing.set()
            stopping = await client.get("/ready")

        assert (good.status_code, good.json()) == (200, {"ready": True, "leads": True})
        assert (bad.status_code, bad.json()["reasons"]) == (503, {"archive": "no space"})
        assert stopping.json()["reasons"] == {"daemon": "stopping"}

    in_house(test)
