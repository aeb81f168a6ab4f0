"""Slate's connector keeps the contract, and maps what Slate says."""

from __future__ import annotations

import asyncio

import pytest
from pydantic import SecretStr

from coursekeep import NO_RETRY, ConnectorSettings, CourseQuery, Kind
from coursekeep.testing import Export, collect
from coursekeep_example import Slate, register_connectors
from coursekeep_example.conformance import FakeSlate, SlateConformance


@pytest.fixture
def connector(slate: FakeSlate) -> Slate:
    return Slate(ConnectorSettings(base_url=slate.url, token=SecretStr(slate.token)), retry=NO_RETRY)


class TestSlate(SlateConformance):
    """Slate's connector keeps the contract."""


def test_export_maps_what_slate_says(connector: Slate) -> None:
    """People, members, pages and files of a course come out with Coursekeep's names for their fields."""

    async def main() -> Export:
        async with connector:
            course = await connector.course("1")
            assert course is not None
            return await collect(connector, course)

    export = asyncio.run(main())
    assert export.of(Kind.PEOPLE)["3"] == {"name": "Person 3", "email": "p3@example.edu"}
    assert len(export.of(Kind.ENROLLMENTS)) == 5
    assert export.of(Kind.PAGES)["7"]["body_html"] == "<p>Moss</p>"
    assert [(file.name, file.url) for file in export.files] == [
        ("moss.txt", f"{connector.settings.base_url}/api/files/4")
    ]


def test_courses_are_chosen_by_term(connector: Slate) -> None:
    """A query by term gives that term's courses only."""

    async def main() -> list[str]:
        async with connector:
            return [course.name async for course in connector.courses(CourseQuery(term_ids=["11"]))]

    assert asyncio.run(main()) == ["Optics"]


def test_connector_is_registered() -> None:
    """The plugin gives its connector to the framework."""
    assert register_connectors() == [Slate]
