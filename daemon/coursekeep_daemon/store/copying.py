"""Rows by COPY: PostgreSQL's way to take many at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Table

__all__ = ["copy_rows"]

_Process = Callable[[Any], Any]


def copy_rows(connection: Connection, table: Table, rows: Iterable[Mapping[str, Any]], *, into: str = "") -> int:
    """Copy rows, all with the same columns, into a table or another `into` that has its columns; return how many.

    Values are checked and changed by the types of the columns, as in any INSERT. Part of the open transaction.
    """
    remaining = iter(rows)
    first = next(remaining, None)
    if first is None:
        return 0
    names = list(first)
    processes = [_process(connection, table, name) for name in names]
    columns = ", ".join(f'"{name}"' for name in names)
    number = 0
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f'COPY "{into or table.name}" ({columns}) FROM STDIN') as copy:
        for row in chain([first], remaining):
            copy.write_row([process(row[name]) for name, process in zip(names, processes, strict=True)])
            number += 1
    return number


def _process(connection: Connection, table: Table, name: str) -> _Process:
    if name not in table.c:
        return _as_it_is
    dialect = connection.dialect
    found = table.c[name].type.dialect_impl(dialect).bind_processor(dialect)
    return found or _as_it_is


def _as_it_is(value: Any) -> Any:
    return value
