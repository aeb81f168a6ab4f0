"""A connector that asks nobody over HTTP."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from fakes.package_files import PLAIN_CARTRIDGE, make_zip

from coursekeep import ConnectorSettings, NativeExport, SettingsModel
from coursekeep.testing import collect
from coursekeep_connectors.canvas import CanvasConnector, CanvasSettings
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings


def test_connector_without_http_has_no_client(tmp_path: Path) -> None:
    """`client` says that there is none; `over_http` tells beforehand; its settings need neither address nor token."""
    connector = PackagesConnector(PackagesSettings(path=tmp_path))

    assert not connector.over_http
    with pytest.raises(TypeError, match="packages asks nobody over HTTP"):
        _ = connector.client
    assert issubclass(PackagesSettings, SettingsModel)
    assert not issubclass(PackagesSettings, ConnectorSettings)


def test_connector_over_http_opens_files_with_its_client() -> None:
    """Where `open` is not overridden, a file is asked for over HTTP."""
    connector = CanvasConnector(CanvasSettings(base_url="http://127.0.0.1:1", token="made-up"))  # type: ignore[arg-type]

    assert connector.over_http
    opening = connector.open(NativeExport(name="x", url="/x"))
    assert hasattr(opening, "__aenter__")


def test_package_itself_can_be_opened_again_and_again(tmp_path: Path) -> None:
    """Each call of `open` begins with the first byte."""
    path = make_zip(tmp_path / "a.imscc", PLAIN_CARTRIDGE)

    async def main() -> list[bytes]:
        read: list[bytes] = []
        async with PackagesConnector(PackagesSettings(path=tmp_path)) as connector:
            course = await connector.course("a.imscc")
            assert course is not None
            (native,) = (await collect(connector, course)).native
            for _ in range(2):
                async with connector.open(native) as download:
                    read.append(b"".join([chunk async for chunk in download.chunks]))
        return read

    assert asyncio.run(main()) == [path.read_bytes()] * 2
