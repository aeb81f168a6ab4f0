"""The contract of all connectors, for packages on disk of each format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.package_files import CANVAS_CARTRIDGE, PLAIN_CARTRIDGE, make_zip

from coursekeep import Connector
from coursekeep.testing import ConnectorContract, Known
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings


class TestPackages(ConnectorContract):
    """Packages keep the contract."""

    @pytest.fixture(params=["2024/plain.imscc", "canvas.zip"])
    def known(self, request: pytest.FixtureRequest) -> Known:
        return Known(ended=request.param, missing="2024/none.imscc")

    @pytest.fixture
    def connector(self, tmp_path: Path) -> Connector[Any]:
        make_zip(tmp_path / "2024" / "plain.imscc", PLAIN_CARTRIDGE)
        make_zip(tmp_path / "canvas.zip", CANVAS_CARTRIDGE)
        return PackagesConnector(PackagesSettings(path=tmp_path))

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Sequence[Connector[Any]]:
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_text("no folder")
        return [PackagesConnector(PackagesSettings(path=tmp_path / name)) for name in ("empty", "file", "missing")]
