"""The OpenAPI document, the page made from it, and the headers of every answer."""

from __future__ import annotations

import re

from fakes.api_service import ApiHouse, in_house

from coursekeep_daemon.api.docs_page import docs_page


def test_every_operation_and_field_is_described() -> None:
    """The OpenAPI document has a summary and description for each operation, and names our error shape only."""

    async def test(house: ApiHouse) -> None:
        document = house.app.openapi()
        operations = [each for methods in document["paths"].values() for each in methods.values()]

        assert all(each["summary"] and each["description"] for each in operations)
        assert all("422" not in each["responses"] and "default" in each["responses"] for each in operations)
        assert {"ProblemBody", "NewRun", "FieldProblem", "Run", "Item"} <= set(document["components"]["schemas"])
        text = str(document)
        for name in re.findall(r"#/components/schemas/(\w+)", text):
            assert name in document["components"]["schemas"]

    in_house(test)


def test_the_page_loads_nothing_from_elsewhere() -> None:
    """The documentation is one page without scripts or addresses of other hosts, and its policy forbids both."""

    async def test(house: ApiHouse) -> None:
        async with house.client(None) as client:
            response = await client.get("http://daemon/api/docs")

        assert response.status_code == 200
        assert not re.search(r"<script|<link|src=|https?://|@import", response.text)
        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "/api/v1/runs/{run_id}/items.csv" in response.text

    in_house(test)


def test_the_page_escapes_what_it_shows() -> None:
    """Text of the document cannot become markup."""
    document = {
        "info": {"title": "<b>t</b>", "version": "1", "description": "<i>"},
        "paths": {"/<p>": {"get": {"operationId": "<o>", "description": "<d>", "tags": ["<t>"]}}},
        "components": {"schemas": {"<s>": {"properties": {"<f>": {"type": "<y>"}}}}},
    }

    page = docs_page(document)

    assert not re.search(r"<(b|i|p|o|d|t|s|f|y)>t?[^<]*</(b|i)>|<[oidsfy]>", page)


def test_every_answer_has_the_security_headers() -> None:
    """Answers may not be framed, sniffed, cached or read by other origins; no CORS header is sent."""

    async def test(house: ApiHouse) -> None:
        async with house.client("read") as client:
            for path in ("/health", "/runs", "/nothing"):
                headers = (await client.get(path, headers={"Origin": "http://evil.example"})).headers
                assert headers["content-security-policy"].startswith("default-src 'none'")
                assert headers["x-content-type-options"] == "nosniff"
                assert headers["cache-control"] == "no-store"
                assert not any(name.startswith("access-control") for name in headers)

    in_house(test)
