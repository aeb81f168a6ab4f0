"""The contract of all connectors, for Moodle against the campus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coursekeep import Connector, Kind, RetryPolicy
from coursekeep.testing import HOSTILE_NAMES, ConnectorContract, Known
from coursekeep_campus.moodle import MoodleServer, moodle_content
from coursekeep_connectors.moodle import MoodleConnector, MoodleSettings


@pytest.fixture(scope="module")
def server() -> Iterator[MoodleServer]:
    site = moodle_content(seed=3, courses=4, closed=("forbidden",))
    for activity, name in zip(site.courses[site.known["ended"][1]].activities, HOSTILE_NAMES, strict=False):
        activity.doc["name"] = name
    with MoodleServer(site) as running:
        yield running


class TestMoodle(ConnectorContract):
    """Moodle keeps the contract."""

    @pytest.fixture
    def connector(self, server: MoodleServer) -> Connector[Any]:
        settings = MoodleSettings(base_url=server.url, token=server.token)
        return MoodleConnector(settings, retry=RetryPolicy(attempts=4, wait=0.01, longest=0.05))

    @pytest.fixture
    def known(self, server: MoodleServer) -> Known:
        held = server.site.courses[server.known["ended"][0]]
        return Known(
            ended=str(server.known["ended"][0]),
            missing=str(server.known["unknown"]),
            forbidden=str(server.known["forbidden"]),
            counts={Kind.GROUPS: len(held.groups)},
            hostile=str(server.known["ended"][1]),
        )
