"""Schedules: declared in settings.toml, or made through API and CLI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import delete, insert, select, update

from coursekeep_daemon.store.errors import Conflict, NoSuchRecord
from coursekeep_daemon.store.models import schedule
from coursekeep_daemon.store.records import Schedule
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Schedules"]

_SCHEDULE = Shape(Schedule, schedule)

#: what a schedule keeps when its rule changes
_KEPT = ("created_by", "created_at", "last_fired_at", "last_run_id", "last_error", "revision", "times_since")

#: what says when a schedule is due
_TIMES = ("cron", "time_zone", "enabled")


class Schedules(Room):
    """The rules that start runs."""

    async def schedules(self) -> list[Schedule]:
        """Return all schedules, by name."""
        query = select(*_SCHEDULE.columns).order_by(schedule.c.name)
        return await self._reader(lambda connection: _SCHEDULE.all(connection, query))

    async def schedule(self, name: str) -> Schedule | None:
        """Return one schedule; None where there is none of that name."""
        query = select(*_SCHEDULE.columns).where(schedule.c.name == name)
        return await self._reader(lambda connection: _SCHEDULE.one(connection, query))

    async def put_schedule(self, wanted: Schedule, *, at: int | None = None) -> Schedule:
        """Create a schedule, or change its rule, and return it; who made it and when it last fired stay.

        A rule that differs raises the revision. Raises `Conflict` where settings.toml declares a schedule of that name
        and `wanted` is not itself declared; and, with the revision that it is expected `at` (0: not to be there),
        where it is at another.
        """
        return await self._writer.run(lambda tx: _put(tx, wanted, at))

    async def delete_schedule(self, name: str) -> bool:
        """Delete a schedule; False where there is none. Raises `Conflict` where settings.toml declares it."""
        return await self._writer.run(lambda tx: _delete(tx, name))

    async def schedule_fired(self, name: str, at: datetime, run_id: int | None, *, error: str | None = None) -> None:
        """Note that a schedule fired, and which run it started or why it started none. Raises `NoSuchRecord`.

        A time before the last one noted, which another daemon told late, changes nothing.
        """
        values: dict[str, Any] = {"last_fired_at": at, "last_error": error}
        if run_id is not None:
            values["last_run_id"] = run_id
        await self._writer.run(lambda tx: _fired(tx, name, at, values))

    async def sync_declared_schedules(self, declared: Sequence[Schedule]) -> list[str]:
        """Take over the schedules of the settings: add and change those named, delete those no longer declared.

        Returns the names of schedules that were made otherwise and are now governed by the settings.
        """
        if not all(each.declared for each in declared):
            raise ValueError("Only schedules with `declared` set come from the settings.")
        return await self._writer.run(lambda tx: _sync(tx, declared))


def _find(tx: Transaction, name: str) -> Schedule | None:
    query = select(*_SCHEDULE.columns).where(schedule.c.name == name).with_for_update()
    return _SCHEDULE.one(tx.connection, query)


def _put(tx: Transaction, wanted: Schedule, at: int | None = None) -> Schedule:
    old = _find(tx, wanted.name)
    if at is not None and at != (0 if old is None else old.revision):
        raise Conflict(f"The schedule {wanted.name!r} was changed meanwhile.")
    if old is None:
        tx.execute(insert(schedule), _SCHEDULE.values(wanted))
        _tell(tx, wanted.name)
        return wanted
    if old.declared and not wanted.declared:
        raise Conflict(f"The schedule {wanted.name!r} is declared in settings.toml: change it there.")
    kept = replace(wanted, **{key: getattr(old, key) for key in _KEPT})
    if kept == old:
        return old
    same_times = all(getattr(kept, key) == getattr(old, key) for key in _TIMES)
    kept = replace(kept, revision=old.revision + 1, times_since=old.times_since if same_times else tx.now)
    tx.execute(update(schedule).where(schedule.c.name == wanted.name).values(**_SCHEDULE.values(kept)))
    _tell(tx, wanted.name)
    return kept


def _delete(tx: Transaction, name: str) -> bool:
    old = _find(tx, name)
    if old is not None and old.declared:
        raise Conflict(f"The schedule {name!r} is declared in settings.toml: remove it there.")
    if tx.execute(delete(schedule).where(schedule.c.name == name)).rowcount == 0:
        return False
    _tell(tx, name)
    return True


def _fired(tx: Transaction, name: str, at: datetime, values: dict[str, Any]) -> None:
    old = _find(tx, name)
    if old is None:
        raise NoSuchRecord(f"There is no schedule {name!r}.")
    if old.last_fired_at is None or old.last_fired_at <= at:
        tx.execute(update(schedule).where(schedule.c.name == name).values(**values))


def _tell(tx: Transaction, name: str) -> None:
    """Note the event of a schedule that was made, changed or deleted: who keeps its times reads it again."""
    tx.tell("schedule", {"schedule": name})


def _sync(tx: Transaction, declared: Sequence[Schedule]) -> list[str]:
    stored = {each.name: each for each in _SCHEDULE.all(tx.connection, select(*_SCHEDULE.columns).with_for_update())}
    names = {each.name for each in declared}
    gone = [each.name for each in stored.values() if each.declared and each.name not in names]
    tx.execute(delete(schedule).where(schedule.c.name.in_(gone)))
    for name in gone:
        _tell(tx, name)
    for each in declared:
        _put(tx, each)
    return sorted(name for name in names if name in stored and not stored[name].declared)
