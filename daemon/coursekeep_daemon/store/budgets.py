"""Where all processes agree on what may be asked of an LMS: short transactions of their own, beside the one writer.

They order nothing with what the writer does, and must not wait for a plan of 5,000 rows: so they have a connection, a
thread and locks of their own. One row is locked for each LMS. Only the database's clock counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from datetime import datetime

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from coursekeep import SettingsError
from coursekeep_daemon.store.errors import StoreError
from coursekeep_daemon.store.models_budgets import budget as budgets
from coursekeep_daemon.store.models_budgets import budget_member as members
from coursekeep_daemon.store.opening import open_database, translate
from coursekeep_daemon.store.postgresql import PostgresDatabase
from coursekeep_daemon.store.shares import Budget, Granted, Member, Terms, Told, settle

__all__ = ["BudgetBook"]

#: seconds to wait for the row of an LMS, which nobody holds for longer than a few statements
_LOCK_TIMEOUT = 3.0
_SESSION = {
    # a process that stops in the middle must not keep the others waiting
    "idle_in_transaction_session_timeout": "2s",
    # what gives nobody more need not outlast a crash of the server: it is said again within a second
    "synchronous_commit": "off",
}
#: milliseconds until a server that does not answer counts as gone
_GONE = "8000"

_LASTING = "SELECT set_config('synchronous_commit', 'on', true)"

_FIND = select(budgets.c.allowed, budgets.c.share, budgets.c.round, budgets.c.not_before, func.clock_timestamp())


class BudgetBook:
    """Keeps the budgets of all LMSs in PostgreSQL. Connects when it is first asked."""

    def __init__(self, url: str, *, password: str | None = None, terms: Terms | None = None) -> None:
        """Take the address of the store. Raises `SettingsError` for one that is no PostgreSQL database."""
        self.terms = terms or Terms()
        parsed = make_url(url)
        if parsed.drivername != "sqlite" and "tcp_user_timeout" not in parsed.query:
            parsed = parsed.update_query_dict({"tcp_user_timeout": _GONE})
        database = open_database(parsed.render_as_string(), password=password, lock_timeout=_LOCK_TIMEOUT)
        if not isinstance(database, PostgresDatabase):
            raise SettingsError("Budgets are shared through PostgreSQL only: set `url` in [store] to postgresql://...")
        self._engine = database.aside(_SESSION)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-budgets")

    async def settle(self, told: Sequence[Told]) -> list[Granted]:
        """Write down what members say, and return what each is granted. Raises `StoreError`.

        Each is settled in a transaction of its own, and those before one that fails stay so. What a member says may
        be said again where no answer came.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._settle, told)

    async def forget(self, told: Sequence[Told]) -> None:
        """Let members go whose process ends: their places are free at once. Raises `StoreError`."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._forget, told)

    def close(self) -> None:
        """Close the connection once nothing is under way; waits for nobody."""
        self._thread.submit(self._engine.dispose)
        self._thread.shutdown(wait=False)

    def _settle(self, told: Sequence[Told]) -> list[Granted]:
        try:
            return [self._one(each) for each in told]
        except SQLAlchemyError as error:
            raise self._meant(error) from error

    def _one(self, told: Told) -> Granted:
        with self._engine.begin() as connection:
            before, now = _locked(connection, told)
            after, member, granted = settle(before, _others(connection, told, now), told, now, self.terms)
            if after != before:
                connection.execute(update(budgets).where(budgets.c.name == told.budget).values(asdict(after)))
            _keep(connection, told, member)
            if granted.places > told.held:
                connection.exec_driver_sql(_LASTING)
        return granted

    def _forget(self, told: Sequence[Told]) -> None:
        try:
            with self._engine.begin() as connection:
                for each in told:
                    _keep(connection, each, None)
        except SQLAlchemyError as error:
            raise self._meant(error) from error

    @staticmethod
    def _meant(error: SQLAlchemyError) -> StoreError:
        found = translate(error)
        if isinstance(found, StoreError):
            return found
        return StoreError(f"The database could not do it: {error.orig if isinstance(error, DBAPIError) else error}")


def _locked(connection: Connection, told: Told) -> tuple[Budget, datetime]:
    """Lock the budget's row until the transaction ends, and return it with the database's time."""
    find = _FIND.where(budgets.c.name == told.budget).with_for_update()
    found = connection.execute(find).one_or_none()
    if found is None:
        fresh = asdict(Budget(allowed=float(told.most)))
        connection.execute(insert(budgets).values(name=told.budget, **fresh).on_conflict_do_nothing())
        found = connection.execute(find).one()
    allowed, share, round_, not_before, now = found
    return Budget(allowed=allowed, share=share, round=round_, not_before=not_before), now


def _others(connection: Connection, told: Told, now: datetime) -> list[Member]:
    """Return the other members; those that were silent for too long are gone."""
    rows = connection.execute(select(members).where(members.c.budget == told.budget)).all()
    if any(row.expires_at <= now for row in rows):
        ended = delete(members).where(members.c.budget == told.budget, members.c.expires_at <= now)
        connection.execute(ended)
    return [
        Member(id=row.member, places=row.places, wants=row.wants, most=row.most, expires_at=row.expires_at)
        for row in rows
        if row.expires_at > now and row.member != told.member
    ]


def _keep(connection: Connection, told: Told, member: Member | None) -> None:
    if member is None:
        own = (members.c.budget == told.budget, members.c.member == told.member)
        connection.execute(delete(members).where(*own))
        return
    values = {key: value for key, value in asdict(member).items() if key != "id"}
    row = insert(members).values(budget=told.budget, member=member.id, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["budget", "member"], set_=values))
