"""The contract of all connectors, for OneRoster services of both versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fakes.oneroster_files import district
from fakes.oneroster_server import CLIENT, SECRET, OneRosterServer
from pydantic import SecretStr

from coursekeep import Connector, Kind, RetryPolicy
from coursekeep.testing import HOSTILE_NAMES, ConnectorContract, Known
from coursekeep.testing.running import export_of
from coursekeep_connectors.oneroster import OneRosterConnector, OneRosterSettings

RETRY = RetryPolicy(attempts=2, wait=0.0, longest=0.0)


def _make_hostile(server: OneRosterServer) -> None:
    """Give class c2 line items with hostile titles."""
    like = next(item for item in server.tables["lineItems"] if item["class"]["sourcedId"] == "c2")
    server.tables["lineItems"] += [
        {**like, "sourcedId": f"h{number}", "title": name} for number, name in enumerate(HOSTILE_NAMES)
    ]


class TestVersion12(ConnectorContract):
    """A service of version 1.2 that gives out tokens by OAuth2 keeps the contract."""

    @pytest.fixture
    def server(self) -> Iterator[OneRosterServer]:
        with OneRosterServer(district("1.2")) as running:
            running.faults.forbidden_ids.add("c3")
            _make_hostile(running)
            yield running

    @pytest.fixture
    def connector(self, server: OneRosterServer) -> Connector[Any]:
        settings = OneRosterSettings(
            base_url=server.url,
            client_id=CLIENT,
            client_secret=SecretStr(SECRET),
            oauth_url=f"{server.url}/token",
            page_size=2,
        )
        return OneRosterConnector(settings, retry=RETRY)

    @pytest.fixture
    def known(self) -> Known:
        counts = {Kind.ENROLLMENTS: 4, Kind.ASSIGNMENTS: 2, Kind.SUBMISSIONS: 3}
        return Known(ended="c/1 ä", missing="c9", forbidden="c3", counts=counts, hostile="c2")

    def test_unread_line_items_leave_results_and_categories_unknown(
        self, server: OneRosterServer, connector: Connector[Any], known: Known
    ) -> None:
        """Results and categories are found by line items: where these are refused, both have a gap of unknown size."""
        server.faults.forbidden.add("lineItems")
        export = export_of(connector, known)

        unknown = {gap.kind for gap in export.gaps if gap.count is None}
        assert {Kind.ASSIGNMENTS, Kind.SUBMISSIONS, Kind.ASSIGNMENT_GROUPS} <= unknown


class TestVersion11(TestVersion12):
    """A service of version 1.1 with a bearer token keeps the contract."""

    @pytest.fixture
    def server(self) -> Iterator[OneRosterServer]:
        with OneRosterServer(district("1.1"), "1.1", token="made-up-token-1f2e") as running:
            running.faults.forbidden_ids.add("c3")
            _make_hostile(running)
            yield running

    @pytest.fixture
    def connector(self, server: OneRosterServer) -> Connector[Any]:
        address = f"{server.url}/ims/oneroster/v1p1"
        settings = OneRosterSettings(base_url=address, token=SecretStr(server.token or ""), page_size=2)
        return OneRosterConnector(settings, retry=RETRY)
