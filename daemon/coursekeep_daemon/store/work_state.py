"""How the work stands, in one read that stays small however many items there are: it asks of open runs only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, func, select

from coursekeep_daemon.notifications.records import DeliveryState
from coursekeep_daemon.runs.states import ItemStatus
from coursekeep_daemon.store.models import item
from coursekeep_daemon.store.models_notifications import notification_delivery
from coursekeep_daemon.store.records import Run
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.runs import open_runs_in_brief

__all__ = ["WorkState", "WorkStates"]

#: runs whose items are looked at one by one; those begun first, which have waited longest
_MOST_RUNS = 200
#: postponed items of one run that are counted; more are told as this many
_MOST_POSTPONED = 10_000


@dataclass(frozen=True, kw_only=True, slots=True)
class WorkState:
    """How the work stood at one moment."""

    at: datetime
    #: without `params` and `options`
    open_runs: Sequence[Run]
    #: by run: items that are put off to a later time
    postponed: Mapping[int, int]
    #: by run: since when the item waits that has waited longest and could begin
    waiting_since: Mapping[int, datetime]
    #: by target: deliveries that are still to be made
    deliveries: Mapping[str, int]


class WorkStates(Room):
    """Reads how the work stands."""

    async def moment(self) -> datetime:
        """Return the present by the database's own clock."""
        moment: datetime = await self._reader(lambda tie: tie.execute(select(self._database.moment())).scalar_one())
        return moment

    async def work_state(self) -> WorkState:
        """Return how the work stands now, on one snapshot."""
        now = self._clock()
        return await self._reader(lambda connection: _read(connection, now))


def _read(connection: Connection, now: datetime) -> WorkState:
    runs = open_runs_in_brief(connection)
    postponed: dict[int, int] = {}
    since: dict[int, datetime] = {}
    for run in [run for run in runs if run.counts[ItemStatus.QUEUED]][:_MOST_RUNS]:
        later = item.c.not_before > now
        some = _queued(run.id, select(item.c.id)).where(later).limit(_MOST_POSTPONED)
        postponed[run.id] = connection.execute(select(func.count()).select_from(some.subquery())).scalar_one()
        if (oldest := _oldest(connection, run.id, now)) is not None:
            since[run.id] = oldest
    table = notification_delivery
    waiting = select(table.c.target, func.count()).where(table.c.state == DeliveryState.PENDING)
    deliveries = {row[0]: row[1] for row in connection.execute(waiting.group_by(table.c.target))}
    return WorkState(at=now, open_runs=runs, postponed=postponed, waiting_since=since, deliveries=deliveries)


def _oldest(connection: Connection, run_id: int, now: datetime) -> datetime | None:
    """Return since when a run's item waits that has waited longest: from its making, or from when it was due again."""
    fresh = _queued(run_id, select(item.c.created_at)).where(item.c.not_before.is_(None)).order_by(item.c.id).limit(1)
    again = _queued(run_id, select(func.min(item.c.not_before))).where(item.c.not_before <= now)
    found = [connection.execute(query).scalar() for query in (fresh, again)]
    return min((each for each in found if each is not None), default=None)


def _queued(run_id: int, query: Select[Any]) -> Select[Any]:
    return query.where(item.c.run_id == run_id, item.c.status == ItemStatus.QUEUED)
