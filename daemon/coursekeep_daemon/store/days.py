"""Days: how many items ended when, for a chart. The writer keeps the counts: see `counts.py`."""

from __future__ import annotations

from datetime import date

from sqlalchemy import Connection, case, func, select

from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store.models import day_count, item, run
from coursekeep_daemon.store.records import DayCount
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape

__all__ = ["Days"]

_DAY = Shape(DayCount, day_count)

_Key = tuple[date, str, ItemStatus]


class Days(Room):
    """Items that ended, by day in UTC."""

    async def archived_per_day(self, since: date, integration: str | None = None) -> list[DayCount]:
        """Return how many items ended on each day from `since` on, by integration and status, oldest first.

        Days, integrations and statuses without any are left out. An item that failed and was reimported later stays
        counted as failed on its day.
        """
        query = select(*_DAY.columns).where(day_count.c.day >= since)
        if integration is not None:
            query = query.where(day_count.c.integration == integration)
        query = query.order_by(day_count.c.day, day_count.c.integration, day_count.c.status)
        return await self._reader(lambda connection: _DAY.all(connection, query))

    async def check_day_counts(self) -> dict[_Key, tuple[int, int]]:
        """Compare the counts of all days with the items: {key: (kept, counted)} of those that differ.

        Empty if all is well. It reads every item there is.
        """

        def read(connection: Connection) -> dict[_Key, tuple[int, int]]:
            kept, counted = _kept(connection), _counted(connection)
            keys = {*kept, *counted}
            pairs = {key: (kept.get(key, 0), counted.get(key, 0)) for key in keys}
            return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

        return await self._reader(read)


def _kept(connection: Connection) -> dict[_Key, int]:
    return {(row.day, row.integration, row.status): row.count for row in _DAY.all(connection, select(*_DAY.columns))}


def _counted(connection: Connection) -> dict[_Key, int]:
    """Count all items afresh, by GROUP BY."""
    ended_as = case((item.c.status == ItemStatus.FAILED_REIMPORTED, ItemStatus.FAILED.value), else_=item.c.status)
    day = func.date(item.c.finished_at)
    query = select(day, run.c.integration, ended_as, func.count()).join(run, run.c.id == item.c.run_id)
    query = query.where(item.c.finished_at.is_not(None)).group_by(day, run.c.integration, ended_as)
    return {
        (date.fromisoformat(str(on)), name, ItemStatus(status)): number
        for on, name, status, number in connection.execute(query)
    }
