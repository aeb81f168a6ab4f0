"""The contract of all connectors, for Moodle against the campus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from coursekeep import Connector, Kind, RetryPolicy
from coursekeep.testing import HOSTILE_NAMES, ConnectorContract, Fault, Known
from coursekeep.testing.running import export_of
from coursekeep.testing.wire import Answerer, Asked, Trick, spoilt
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

    @pytest.mark.parametrize(
        ("function", "kinds"),
        [
            (b"core_course_get_contents", {Kind.STRUCTURE, Kind.FILES, Kind.QUIZZES, Kind.SUBMISSIONS, Kind.RESPONSES}),
            (b"core_enrol_get_enrolled_users", {Kind.PEOPLE, Kind.ENROLLMENTS, Kind.COMPLETIONS, Kind.BADGES}),
            (b"core_user_get_users_by_field", {Kind.PEOPLE}),
            (b"mod_assign_get_grades", {Kind.SUBMISSIONS, Kind.FILES}),
            (b"mod_scorm_get_scorms_by_courses", {Kind.ACTIVITIES, Kind.FILES}),
            (b"gradereport_user_get_grade_items", {Kind.GRADES, Kind.SETTINGS}),
        ],
    )
    def test_whatever_a_function_tells_of_is_missing_with_it(
        self, connector: Connector[Any], known: Known, function: bytes, kinds: set[Kind]
    ) -> None:
        """A function that is refused leaves a gap in every kind that is found by it, so that none passes for whole."""
        whole = export_of(connector, known)
        damaged = export_of(connector, known, _refuse(function))

        known_before = {(gap.kind, gap.id) for gap in whole.gaps}
        assert kinds <= {gap.kind for gap in damaged.gaps if (gap.kind, gap.id) not in known_before}


def _refuse(function: bytes) -> Trick:
    async def trick(asked: Asked, ask: Answerer) -> httpx.Response | None:
        return await spoilt(Fault.FORBIDDEN, ask) if function in asked.body else None

    return trick
