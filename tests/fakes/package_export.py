"""Run the connector for packages on one file, in memory."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from coursekeep import Course, NativeExport, RemoteFile
from coursekeep.testing import Export, collect
from coursekeep_connectors.packages import PackagesConnector, PackagesSettings

__all__ = ["course_of", "export_of", "read_file"]


def course_of(path: Path, **settings: Any) -> Course | None:
    """Return the course of a file."""

    async def main() -> Course | None:
        async with PackagesConnector(PackagesSettings(path=path.parent, **settings)) as connector:
            return await connector.course(path.name)

    return asyncio.run(main())


def export_of(path: Path, **settings: Any) -> Export:
    """Return everything that the export of a file gives."""

    async def main() -> Export:
        async with PackagesConnector(PackagesSettings(path=path.parent, **settings)) as connector:
            course = await connector.course(path.name)
            assert course is not None
            return await collect(connector, course)

    return asyncio.run(main())


def read_file(folder: Path, file: RemoteFile | NativeExport) -> bytes:
    """Return the bytes of a file."""

    async def main() -> bytes:
        async with PackagesConnector(PackagesSettings(path=folder)) as connector, connector.open(file) as download:
            return b"".join([chunk async for chunk in download.chunks])

    return asyncio.run(main())
