"""The contract of all connectors, for Canvas against the campus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coursekeep import Connector, RetryPolicy
from coursekeep.testing import ConnectorContract, Known
from coursekeep_campus import CampusServer, generated
from coursekeep_connectors.canvas import CanvasConnector, CanvasSettings


@pytest.fixture(scope="module")
def server() -> Iterator[CampusServer]:
    with CampusServer(generated(seed=3, courses=8), throttle=False) as running:
        yield running


class TestCanvas(ConnectorContract):
    """Canvas keeps the contract."""

    @pytest.fixture
    def connector(self, server: CampusServer) -> Connector[Any]:
        settings = CanvasSettings(base_url=server.url, token=server.token, export_poll=0.02, view_timeout=0.05)
        return CanvasConnector(settings, retry=RetryPolicy(attempts=4, wait=0.01, longest=0.05))

    @pytest.fixture
    def known(self, server: CampusServer) -> Known:
        return Known(
            ended=str(server.known["ended"][0]),
            missing=str(server.known["unknown"]),
            forbidden=str(server.known["forbidden"]),
        )
