"""The counters of a run: kept in the transaction of each change, and always equal to GROUP BY."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, bindparam, func, select, update

from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store.models import item, run_count
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Tally", "counted", "kept"]

#: names of all counters
COUNTERS = [*(status.value for status in ItemStatus), "total", "gaps"]

_ADD = (
    update(run_count)
    .where(run_count.c.run_id == bindparam("of_run"))
    .values({name: run_count.c[name] + bindparam(f"add_{name}") for name in COUNTERS})
)


class Tally:
    """Gathers what a group of changes adds to the counters of its runs, and writes one row a run."""

    def __init__(self) -> None:
        self._added: dict[int, Counter[str]] = {}

    def move(self, run_id: int, old: ItemStatus, new: ItemStatus, *, items: int = 1, gaps: int = 0) -> None:
        """Count items that went from one status to another, with the gaps that came with them."""
        added = self._added.setdefault(run_id, Counter())
        added[old] -= items
        added[new] += items
        added["gaps"] += gaps

    def create(self, run_id: int, status: ItemStatus, items: int) -> None:
        """Count new items."""
        added = self._added.setdefault(run_id, Counter())
        added[status] += items
        added["total"] += items

    def write(self, tx: Transaction) -> None:
        """Write all of it."""
        rows = [
            {"of_run": run_id, **{f"add_{name}": added[name] for name in COUNTERS}}
            for run_id, added in self._added.items()
        ]
        tx.execute_many(_ADD, rows)


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
