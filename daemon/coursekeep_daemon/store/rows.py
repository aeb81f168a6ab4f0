"""How rows become records, and how long lists are read in pages."""

from __future__ import annotations

import base64
import binascii
import hashlib
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, Generic, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Row, Select, Table

from coursekeep_daemon.store.errors import BadCursor
from coursekeep_daemon.store.records import Slice

__all__ = ["LARGEST_ID", "Shape", "is_id", "make_cursor", "page", "search_condition", "searchable"]

T = TypeVar("T")

#: what the databases can number
LARGEST_ID = 2**63 - 1


class Shape(Generic[T]):
    """The columns of one record class, in the order of its fields, and the way back to records.

    A field is read from the column of its name, or from what `elsewhere` gives for it.
    """

    def __init__(
        self, record: type[T], table: Table, elsewhere: Mapping[str, ColumnElement[Any]] | None = None
    ) -> None:
        self._record = record
        self.names = [field.name for field in fields(record)]  # type: ignore[arg-type]  # every record is a dataclass
        self.columns: list[ColumnElement[Any]] = [
            elsewhere[name] if elsewhere and name in elsewhere else table.c[name] for name in self.names
        ]

    def record(self, row: Sequence[Any]) -> T:
        """Make a record of a row of exactly `columns`."""
        return self._record(**dict(zip(self.names, row, strict=True)))

    def values(self, record: T) -> dict[str, Any]:
        """Give the columns of a record, ready to be written."""
        values = ((name, getattr(record, name)) for name in self.names)
        return {name: dict(value) if isinstance(value, Mapping) else value for name, value in values}

    def one(self, connection: Connection, query: Select[Any]) -> T | None:
        """Give the only record of a query, or None."""
        row = connection.execute(query).one_or_none()
        return None if row is None else self.record(row)

    def all(self, connection: Connection, query: Select[Any]) -> list[T]:
        """Give all records of a query."""
        return self.rows(connection.execute(query))

    def rows(self, rows: Iterable[Sequence[Any]]) -> list[T]:
        """Make records of rows."""
        return [self.record(row) for row in rows]


def is_id(number: int) -> bool:
    """Tell whether a number can be an id at all; databases fail on those that cannot."""
    return 0 < number <= LARGEST_ID


def page(
    connection: Connection,
    shape: Shape[T],
    query: Select[Any],
    key: Column[int],
    *,
    scope: str,
    limit: int,
    cursor: str | None,
    newest_first: bool = False,
) -> Slice[T]:
    """Read one page of a list ordered by an id, from behind the cursor on: no OFFSET, no COUNT.

    `scope` names the list, filters included: a cursor is good for the list that made it only. Raises `BadCursor`, and
    ValueError for a limit below 1.
    """
    if limit < 1:
        raise ValueError(f"limit must be 1 or more, not {limit}")
    if cursor is not None:
        behind = _read_cursor(scope, cursor)
        query = query.where(key < behind if newest_first else key > behind)
    query = query.add_columns(key).order_by(key.desc() if newest_first else key).limit(limit + 1)
    rows: Sequence[Row[Any]] = connection.execute(query).all()
    items = [shape.record(row[:-1]) for row in rows[:limit]]
    more = len(rows) > limit
    return Slice(items=items, next_cursor=make_cursor(scope, rows[limit - 1][-1]) if more else None)


def make_cursor(scope: str, behind: int) -> str:
    """Make the cursor of what follows an id in a list."""
    return base64.urlsafe_b64encode(f"{_short(scope)}.{behind}".encode()).decode().rstrip("=")


def _read_cursor(scope: str, cursor: str) -> int:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        text = ""
    found, _, number = text.partition(".")
    if found != _short(scope) or not number.isdecimal() or len(number) > 19 or not is_id(int(number)):
        raise BadCursor("This cursor does not belong to this list: begin again without `cursor`, or keep the filters.")
    return int(number)


def _short(scope: str) -> str:
    return hashlib.sha256(scope.encode(errors="backslashreplace")).hexdigest()[:12]


def searchable(*parts: str | None) -> str:
    """Fold what a search looks through into one text: case and composed letters make no difference."""
    return "\n".join(unicodedata.normalize("NFKC", part).casefold() for part in parts if part)


def search_condition(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """Match rows whose text holds the words; `%` and `_` stand for themselves."""
    return column.contains(searchable(text), autoescape=True)
