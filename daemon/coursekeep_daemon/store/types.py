"""Column types that keep bad values out of the database, whichever database it is."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import StrEnum

from sqlalchemy import BigInteger, DateTime, Enum, Integer, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

from coursekeep_daemon.store.errors import NaiveDatetime

__all__ = ["BIG_ID", "CleanString", "CleanText", "UtcDateTime", "words"]

#: 64 bits everywhere; SQLite numbers rows by itself only where the type is spelt INTEGER
BIG_ID: TypeEngine[int] = BigInteger().with_variant(Integer(), "sqlite")

#: SQLite orders text by code point. PostgreSQL does so where it is told to, else by the language that its server was
#: set up for, which an upgrade of the operating system may change under the indices.
_ORDERED = String(collation="C")

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


class _Clean(TypeDecorator[str]):
    """Text without what no database can store (half a surrogate pair, NUL), which becomes U+FFFD."""

    impl: type[String] = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[str]:
        return dialect.type_descriptor(_ORDERED) if dialect.name == "postgresql" else super().load_dialect_impl(dialect)

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


class CleanText(_Clean):
    """Text from an LMS. The package keeps the LMS's own bytes; the store only lists."""

    cache_ok = True


class CleanString(_Clean):
    """Text of our own making, or to look for. SQLite does not enforce a length, and PostgreSQL is not told of it."""

    impl = String
    cache_ok = True


def words(enum: type[StrEnum]) -> Enum:
    """Make the column type of an enum stored by its words, without a check constraint.

    A constraint would have SQLite rewrite the whole table for every word that a later release adds.
    """
    ordered = _words(enum)
    ordered.collation = _ORDERED.collation  # which Enum takes no argument for
    made: Enum = _words(enum).with_variant(ordered, "postgresql")
    return made


def _words(enum: type[StrEnum]) -> Enum:
    return Enum(
        enum,
        native_enum=False,
        create_constraint=False,
        length=32,
        values_callable=lambda members: [member.value for member in members],
    )
