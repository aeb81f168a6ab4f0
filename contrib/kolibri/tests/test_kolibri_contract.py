"""The contract of all connectors, for a real Kolibri."""

from __future__ import annotations

from typing import Any

import pytest
from fakes.kolibri_school import ODD_NAMES, School
from fakes.seen import seen_of
from pydantic import SecretStr

from coursekeep import Connector, Kind, RetryPolicy
from coursekeep.testing import ConnectorContract, Known
from coursekeep_kolibri import KolibriConnector, KolibriSettings
from coursekeep_kolibri.coverage import COVERAGE

# slow, since the first of them waits for a server to be made
pytestmark = [pytest.mark.xdist_group("kolibri"), pytest.mark.slow]


def _connector(school: School) -> KolibriConnector:
    settings = KolibriSettings(
        base_url=school.server.url,
        username="archive",
        password=SecretStr("archive-pass"),
        # what is long enough to come in pages comes in several
        page_size=1,
        ended_classes=("*2025*",),
    )
    return KolibriConnector(settings, retry=RetryPolicy(attempts=2, wait=0.0, longest=0.0))


def test_kolibri_gives_what_the_connector_says(school: School) -> None:
    """Kolibri's classes give every kind that the connector says it captures, and no other."""
    seen_of(_connector(school)).hold(COVERAGE)


class TestKolibri(ConnectorContract):
    """A real Kolibri, read by a facility coach, keeps the contract."""

    @pytest.fixture
    def connector(self, school: School) -> Connector[Any]:
        return _connector(school)

    @pytest.fixture
    def known(self, school: School) -> Known:
        return Known(
            ended=school.odd,
            missing="0" * 32,
            forbidden=school.foreign,
            hostile=school.odd,
            hostile_names=ODD_NAMES,
            counts={Kind.PEOPLE: 2},
        )
