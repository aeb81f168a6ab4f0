"""Who may call what: held for every route of the OpenAPI document, so that a new one cannot be forgotten."""

from __future__ import annotations

import re
from typing import Any

import pytest
from fakes.api_service import ApiHouse, in_house

SCOPES = ["read", "operate", "admin"]

#: every route and the scope that it needs; None needs no token
ROUTES: dict[str, str | None] = {
    "GET /health": None,
    "GET /ready": None,
    "GET /metrics": "read",
    "GET /plugins": "read",
    "GET /integrations": "read",
    "GET /integrations/{name}": "read",
    "POST /integrations/{name}/check": "operate",
    "GET /integrations/{name}/terms": "read",
    "POST /integrations/{name}/terms/refresh": "operate",
    "GET /connectors": "read",
    "GET /connectors/{name}": "read",
    "POST /runs": "operate",
    "POST /runs/preview": "operate",
    "GET /runs": "read",
    "GET /runs/{run_id}": "read",
    "GET /runs/{run_id}/items": "read",
    "GET /runs/{run_id}/items.csv": "read",
    "GET /items/{item_id}": "read",
    "POST /runs/{run_id}/pause": "operate",
    "POST /runs/{run_id}/resume": "operate",
    "POST /runs/{run_id}/cancel": "operate",
    "POST /runs/{run_id}/reimport": "operate",
    "POST /integrations/{name}/pause": "operate",
    "POST /integrations/{name}/resume": "operate",
    "POST /pause": "operate",
    "POST /resume": "operate",
    "GET /pauses": "read",
    "GET /schedules": "read",
    "POST /schedules": "admin",
    "POST /schedules/preview": "operate",
    "POST /schedules/{name}/run": "operate",
    "GET /schedules/{name}": "read",
    "PATCH /schedules/{name}": "admin",
    "DELETE /schedules/{name}": "admin",
    "GET /schedules/{name}/preview": "operate",
    "GET /notifications": "read",
    "GET /notifications/targets": "read",
    "POST /notifications/targets/{name}/test": "operate",
    "GET /courses": "read",
    "GET /packages": "read",
    "GET /packages/{package_id}": "read",
    "GET /packages/{package_id}/versions/{version}/completeness": "read",
    "GET /packages/{package_id}/versions/{version}/download": "operate",
    "POST /packages/{package_id}/verify": "operate",
    "GET /fixity": "read",
    "GET /fixity/findings": "read",
    "POST /fixity/findings/{finding_id}/accept": "admin",
    "GET /system": "read",
    "GET /workers": "read",
    "GET /me": "read",
    "GET /users": "admin",
    "POST /users": "admin",
    "PATCH /users/{name}": "admin",
    "GET /audit": "read",
    "GET /events": "read",
}


def _declared(document: dict[str, Any]) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            scopes = [scope for each in operation.get("security", []) for scope in each.get("token", [])]
            found[f"{method.upper()} {path.removeprefix('/api/v1')}"] = scopes[0] if scopes else None
    return found


def test_the_table_holds_every_route() -> None:
    """The table of this test names every route of the OpenAPI document, with the scope that it declares."""

    async def test(house: ApiHouse) -> None:
        async with house.client(None) as client:
            document = (await client.get("http://daemon/api/openapi.json")).json()
        assert _declared(document) == ROUTES

    in_house(test)


@pytest.mark.parametrize(("route", "needed"), ROUTES.items())
def test_a_route_lets_in_its_scope_and_those_above(route: str, needed: str | None) -> None:
    """Without a token a route answers 401, with too small a scope 403 naming the needed one, else neither."""
    method, _, path = route.partition(" ")
    path = re.sub(r"{\w+_id}|{version}", "999", path.replace("{name}", "nothing"))

    async def test(house: ApiHouse) -> None:
        house.app.state.closing.set()  # so that the endless answer of /events ends
        for scope in [None, *SCOPES]:
            async with house.client(scope) as client:
                response = await client.request(method, path)
            status = response.status_code
            if needed is None or (scope is not None and SCOPES.index(scope) >= SCOPES.index(needed)):
                assert status not in (401, 403), scope
            elif scope is None:
                assert status == 401
                assert response.headers["www-authenticate"].startswith("Bearer ")
            else:
                assert status == 403, scope
                assert response.json()["needed_scope"] == needed
                assert f"`{needed}`" in response.json()["detail"]

    in_house(test)


def test_a_revoked_token_is_refused() -> None:
    """A token that was revoked is answered 401 from the next request on."""

    async def test(house: ApiHouse) -> None:
        async with house.client("read") as client:
            before = await client.get("/runs")
            await house.store.revoke_token("read")
            after = await client.get("/runs")

        assert (before.status_code, after.status_code) == (200, 401)
        assert 'error="invalid_token"' in after.headers["www-authenticate"]

    in_house(test)


def test_a_refused_action_is_in_the_audit() -> None:
    """An attempt at an action that the scope does not allow is remembered with who tried it."""

    async def test(house: ApiHouse) -> None:
        async with house.client("read") as client:
            await client.post("/runs", json={})

        events = (await house.store.audit_events()).items
        assert [(each.who, each.action, each.result) for each in events] == [("read", "POST /api/v1/runs", "refused")]

    in_house(test)
