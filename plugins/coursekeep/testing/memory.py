"""An export streams: memory does not grow with the course."""

from __future__ import annotations

import gc
from contextlib import aclosing
from typing import Any, cast

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError
from coursekeep.records import NativeExport, RawPage, Record, RemoteFile
from coursekeep.testing.export import Known, collect
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import course_of, run, wired

__all__ = ["MemoryPromises"]

#: below so many requests, or parts, streaming cannot be told from collecting
_FEW_REQUESTS, _FEW_PARTS = 4, 20
#: share of an export's parts that may be there already when its first is handed over
_SHARE = 0.75
#: bytes of one block of a file
_BLOCK = 8 * 1024 * 1024
_PARTS = (Record, RawPage, RemoteFile, NativeExport)


class MemoryPromises:
    """What holds of the memory that an export takes."""

    positions = 5

    @promise(Area.MEMORY, Grade.EXPECTED)
    def test_first_part_comes_early(self, connector: Connector[Any], known: Known) -> None:
        """The first part is handed over before the last request is sent: a course is not collected first."""
        streaming, wire = wired(connector)

        async def main() -> tuple[int, int]:
            course = await course_of(streaming, known)
            wire.begin()
            async with aclosing(cast(Any, streaming.export(course))) as parts:
                await anext(parts)
                first = len(wire.asked)
                async for _ in parts:
                    pass
            return first, len(wire.asked)

        first, total = run(streaming, main)
        if total < _FEW_REQUESTS:
            not_applicable(f"the export of the known course asks only {total} times")
        assert first < total, f"all {total} requests were sent before the first part was handed over"

    @promise(Area.MEMORY, Grade.EXEMPLARY)
    def test_parts_are_made_when_needed(self, connector: Connector[Any], known: Known) -> None:
        """When the first part is handed over, most others are not made; when the last is, most are freed."""

        async def main() -> tuple[int, int, int]:
            course = await course_of(connector, known)
            total = sum([isinstance(part, _PARTS) async for part in connector.export(course)])
            gc.collect()
            before, number, first, last = _alive(), 0, 0, 0
            most = before + int(total * _SHARE)
            async with aclosing(cast(Any, connector.export(course))) as parts:
                async for part in parts:
                    number += isinstance(part, _PARTS)
                    del part
                    if number == 1 and not first:
                        first = 1 + _held(most) - before
                    if number == total and not last:
                        last = 1 + _held(most) - before
            return first, last, total

        first, last, total = run(connector, main)
        if total < _FEW_PARTS:
            not_applicable(f"the known course has only {total} parts")
        most = int(total * _SHARE)
        assert first <= most, f"{first} of {total} parts were made before the first was handed over"
        assert last <= most, f"{last} of {total} parts are still held at the end of the export"

    @promise(Area.MEMORY, Grade.EXPECTED)
    def test_files_come_in_blocks(self, connector: Connector[Any], known: Known) -> None:
        """Files come in blocks of some MiB at most, never whole."""

        async def read() -> list[tuple[str, int]]:
            export = await collect(connector, await course_of(connector, known))
            files = [file for file in export.files if file.url][: self.positions]
            named: list[RemoteFile | NativeExport] = [*files, *export.native]
            return [(file.name, await _largest(connector, file)) for file in named]

        blocks = run(connector, read)
        if not blocks:
            not_applicable("the known course has no file")
        large = [name for name, size in blocks if size > _BLOCK]
        assert not large, f"files that came in blocks of more than {_BLOCK} bytes: {large}"


def _alive() -> int:
    return sum(type(each) in _PARTS for each in gc.get_objects())


def _held(most: int) -> int:
    """Count the parts that exist; where they are too many, without those that only wait to be collected."""
    found = _alive()
    if found < most:
        return found
    gc.collect()
    return _alive()


async def _largest(connector: Connector[Any], file: RemoteFile | NativeExport) -> int:
    largest = 0
    try:
        async with connector.open(file) as download:
            async for block in download.chunks:
                largest = max(largest, len(block))
    except ConnectorError:
        pass  # the framework makes a gap of it
    return largest
