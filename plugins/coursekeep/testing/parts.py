"""Records, files and raw pages are such that a package can be made of them."""

from __future__ import annotations

import json
import re
from typing import Any

import httpx
from pydantic import ValidationError

from coursekeep.connector import Connector
from coursekeep.kinds import MODELS, Kind
from coursekeep.records import NativeExport, Record, RemoteFile
from coursekeep.testing.export import Known, collect
from coursekeep.testing.finding import unique
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import course_of, export_of, run

__all__ = ["PartPromises"]

#: kinds that the framework writes itself
_FRAMEWORK = frozenset({Kind.FILES, Kind.NATIVE_EXPORTS})


class PartPromises:
    """What holds of the parts of an export, each by itself."""

    @promise(Area.RECORDS, Grade.REQUIRED)
    def test_records_are_valid(self, connector: Connector[Any], known: Known) -> None:
        """Every record fits the model of its kind; two of one kind and id are equal."""
        export = export_of(connector, known)
        assert export.records, "the export holds no record"
        for record in (record for records in export.records.values() for record in records):
            assert record.kind not in _FRAMEWORK, f"records of {record.kind} are written by the framework"
            _fits(record)
            assert export.of(record.kind)[record.id] == record.data, f"two different {record.kind} {record.id}"

    @promise(Area.RECORDS, Grade.REQUIRED)
    def test_files_can_be_asked_for(self, connector: Connector[Any], known: Known) -> None:
        """Every file has an id of its own and an http address, or a gap that names it."""
        export = export_of(connector, known)
        unique("file", [file.id for file in export.files])
        if not connector.over_http:
            return
        gaps = {gap.id for gap in export.gaps_of(Kind.FILES)}
        for file in export.files:
            assert file.id in gaps or _is_address(file.url), f"file {file.id}: {file.url!r} is no address"
        for native in export.native:
            assert _is_address(native.url), f"native export {native.name}: {native.url!r} is no address"

    @promise(Area.RECORDS, Grade.REQUIRED)
    def test_files_can_be_opened(self, connector: Connector[Any], known: Known) -> None:
        """Where files come from elsewhere than HTTP, each can be read whole, twice, and has the size it was said to."""
        if connector.over_http:
            not_applicable("files are asked for over HTTP, which the framework does")

        async def read_all() -> list[tuple[RemoteFile | NativeExport, int]]:
            export = await collect(connector, await course_of(connector, known))
            named: list[RemoteFile | NativeExport] = [file for file in export.files if file.url]
            named += export.native
            return [(file, await _size(connector, file)) for file in named for _ in range(2)]

        for file, size in run(connector, read_all):
            assert file.size in (None, 0, size), f"{file.name}: {size} bytes came, {file.size} were said"

    @promise(Area.RECORDS, Grade.REQUIRED)
    def test_raw_pages_can_be_kept(self, connector: Connector[Any], known: Known) -> None:
        """Raw pages are JSON, under stable plain names."""
        for page in export_of(connector, known).pages:
            assert re.fullmatch(r"\w+", page.endpoint, re.ASCII), f"{page.endpoint!r} is no plain name"
            assert json.loads(json.dumps(page.body, allow_nan=False)) == page.body, f"{page.endpoint} is no JSON"


async def _size(connector: Connector[Any], file: RemoteFile | NativeExport) -> int:
    async with connector.open(file) as download:
        return sum([len(chunk) async for chunk in download.chunks])


def _is_address(text: str) -> bool:
    url = httpx.URL(text)
    return url.scheme in ("http", "https") and bool(url.host)


def _fits(record: Record) -> None:
    assert isinstance(record.id, str), f"{record.kind}: the id {record.id!r} is no text"
    assert record.id, f"{record.kind}: a record has an empty id"
    assert "id" not in record.data, f"{record.kind} {record.id}: the id stands in the data too"
    try:
        MODELS[record.kind].model_validate({"id": record.id, **record.data})
    except ValidationError as error:
        raise AssertionError(f"{record.kind} {record.id}: {error}") from None
