"""The items of a run as CSV, made for spreadsheets without letting them run anything."""

from __future__ import annotations

import csv
import io
from collections.abc import AsyncIterator
from datetime import datetime

from coursekeep_daemon.api.models import in_utc
from coursekeep_daemon.store.records import Item

__all__ = ["COLUMNS", "items_csv", "neutral"]

COLUMNS = (
    "id",
    "ref",
    "course_id",
    "course_code",
    "course_name",
    "status",
    "reason",
    "detail",
    "attempts",
    "gaps",
    "package_id",
    "package_version",
    "archived_in_run",
    "reimported_by",
    "reimported_in_run",
    "reimport_of",
    "created_at",
    "started_at",
    "finished_at",
)
#: rows are handed on in pieces of about this many bytes
_PIECE = 64 * 1024


def neutral(value: object) -> str:
    """Return a cell that no spreadsheet takes for a formula: an apostrophe comes before what would start one."""
    if value is None:
        return ""
    if isinstance(value, datetime):
        return in_utc(value).isoformat().replace("+00:00", "Z")
    text = str(value)
    return "'" + text if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


async def items_csv(items: AsyncIterator[Item]) -> AsyncIterator[bytes]:
    """Yield the items as CSV in pieces: UTF-8 with a byte order mark, without which Excel garbles names; CRLF lines."""
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer)
    buffer.write("\ufeff")
    writer.writerow(COLUMNS)
    async for item in items:
        writer.writerow([neutral(getattr(item, name)) for name in COLUMNS])
        if buffer.tell() >= _PIECE:
            yield _take(buffer)
    yield _take(buffer)


def _take(buffer: io.StringIO) -> bytes:
    data = buffer.getvalue().encode()
    buffer.seek(0)
    buffer.truncate()
    return data
