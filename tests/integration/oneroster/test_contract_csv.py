"""The contract of all connectors, for OneRoster's CSV files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.oneroster_files import district, write_folder, write_zip

from coursekeep import NO_RETRY, Connector
from coursekeep.testing import ConnectorContract, Known
from coursekeep_connectors.oneroster import OneRosterConnector, OneRosterSettings


class TestZip(ConnectorContract):
    """A zip of OneRoster 1.2 keeps the contract."""

    @pytest.fixture
    def connector(self, tmp_path: Path) -> Connector[Any]:
        path = write_zip(tmp_path / "export.zip", district())
        return OneRosterConnector(OneRosterSettings(path=path), retry=NO_RETRY)

    @pytest.fixture
    def known(self) -> Known:
        return Known(ended="c/1 ä", missing="c9")

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Sequence[Connector[Any]]:
        bad = tmp_path / "bad.zip"
        bad.write_bytes(b"PK\x03\x04 but no more")
        paths = [tmp_path / "absent.zip", bad, write_folder(tmp_path / "empty", {})]
        return [OneRosterConnector(OneRosterSettings(path=path), retry=NO_RETRY) for path in paths]


class TestFolder(TestZip):
    """A folder of OneRoster 1.1 keeps the contract."""

    @pytest.fixture
    def connector(self, tmp_path: Path) -> Connector[Any]:
        path = write_folder(tmp_path / "export", district("1.1"))
        return OneRosterConnector(OneRosterSettings(path=path), retry=NO_RETRY)
