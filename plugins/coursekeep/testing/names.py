"""Names and ids that mean harm are data: handed on as they are, and never followed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import pytest

from coursekeep.connector import Connector
from coursekeep.errors import ConnectorError
from coursekeep.records import Course
from coursekeep.testing.export import Export, Known, collect
from coursekeep.testing.gaps import numbers_add_up
from coursekeep.testing.grades import Area, Grade, not_applicable, promise
from coursekeep.testing.running import run

__all__ = ["NamePromises"]

#: ids that nobody has, made of one that a course has: `{}`
_IDS = (
    "{}?x=1", "{}#x", "{}/../{}", "x/../{}", "./{}", "{}/", "{};x", "%2e%2e/{}", "..", ".", "", " {}", "\x00{}", "{}\n",
    "{}&id={}", "{}' OR '1'='1", "9" * 40, "-1", "\u202e{}", "n" * 3000, "sis:", "sis:../{}", "{}%00",
)  # fmt: skip


class NamePromises:
    """What holds of hostile names and ids."""

    @promise(Area.NAMES, Grade.REQUIRED)
    @pytest.mark.parametrize("id_", _IDS, ids=lambda id_: ascii(id_)[:24])
    def test_hostile_ids_find_nothing(self, connector: Connector[Any], known: Known, id_: str) -> None:
        """An id that no course has finds none: it is quoted, and never leads to another course."""
        hostile = id_.replace("{}", known.ended)

        async def ask() -> Course | None:
            try:
                return await connector.course(hostile)
            except ConnectorError:
                return None

        found = run(connector, ask)
        same = found is not None and found.id == hostile
        assert found is None or same, f"course({hostile[:80]!r}) gave the course {found and found.id!r}"

    @promise(Area.NAMES, Grade.REQUIRED)
    def test_hostile_names_are_data(self, connector: Connector[Any], known: Known) -> None:
        """Names with path escapes, control characters, marks of direction and 300 signs are handed on as they are."""
        export = _hostile(connector, known)
        numbers_add_up(export)
        texts = set(_texts([file.name for file in export.files]))
        for records in export.records.values():
            texts |= set(_texts([record.data for record in records]))
        lost = [name[:60] for name in known.hostile_names if name not in texts]
        assert not lost, f"names that are changed or missing: {lost}"

    @promise(Area.NAMES, Grade.EXEMPLARY)
    def test_hostile_files_can_be_opened(self, connector: Connector[Any], known: Known) -> None:
        """Files with hostile names can be opened, or are refused as a file of its own, and lead nowhere else."""
        export = _hostile(connector, known)

        async def open_all() -> None:
            for file in export.files:
                if not file.url or file.name not in known.hostile_names:
                    continue
                async with connector.open(file) as download:
                    async for _ in download.chunks:
                        pass

        run(connector, open_all)


def _hostile(connector: Connector[Any], known: Known) -> Export:
    if known.hostile is None:
        not_applicable("`Known.hostile` names no course with hostile names")
    hostile = known.hostile

    async def main() -> Export:
        course = await connector.course(hostile)
        assert course is not None, f"the hostile course {quote(hostile)} is not found"
        return await collect(connector, course)

    return run(connector, main)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, Sequence) and not isinstance(value, bytes):
        for each in value:
            yield from _texts(each)
