"""The Canvas connector against a campus that misbehaves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from coursekeep import (
    Course,
    CredentialsNeeded,
    Gap,
    GapReason,
    Kind,
    Part,
    Record,
    RetryLater,
    RetryPolicy,
)
from coursekeep_campus import CampusServer, Fault, generated
from coursekeep_connectors.canvas import CanvasConnector, CanvasSettings

QUICK = RetryPolicy(attempts=4, wait=0.01, longest=0.05)


@pytest.fixture(scope="module")
def campus() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=2, courses=8), throttle=False) as running:
        yield running


@pytest.fixture
def server(campus: CampusServer) -> Iterator[CampusServer]:
    campus.faults.clear()
    yield campus
    campus.faults.clear()


def _export(server: CampusServer, **settings: Any) -> list[Part]:
    made = CanvasSettings(
        base_url=server.url, token=server.token, export_poll=0.02, native_export=False, timeout=2.0, **settings
    )
    course = Course(id=str(server.known["ended"][0]), name="")

    async def main() -> list[Part]:
        async with CanvasConnector(made, retry=QUICK) as connector:
            return [part async for part in connector.export(course)]

    return asyncio.run(main())


def _gaps(parts: list[Part], kind: Kind) -> list[Gap]:
    return [part for part in parts if isinstance(part, Gap) and part.kind is kind]


def _ids(parts: list[Part]) -> set[tuple[Kind, str]]:
    return {(part.kind, part.id) for part in parts if isinstance(part, Record)}


@pytest.mark.parametrize("kind", ["status", "reset", "truncated", "html", "throttle403", "throttle429"])
def test_passing_trouble_leaves_no_trace(server: CampusServer, kind: str) -> None:
    """A few bad answers to any list are asked again, and the export is whole."""
    whole = _ids(_export(server))
    server.faults.add(Fault(match="GET /api/v1/courses/*/enrollments*", kind=kind, times=2))

    assert _ids(_export(server)) == whole


@pytest.mark.parametrize("kind", ["html", "loop", "foreign_next"])
def test_lasting_nonsense_is_a_gap_of_one_part(server: CampusServer, kind: str) -> None:
    """A list that never makes sense is a gap; everything else is captured."""
    server.faults.add(Fault(match="GET /api/v1/courses/*/pages?*", kind=kind))

    parts = _export(server)

    assert {gap.reason for gap in _gaps(parts, Kind.PAGES)} == {GapReason.MALFORMED}
    assert any(part.kind is Kind.SUBMISSIONS for part in parts if isinstance(part, Record))


def test_outage_is_retried_later(server: CampusServer) -> None:
    """An LMS that is down in the middle of an export ends it for now, and is no gap."""
    server.faults.add(Fault(match="GET /api/v1/courses/*/assignments*", kind="outage"))

    with pytest.raises(RetryLater):
        _export(server)


def test_token_that_expires_in_the_middle_halts(server: CampusServer) -> None:
    """A token that expires while a course is read asks for credentials, and is no gap."""
    server.faults.add(Fault(match="*", kind="token_expires_after", times=20))

    with pytest.raises(CredentialsNeeded):
        _export(server)
