"""What the API says of connectors: JSON Schemas that validators accept, and of which forms can be made."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
from fakes.api_service import ApiHouse, in_house
from jsonschema import Draft202012Validator

from coursekeep import Connector, SettingsModel
from coursekeep_connectors import register_connectors
from coursekeep_daemon.connector_schema import DIALECT, ORDER, SECRET, settings_schema

NAMES = sorted(connector.name for connector in register_connectors())


def schema_of(name: str) -> dict[str, Any]:
    """Ask for a connector's schema as a program does."""
    found: dict[str, Any] = {}

    async def test(house: ApiHouse) -> None:
        async with house.client("read") as client:
            answer = await client.get(f"/connectors/{name}")
        assert answer.status_code == 200
        found.update(answer.json())

    in_house(test)
    schema: dict[str, Any] = found["settings_schema"]
    return schema


def test_connectors_are_listed() -> None:
    """The list names every connector with title and description, without the schemas."""

    async def test(house: ApiHouse) -> None:
        async with house.client("read") as client:
            items = (await client.get("/connectors")).json()["items"]
        assert sorted(each["name"] for each in items) == NAMES
        assert all(each["title"] and each["description"] for each in items)
        assert not any("settings_schema" in each for each in items)

    in_house(test)


@pytest.mark.parametrize("name", NAMES)
def test_a_schema_is_valid_and_whole(name: str) -> None:
    """Each is a JSON Schema of 2020-12 with title, description, order and secret mark on every field."""
    schema = schema_of(name)
    fields = schema["properties"]

    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == DIALECT
    assert all(each["title"] and each["description"] for each in fields.values())
    assert [each[ORDER] for each in fields.values()] == list(range(1, len(fields) + 1))
    assert all(("default" in each) != (field in schema.get("required", ())) for field, each in fields.items())


def test_secrets_are_marked_and_what_is_needed_comes_first() -> None:
    """Secrets are marked, be they optional; what every connector has comes last."""
    canvas = schema_of("canvas")["properties"]
    moodle = schema_of("moodle")

    assert {name for name, each in canvas.items() if each[SECRET]} == {"token", "client_secret", "refresh_token"}
    assert next(iter(canvas)) == "base_url"
    assert list(canvas)[-4:] == ["max_concurrency", "timeout", "contact", "file_hosts"]
    assert list(moodle["properties"])[:2] == moodle["required"] == ["base_url", "token"]


def test_a_schema_accepts_what_the_model_accepts() -> None:
    """Settings that a connector takes are valid by its schema, and an unknown key is not."""
    validator = Draft202012Validator(schema_of("canvas"))

    assert validator.is_valid({"base_url": "https://canvas.example.edu", "token": "t", "timeout": 5})
    assert not validator.is_valid({"base_url": "https://canvas.example.edu", "tokn": "t"})
    assert not validator.is_valid({"base_url": "canvas"})


def test_an_unknown_connector_is_named() -> None:
    """Another name is answered 404 with what may have been meant."""

    async def test(house: ApiHouse) -> None:
        async with house.client("read") as client:
            answer = await client.get("/connectors/canvs")
        assert answer.status_code == 404
        assert "did you mean canvas?" in answer.json()["detail"]

    in_house(test)


class Strange:
    """A type that nobody can describe."""


class StrangeSettings(SettingsModel):
    model_config: ClassVar[Any] = {**SettingsModel.model_config, "arbitrary_types_allowed": True}
    strange: Strange


def test_a_model_that_cannot_be_described_has_no_schema() -> None:
    """One such plugin takes its own schema away, and nobody else's."""

    class Odd(Connector[StrangeSettings]):  # type: ignore[misc]  # abstract: never made
        name = "odd"
        title = "Odd"
        Settings = StrangeSettings

    async def test(house: ApiHouse) -> None:
        house.service.connectors["odd"] = Odd
        async with house.client("read") as client:
            odd = (await client.get("/connectors/odd")).json()
            listed = (await client.get("/connectors")).json()["items"]
        assert odd["settings_schema"] is None
        assert len(listed) == len(NAMES) + 1

    in_house(test)


def test_order_is_that_of_the_form() -> None:
    """The schema of a model by other hands puts what is needed first, then its own, then the usual."""

    class Mine(SettingsModel):
        hint: str = ""
        base_url: str

    assert list(settings_schema(Mine, "Mine")["properties"]) == ["base_url", "hint"]
