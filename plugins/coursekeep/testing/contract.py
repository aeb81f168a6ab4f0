"""The contract of a connector, as tests: a module for each area, put together here."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from coursekeep.connector import Connector
from coursekeep.testing.access import AccessPromises
from coursekeep.testing.cancelling import CancellationPromises
from coursekeep.testing.checking import CheckPromises
from coursekeep.testing.determinism import DeterminismPromises
from coursekeep.testing.export import Known
from coursekeep.testing.finding import FindingPromises
from coursekeep.testing.gaps import GapPromises
from coursekeep.testing.memory import MemoryPromises
from coursekeep.testing.names import NamePromises
from coursekeep.testing.paging import PagingPromises
from coursekeep.testing.parts import PartPromises
from coursekeep.testing.redaction import RedactionPromises
from coursekeep.testing.retries import RetryPromises
from coursekeep.testing.settings import SettingsPromises
from coursekeep.testing.throttling import ThrottlingPromises

__all__ = ["ConnectorContract"]


class ConnectorContract(
    SettingsPromises,
    CheckPromises,
    FindingPromises,
    AccessPromises,
    PartPromises,
    GapPromises,
    PagingPromises,
    RetryPromises,
    ThrottlingPromises,
    DeterminismPromises,
    RedactionPromises,
    CancellationPromises,
    MemoryPromises,
    NamePromises,
):
    """What holds for every connector. Inherit it and override the fixtures `connector` and `known`.

    Faults are tried at some requests of an export, spread evenly; set `positions` to try more.
    """

    @pytest.fixture
    def connector(self) -> Connector[Any]:
        """Give a connector that is not open yet, with a retry policy that does not wait."""
        raise NotImplementedError("override the fixture `connector`")

    @pytest.fixture
    def known(self) -> Known:
        """Give ids that the LMS is known to hold, and not to hold."""
        raise NotImplementedError("override the fixture `known`")

    @pytest.fixture
    def broken(self) -> Sequence[Connector[Any]]:
        """Give connectors whose check must fail. Needed where nothing is asked over HTTP: no fault can be sent then."""
        return []
