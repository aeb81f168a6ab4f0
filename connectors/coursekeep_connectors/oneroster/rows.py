"""From the bytes of a CSV file to its rows: strictly, and with the file, line and column of whatever is wrong."""

from __future__ import annotations

import codecs
import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Protocol, cast

from coursekeep import MalformedAnswer
from coursekeep_connectors.oneroster.settings import CsvEncoding
from coursekeep_connectors.packages.container import Reader

__all__ = ["Row", "as_stream", "read_rows"]

_MARKS: Sequence[tuple[bytes, str]] = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_NAMED = 8


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row: its cells by column, and the line at which it begins."""

    line: int
    cells: Mapping[str, str]


class _Reader(Protocol):
    """What `csv.reader` gives."""

    @property
    def line_num(self) -> int: ...

    def __next__(self) -> list[str]: ...


class _Raw(io.RawIOBase):
    """An entry of a container, as Python's text layers want it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast(bytearray, buffer))
        data = self._reader.read(len(view))
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            self._reader.close()
        super().close()


def as_stream(reader: Reader) -> BinaryIO:
    """Return a stream over an entry."""
    return io.BufferedReader(_Raw(reader), 2**16)


def read_rows(source: BinaryIO, name: str, required: Sequence[str], encoding: CsvEncoding) -> Iterator[Row]:
    """Yield the rows of a file. Columns are known by their names, in any order; cells that a short row lacks are empty.

    Raises `MalformedAnswer` naming file, line and column.
    """
    buffered = source if isinstance(source, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, source))
    coding = next((coding for mark, coding in _MARKS if buffered.peek(4).startswith(mark)), str(encoding))
    with io.TextIOWrapper(buffered, encoding=coding, errors="strict", newline="") as stream:
        yield from _rows(csv.reader(stream, strict=True), name, required, coding)


def _rows(reader: _Reader, name: str, required: Sequence[str], coding: str) -> Iterator[Row]:
    header: Sequence[str] | None = None
    line = 1
    while (cells := _next(reader, name, line, coding)) is not None:
        if any(cells) and header is None:
            header = _header(cells, name, line, required)
        elif any(cells) and header is not None:
            yield _row(cells, header, name, line)
        line = reader.line_num + 1
    if header is None:
        raise MalformedAnswer("the file is empty; a line with the names of the columns is needed", where=name)


def _next(reader: _Reader, name: str, line: int, coding: str) -> list[str] | None:
    where = f"{name}, line {line}"
    try:
        cells = next(reader)
    except StopIteration:
        return None
    except UnicodeDecodeError:
        # The decoder works in blocks, so the line is where the block begins, not where the byte stands.
        message = f"the text is not {coding} from this line on; save the file as UTF-8, or set `encoding`"
        raise MalformedAnswer(message, where=where) from None
    except csv.Error as error:
        message = f"the row cannot be read: {error}; a quotation mark may be open or unexpected"
        raise MalformedAnswer(message, where=where) from None
    if any("\0" in cell for cell in cells):
        raise MalformedAnswer("the row holds a NUL byte; the file may be damaged, or be UTF-16", where=where)
    return cells


def _header(cells: Sequence[str], name: str, line: int, required: Sequence[str]) -> Sequence[str]:
    header = [cell.strip() for cell in cells]
    where = f"{name}, line {line}"
    twice = sorted({column for column in header if column and header.count(column) > 1})
    if twice:
        raise MalformedAnswer(f"two columns are named {twice[0]!r}; which is meant cannot be told", where=where)
    lacking = [column for column in required if column not in header]
    if lacking:
        found = ", ".join(header[:_NAMED])
        raise MalformedAnswer(f"the column {lacking[0]} is missing; the line begins with {found}", where=where)
    return header


def _row(cells: Sequence[str], header: Sequence[str], name: str, line: int) -> Row:
    surplus = [*cells[len(header) :], *(cell for cell, column in zip(cells, header, strict=False) if not column)]
    if any(cell.strip() for cell in surplus):
        message = (
            f"the row has {len(cells)} values, and some stand under no column; a comma may lack its quotation marks"
        )
        raise MalformedAnswer(message, where=f"{name}, line {line}")
    return Row(line=line, cells={column: cell for column, cell in zip(header, cells, strict=False) if column})
