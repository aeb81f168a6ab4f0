"""Reading the tables of a store past the daemon that uses it, whichever database it is in."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from sqlalchemy import Engine, create_engine, inspect, text
from sqlalchemy.engine import make_url

__all__ = ["read_all", "read_tables"]


def read_tables(url: str, *tables: str) -> list[list[dict[str, Any]]]:
    """Return all rows of some tables as of one moment, by id where they have one; moments as text, in UTC."""
    engine = _engine(url)
    try:
        with engine.begin() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN")  # the driver opens none for what only reads
            found = [connection.execute(text(f"SELECT * FROM {table}")).mappings().all() for table in tables]
            return [sorted(map(_plain, rows), key=lambda row: str(row.get("id")).rjust(20)) for rows in found]
    finally:
        engine.dispose()


def read_all(url: str) -> str:
    """Return everything that is in any table, as text."""
    engine = _engine(url)
    names = inspect(engine).get_table_names()
    engine.dispose()
    return repr(read_tables(url, *names))


def _engine(url: str) -> Engine:
    address = make_url(url)
    driver = "postgresql+psycopg" if address.drivername.startswith("postgresql") else "sqlite"
    plain = {"timeout": 30} if driver == "sqlite" else {"options": "-c timezone=UTC -c datestyle=ISO"}
    return create_engine(address.set(drivername=driver), isolation_level="SERIALIZABLE", connect_args=plain)


def _plain(row: Any) -> dict[str, Any]:
    return {name: _text(value) for name, value in row.items()}


def _text(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date) else value
