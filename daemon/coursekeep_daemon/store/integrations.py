"""Integrations and their cached terms."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update

from coursekeep import CheckStep
from coursekeep_daemon.store.errors import NoSuchRecord
from coursekeep_daemon.store.models import integration, term
from coursekeep_daemon.store.records import Integration, StoredTerm
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.telling import tell_credentials
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Integrations"]

_INTEGRATION = Shape(Integration, integration)
_TERM = Shape(StoredTerm, term)


class Integrations(Room):
    """What the store knows of integrations. Their settings live in settings.toml."""

    async def sync_integrations(self, items: Sequence[tuple[str, str, Mapping[str, Any]]]) -> list[str]:
        """Take over the integrations of the settings, as (name, connector, source).

        Returns the names whose connector or source has changed: such a name now means another LMS, so its halt, last
        check and cached terms are dropped. An integration that left the settings stays, for its runs and packages.
        """
        return await self._writer.run(
            lambda tx: [name for name, connector, source in items if _sync(tx, name, connector, source)]
        )

    async def integration(self, name: str) -> Integration | None:
        """Return one integration; None where there is none of that name."""
        query = select(*_INTEGRATION.columns).where(integration.c.name == name)
        return await self._reader(lambda connection: _INTEGRATION.one(connection, query))

    async def integrations(self) -> list[Integration]:
        """Return all integrations, by name."""
        query = select(*_INTEGRATION.columns).order_by(integration.c.name)
        return await self._reader(lambda connection: _INTEGRATION.all(connection, query))

    async def halt_integration(self, name: str, reason: str) -> bool:
        """Halt an integration until its credentials are renewed.

        Returns True where it was not halted yet, so that one alert is sent; the first reason stays.
        Raises `NoSuchRecord`.
        """
        return await self._writer.run(lambda tx: _set_halt(tx, name, reason))

    async def release_integration(self, name: str) -> bool:
        """End the halt of an integration; False where it was not halted. Raises `NoSuchRecord`."""
        return await self._writer.run(lambda tx: _set_halt(tx, name, None))

    async def save_check(self, name: str, steps: Sequence[CheckStep]) -> None:
        """Keep the steps of the latest check. Raises `NoSuchRecord`."""
        plain = [{"name": s.name, "ok": s.ok, "detail": s.detail, "remedy": s.remedy} for s in steps]
        await self._writer.run(lambda tx: _change(tx, name, checked_at=tx.now, check_steps=plain))

    async def replace_terms(self, name: str, terms: Sequence[StoredTerm]) -> None:
        """Replace the cached terms of an integration, in the order given; of two with one id the last stays.

        Raises `NoSuchRecord`; ValueError for a term of another integration.
        """
        if any(each.integration != name for each in terms):
            raise ValueError(f"Every term must belong to {name!r}.")
        await self._writer.run(lambda tx: _replace_terms(tx, name, terms))

    async def terms(self, name: str) -> list[StoredTerm]:
        """Return the cached terms of an integration, in the LMS's order."""
        query = select(*_TERM.columns).where(term.c.integration == name).order_by(term.c.position)
        return await self._reader(lambda connection: _TERM.all(connection, query))


def _sync(tx: Transaction, name: str, connector: str, source: Mapping[str, Any]) -> bool:
    old = _INTEGRATION.one(
        tx.connection, select(*_INTEGRATION.columns).where(integration.c.name == name).with_for_update()
    )
    if old is None:
        row = {"name": name, "connector": connector, "source": dict(source), "check_steps": []}
        tx.execute(insert(integration), row)
        return False
    if (old.connector, old.source) == (connector, dict(source)):
        return False
    fresh: dict[str, Any] = {"halted_reason": None, "halted_at": None, "checked_at": None, "check_steps": []}
    _change(tx, name, connector=connector, source=dict(source), terms_refreshed_at=None, **fresh)
    tx.execute(delete(term).where(term.c.integration == name))
    return True


def _change(tx: Transaction, name: str, **values: Any) -> None:
    done = tx.execute(update(integration).where(integration.c.name == name).values(**values))
    if done.rowcount == 0:
        raise NoSuchRecord(f"There is no integration {name!r}.")


def _set_halt(tx: Transaction, name: str, reason: str | None) -> bool:
    query = select(integration.c.halted_reason).where(integration.c.name == name).with_for_update()
    row = tx.execute(query).one_or_none()
    if row is None:
        raise NoSuchRecord(f"There is no integration {name!r}.")
    if (row[0] is None) == (reason is None):
        return False
    _change(tx, name, halted_reason=reason, halted_at=None if reason is None else tx.now)
    tx.tell("integration", {"integration": name, "halted_reason": reason})
    tell_credentials(tx, name, reason)
    return True


def _replace_terms(tx: Transaction, name: str, terms: Sequence[StoredTerm]) -> None:
    _change(tx, name, terms_refreshed_at=tx.now)
    tx.execute(delete(term).where(term.c.integration == name))
    last = {each.id: each for each in terms}
    names = [column.name for column in term.columns if column.name != "position"]
    rows = [
        {"position": position, **{key: getattr(each, key) for key in names}}
        for position, each in enumerate(last.values())
    ]
    tx.execute_many(insert(term), rows)
