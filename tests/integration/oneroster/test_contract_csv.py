"""The contract of all connectors, for OneRoster's CSV files."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from fakes.oneroster_files import district, write_folder, write_zip

from coursekeep import NO_RETRY, Connector, Kind
from coursekeep.testing import HOSTILE_NAMES, ConnectorContract, Known
from coursekeep_connectors.oneroster import OneRosterConnector, OneRosterSettings

#: a cell has no NUL, and blanks around it mean nothing
_NAMES = tuple(name for name in HOSTILE_NAMES if "\0" not in name and name == name.strip())


def _hostile(tables: dict[str, list[str]]) -> dict[str, list[str]]:
    """Give class c2 line items with hostile titles."""
    like = next(row for row in csv.reader(tables["lineItems"]) if row[:1] == ["l3"])
    for number, name in enumerate(_NAMES):
        cells = io.StringIO()
        csv.writer(cells).writerow([f"h{number}", *like[1:3], name, *like[4:]])
        tables["lineItems"].append(cells.getvalue().removesuffix("\r\n"))
    return tables


class TestZip(ConnectorContract):
    """A zip of OneRoster 1.2 keeps the contract."""

    @pytest.fixture
    def connector(self, tmp_path: Path) -> Connector[Any]:
        path = write_zip(tmp_path / "export.zip", _hostile(district()))
        return OneRosterConnector(OneRosterSettings(path=path), retry=NO_RETRY)

    @pytest.fixture
    def known(self) -> Known:
        counts = {Kind.ENROLLMENTS: 4, Kind.ASSIGNMENTS: 2, Kind.SUBMISSIONS: 3}
        return Known(ended="c/1 ä", missing="c9", counts=counts, hostile="c2", hostile_names=_NAMES)

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
        path = write_folder(tmp_path / "export", _hostile(district("1.1")))
        return OneRosterConnector(OneRosterSettings(path=path), retry=NO_RETRY)
