"""The contract of all connectors, for packages on disk of each format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import pytest
from fakes.moodle_backup import MOODLE, MOODLE_1
from fakes.package_files import BLACKBOARD, BRIGHTSPACE, CANVAS_CARTRIDGE, PLAIN_CARTRIDGE, make_mbz, make_zip, manifest

from coursekeep import Connector
from coursekeep.testing import HOSTILE_NAMES, ConnectorContract, Known
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings

#: XML has no control characters, and blanks around a title mean nothing
_TITLES = [name for name in HOSTILE_NAMES if name.isprintable() or "\u202e" in name]
_TITLES = [name for name in _TITLES if name == name.strip()]


def _hostile() -> dict[str, str]:
    """Return a cartridge whose pages have hostile titles."""
    pages = {f"p{number}": escape(name) for number, name in enumerate(_TITLES)}
    resources = [
        f'<resource identifier="{id_}" type="webcontent" href="{id_}.html"><file href="{id_}.html"/></resource>'
        for id_ in pages
    ]
    items = [
        f'<item identifier="i-{id_}" identifierref="{id_}"><title>{name}</title></item>' for id_, name in pages.items()
    ]
    bodies = {f"{id_}.html": f"<html><head><title>{name}</title></head><body/></html>" for id_, name in pages.items()}
    return {"imsmanifest.xml": manifest("".join(resources), "".join(items)), **bodies}


class TestPackages(ConnectorContract):
    """Packages keep the contract."""

    @pytest.fixture(params=["2024/plain.imscc", "canvas.zip", "m.mbz", "old.mbz", "19.zip", "bb.zip", "d2l.zip"])
    def known(self, request: pytest.FixtureRequest) -> Known:
        return Known(
            ended=request.param, missing="2024/none.imscc", hostile="hostile.imscc", hostile_names=tuple(_TITLES)
        )

    @pytest.fixture
    def connector(self, tmp_path: Path) -> Connector[Any]:
        make_zip(tmp_path / "2024" / "plain.imscc", PLAIN_CARTRIDGE)
        make_zip(tmp_path / "canvas.zip", CANVAS_CARTRIDGE)
        make_zip(tmp_path / "hostile.imscc", _hostile())
        make_mbz(tmp_path / "m.mbz", MOODLE)
        make_zip(tmp_path / "old.mbz", MOODLE)
        make_zip(tmp_path / "19.zip", MOODLE_1)
        make_zip(tmp_path / "bb.zip", BLACKBOARD)
        make_zip(tmp_path / "d2l.zip", BRIGHTSPACE)
        return PackagesConnector(PackagesSettings(path=tmp_path))

    @pytest.fixture
    def broken(self, tmp_path: Path) -> Sequence[Connector[Any]]:
        (tmp_path / "empty").mkdir()
        (tmp_path / "file").write_text("no folder")
        return [PackagesConnector(PackagesSettings(path=tmp_path / name)) for name in ("empty", "file", "missing")]
