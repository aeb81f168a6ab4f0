"""The contract of all connectors, for Moodle against the campus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coursekeep import Connector, RetryPolicy
from coursekeep.testing import ConnectorContract, Known
from coursekeep_campus.moodle import MoodleServer, moodle_content
from coursekeep_connectors.moodle import MoodleConnector, MoodleSettings


@pytest.fixture(scope="module")
def server() -> Iterator[MoodleServer]:
    with MoodleServer(moodle_content(seed=3, courses=4, closed=("forbidden",))) as running:
        yield running


class TestMoodle(ConnectorContract):
    """Moodle keeps the contract."""

    @pytest.fixture
    def connector(self, server: MoodleServer) -> Connector[Any]:
        settings = MoodleSettings(base_url=server.url, token=server.token)
        return MoodleConnector(settings, retry=RetryPolicy(attempts=4, wait=0.01, longest=0.05))

    @pytest.fixture
    def known(self, server: MoodleServer) -> Known:
        return Known(
            ended=str(server.known["ended"][0]),
            missing=str(server.known["unknown"]),
            forbidden=str(server.known["forbidden"]),
        )
