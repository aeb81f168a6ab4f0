"""The contract of all connectors, for Canvas against the campus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from coursekeep import Connector, Kind, RetryPolicy
from coursekeep.testing import HOSTILE_NAMES, ConnectorContract, Fault, Known
from coursekeep.testing.running import export_of
from coursekeep.testing.wire import Answerer, Asked, Trick, spoilt
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

    @pytest.mark.parametrize(
        ("path", "kinds"),
        [
            ("/enrollments", {Kind.ENROLLMENTS, Kind.GRADES, Kind.COMPLETIONS}),
            ("/modules", {Kind.STRUCTURE, Kind.COMPLETIONS}),
            ("/groups", {Kind.GROUPS, Kind.FILES, Kind.PAGES, Kind.DISCUSSIONS, Kind.POSTS}),
            ("/assignments", {Kind.ASSIGNMENTS, Kind.SUBMISSIONS, Kind.FILES, Kind.QUIZ_ATTEMPTS}),
            ("/submissions", {Kind.SUBMISSIONS, Kind.FILES}),
            ("/view", {Kind.POSTS, Kind.FILES}),
        ],
    )
    def test_whatever_a_list_tells_of_is_missing_with_it(
        self, connector: Connector[Any], known: Known, path: str, kinds: set[Kind]
    ) -> None:
        """A list that is refused leaves a gap in every kind that is found by it, so that none passes for whole."""
        whole = export_of(connector, known)
        damaged = export_of(connector, known, _refuse(path))

        known_before = {(gap.kind, gap.id) for gap in whole.gaps}
        assert kinds <= {gap.kind for gap in damaged.gaps if (gap.kind, gap.id) not in known_before}


def _refuse(path: str) -> Trick:
    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        return await spoilt(Fault.FORBIDDEN, ask) if asked.url.path.endswith(path) else None

    return trick
