"""The contract of all connectors, for Canvas against the campus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from coursekeep import Connector, Kind, RetryPolicy
from coursekeep.testing import HOSTILE_NAMES, ConnectorContract, Known
from coursekeep_campus import CampusServer, Options, generated
from coursekeep_connectors.canvas import CanvasConnector, CanvasSettings

#: no address of a file could end in `..`
NAMES = tuple(name for name in HOSTILE_NAMES if name != "..")


@pytest.fixture(scope="module")
def server() -> Iterator[CampusServer]:
    campus = generated(seed=3, courses=8)
    hostile = campus.courses[campus.known["traps"]["twins"]].content
    for file, name in zip(hostile.files, NAMES, strict=False):
        file.doc.update(display_name=name, filename=name)
    with CampusServer(campus, options=Options(throttle=None, max_per_page=5)) as running:
        yield running


class TestCanvas(ConnectorContract):
    """Canvas keeps the contract."""

    @pytest.fixture
    def connector(self, server: CampusServer) -> Connector[Any]:
        settings = CanvasSettings(base_url=server.url, token=server.token, export_poll=0.02, view_timeout=0.05)
        return CanvasConnector(settings, retry=RetryPolicy(attempts=4, wait=0.01, longest=0.05))

    @pytest.fixture
    def known(self, server: CampusServer) -> Known:
        held = server.campus.courses[server.known["ended"][0]].content
        return Known(
            ended=str(server.known["ended"][0]),
            missing=str(server.known["unknown"]),
            forbidden=str(server.known["forbidden"]),
            counts={Kind.SECTIONS: len(held.sections), Kind.ASSIGNMENTS: len(held.assignments)},
            hostile=str(server.known["traps"]["twins"]),
            hostile_names=NAMES,
        )
