"""Column types that keep bad values out of the database, whichever database it is."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, DateTime, Enum, Integer, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from coursekeep_daemon.store.errors import NaiveDatetime

__all__ = ["BIG_ID", "CleanText", "UtcDateTime", "words"]

#: 64 bits everywhere; SQLite numbers rows by itself only where the type is spelt INTEGER
BIG_ID: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

_REPLACEMENT = "\N{REPLACEMENT CHARACTER}"


class UtcDateTime(TypeDecorator[datetime]):
    """An aware moment, stored and returned in UTC. Refuses naive ones with `NaiveDatetime`."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.utcoffset() is None:
            raise NaiveDatetime(f"{value.isoformat()} has no time zone: pass aware datetimes, best in UTC.")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        # SQLite has no time zones: what was written in UTC comes back naive
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class CleanText(TypeDecorator[str]):
    """Text from an LMS. What no database can store (half a surrogate pair, NUL) becomes U+FFFD.

    The package keeps the LMS's own bytes; the store only lists.
    """

    impl = Text()
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if "\0" in value:
            value = value.replace("\0", _REPLACEMENT)
        try:
            value.encode()
        except UnicodeEncodeError:
            value = "".join(_REPLACEMENT if "\ud800" <= letter <= "\udfff" else letter for letter in value)
        return value


def words(enum: type[StrEnum]) -> Enum:
    """Make the column type of an enum stored by its words, without a check constraint.

    A constraint would have SQLite rewrite the whole table for every word that a later release adds.
    """
    return Enum(
        enum,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
