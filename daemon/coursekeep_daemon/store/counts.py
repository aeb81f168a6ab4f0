"""The counters of a run, and of each day: kept in the transaction of each change, and always equal to GROUP BY."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, text, update

from coursekeep_daemon.runs.states import FINAL_ITEM, ItemStatus
from coursekeep_daemon.store.models import day_count, item, run_count
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Tally", "counted", "kept"]

#: names of all counters
COUNTERS = [*(status.value for status in ItemStatus), "total", "gaps"]

#: statuses in which an item ends, for the counts of a day. A reimport that succeeds later does not change the past:
#: on the day it ended, a `failed_reimported` item failed.
_ENDED = FINAL_ITEM - {ItemStatus.FAILED_REIMPORTED}

_ADD = (
    update(run_count)
    .where(run_count.c.run_id == bindparam("of_run"))
    .values({name: run_count.c[name] + bindparam(f"add_{name}") for name in COUNTERS})
)

# as text: an upsert is spelt alike by SQLite and PostgreSQL, and what SQLAlchemy has for it differs
_ADD_TO_DAY = text(
    """
    INSERT INTO day_count (day, integration, status, count)
    SELECT :day, run.integration, :status, :items FROM run WHERE run.id = :of_run
    ON CONFLICT (day, integration, status) DO UPDATE SET count = day_count.count + excluded.count
    """
).bindparams(bindparam("day", type_=day_count.c.day.type))


class Tally:
    """Gathers what a group of changes adds to the counters, and writes one row a run, and one a status that ends."""

    def __init__(self) -> None:
        self._added: dict[int, Counter[str]] = {}
        self._ended: Counter[tuple[int, ItemStatus]] = Counter()

    def move(self, run_id: int, old: ItemStatus, new: ItemStatus, *, items: int = 1, gaps: int = 0) -> None:
        """Count items that went from one status to another, with the gaps that came with them."""
        added = self._added.setdefault(run_id, Counter())
        added[old] -= items
        added[new] += items
        added["gaps"] += gaps
        if new in _ENDED:
            self._ended[run_id, new] += items

    def create(self, run_id: int, status: ItemStatus, items: int) -> None:
        """Count new items."""
        added = self._added.setdefault(run_id, Counter())
        added[status] += items
        added["total"] += items
        if status in _ENDED:
            self._ended[run_id, status] += items

    def write(self, tx: Transaction) -> None:
        """Write all of it. Items that ended count for the day of this transaction, which is when they ended."""
        rows = [
            {"of_run": run_id, **{f"add_{name}": added[name] for name in COUNTERS}}
            for run_id, added in self._added.items()
        ]
        tx.execute_many(_ADD, rows)
        day = tx.now.astimezone(UTC).date()
        ended = [
            {"day": day, "status": status.value, "items": items, "of_run": run_id}
            for (run_id, status), items in self._ended.items()
            if items
        ]
        tx.execute_many(_ADD_TO_DAY, ended)


def kept(connection: Connection, run_id: int) -> Mapping[str, int]:
    """Read the counters that are kept for a run; empty where there is no such run."""
    query = select(*(run_count.c[name] for name in COUNTERS)).where(run_count.c.run_id == run_id)
    row: Any = connection.execute(query).one_or_none()
    return {} if row is None else dict(zip(COUNTERS, row, strict=True))


def counted(connection: Connection, run_id: int) -> Mapping[str, int]:
    """Count a run's items afresh, by GROUP BY."""
    query = select(item.c.status, func.count(), func.sum(item.c.gaps)).where(item.c.run_id == run_id)
    found = dict.fromkeys(COUNTERS, 0)
    for status, items, gaps in connection.execute(query.group_by(item.c.status)):
        found[status] = items
        found["total"] += items
        found["gaps"] += gaps
    return found
