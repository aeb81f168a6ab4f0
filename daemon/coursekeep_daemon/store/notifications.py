"""Notifications and their deliveries: what is to be told, whom it has reached, what was given up."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Select, and_, or_, select, update

from coursekeep_daemon.notifications.records import (
    Delivery,
    DeliveryState,
    Listed,
    Notification,
    NotificationKind,
    Told,
)
from coursekeep_daemon.store.models_notifications import notification, notification_delivery
from coursekeep_daemon.store.records import Slice
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape, page
from coursekeep_daemon.store.telling import open_trouble, tell_trouble, tell_well
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Notifications"]

_NOTIFICATION = Shape(Notification, notification)
_DELIVERY = Shape(Delivery, notification_delivery)
_PENDING = notification_delivery.c.state == DeliveryState.PENDING


class Notifications(Room):
    """The outbox. Notifications of runs and integrations are written by the changes themselves: see `telling.py`."""

    async def notifications(
        self, *, kind: NotificationKind | None = None, limit: int = 50, cursor: str | None = None
    ) -> Slice[Listed]:
        """List notifications with their deliveries, newest first. Raises `BadCursor`."""
        query = select(*_NOTIFICATION.columns)
        if kind is not None:
            query = query.where(notification.c.kind == kind)
        key, scope = notification.c.id, f"notifications {kind}"

        def read(connection: Connection) -> Slice[Listed]:
            part = page(
                connection, _NOTIFICATION, query, key, scope=scope, limit=limit, cursor=cursor, newest_first=True
            )
            deliveries = _deliveries(connection, [each.id for each in part.items])
            items = [Listed(notification=each, deliveries=deliveries.get(each.id, [])) for each in part.items]
            return Slice(items=items, next_cursor=part.next_cursor)

        return await self._reader(read)

    async def told(self, run_ids: Collection[int]) -> Mapping[int, Told]:
        """Return for those of the runs whose failure has reached a target when that was."""
        table = notification
        query = select(table.c.run_id, table.c.at, table.c.told_at).where(
            table.c.run_id.in_(run_ids), table.c.kind == NotificationKind.RUN_FAILED, table.c.told_at.is_not(None)
        )

        def read(connection: Connection) -> dict[int, Told]:
            rows = connection.execute(query)
            return {row.run_id: Told(run_id=row.run_id, at=row.at, told_at=row.told_at) for row in rows}

        return await self._reader(read)

    async def storage_told(self) -> bool:
        """Tell whether a trouble of the storage was told that is not told to be over."""
        kind = NotificationKind.STORAGE_HELD
        return await self._reader(lambda connection: open_trouble(connection, kind) is not None)

    async def tell_storage_held(self, reason: str, since: datetime) -> bool:
        """Note that the storage holds everything; False where that was told already and is not over."""
        data = {"reason": reason, "since": since.isoformat().replace("+00:00", "Z")}
        return await self._writer.run(lambda tx: _storage_held(tx, data))

    async def tell_storage_released(self) -> bool:
        """Note that the storage is well again; False where no trouble of it was told."""
        kinds = (NotificationKind.STORAGE_RELEASED, NotificationKind.STORAGE_HELD)
        return await self._writer.run(lambda tx: tell_well(tx, *kinds))

    async def tell_expiring(self, integration: str, ends_at: datetime, data: Mapping[str, Any]) -> bool:
        """Note that the credentials of an integration end soon; False where the same end was told before."""
        full = {**data, "ends_at": ends_at.astimezone(UTC).isoformat().replace("+00:00", "Z")}
        return await self._writer.run(lambda tx: _expiring(tx, integration, full))

    async def unaddressed(self, limit: int = 100) -> list[Notification]:
        """Return the notifications that no delivery was written for, oldest first."""
        query = select(*_NOTIFICATION.columns).where(notification.c.addressed_at.is_(None))
        query = query.order_by(notification.c.id).limit(limit)
        return await self._reader(lambda connection: _NOTIFICATION.all(connection, query))

    async def address(self, notification_id: int, targets: Sequence[str]) -> bool:
        """Write the deliveries of a notification; False where that was done before.

        A recovery goes only to targets that were told the trouble, or will be.
        """
        return await self._writer.run(lambda tx: _address(tx, notification_id, targets))

    async def next_delivery(self, target: str) -> tuple[Notification, Delivery] | None:
        """Return the oldest delivery that a target still waits for; None where there is none."""
        table = notification_delivery
        query = (
            select(*_NOTIFICATION.columns, *_DELIVERY.columns)
            .join(table, table.c.notification_id == notification.c.id)
            .where(table.c.target == target, _PENDING)
            .order_by(table.c.notification_id)
            .limit(1)
        )
        split = len(_NOTIFICATION.columns)

        def read(connection: Connection) -> tuple[Notification, Delivery] | None:
            row = connection.execute(query).one_or_none()
            return None if row is None else (_NOTIFICATION.record(row[:split]), _DELIVERY.record(row[split:]))

        return await self._reader(read)

    async def delivered(self, notification_id: int, target: str) -> None:
        """Note that a target has a notification."""
        await self._writer.run(lambda tx: _delivered(tx, notification_id, target))

    async def undelivered(
        self,
        notification_id: int,
        target: str,
        error: str,
        *,
        next_attempt_at: datetime | None,
        refused: bool = False,
    ) -> None:
        """Note an attempt that failed, and when the next is due; None gives up.

        `refused` counts a refusal of the message itself. A trouble that is given up takes the message of its recovery
        along: it was not told there.
        """
        await self._writer.run(lambda tx: _undelivered(tx, notification_id, target, error, next_attempt_at, refused))

    async def give_up_others(self, targets: Collection[str]) -> int:
        """Give up what waits for targets other than these, which have left the settings; return how many."""
        values = {"state": DeliveryState.GIVEN_UP, "last_error": "the target is not in the settings any more"}
        others = and_(_PENDING, notification_delivery.c.target.not_in(targets))
        statement = update(notification_delivery).where(others).values(**values, next_attempt_at=None)
        return await self._writer.run(lambda tx: tx.execute(statement).rowcount)


def _deliveries(connection: Connection, notification_ids: Collection[int]) -> Mapping[int, list[Delivery]]:
    table = notification_delivery
    query = select(*_DELIVERY.columns).where(table.c.notification_id.in_(notification_ids)).order_by(table.c.target)
    found: dict[int, list[Delivery]] = {}
    for each in _DELIVERY.all(connection, query):
        found.setdefault(each.notification_id, []).append(each)
    return found


def _storage_held(tx: Transaction, data: Mapping[str, Any]) -> bool:
    if open_trouble(tx.connection, NotificationKind.STORAGE_HELD) is not None:
        return False
    tell_trouble(tx, NotificationKind.STORAGE_HELD, data)
    return True


def _expiring(tx: Transaction, integration: str, data: Mapping[str, Any]) -> bool:
    kind = NotificationKind.CREDENTIALS_EXPIRING
    told = select(notification.c.data).where(notification.c.kind == kind, notification.c.integration == integration)
    newest = tx.execute(told.order_by(notification.c.id.desc()).limit(1)).scalar()
    if newest is not None and newest.get("ends_at") == data["ends_at"]:
        return False
    tell_trouble(tx, kind, data, integration)
    return True


def _address(tx: Transaction, notification_id: int, targets: Sequence[str]) -> bool:
    statement = update(notification).where(notification.c.id == notification_id, notification.c.addressed_at.is_(None))
    if tx.execute(statement.values(addressed_at=tx.now)).rowcount == 0:
        return False
    query = select(notification.c.recovers).where(notification.c.id == notification_id)
    trouble = tx.execute(query).scalar_one()
    told = set(targets) if trouble is None else set(tx.execute(_told_there(trouble)).scalars())
    row = {"notification_id": notification_id, "state": DeliveryState.PENDING, "attempts": 0, "refusals": 0}
    rows = [row | {"target": target, "next_attempt_at": tx.now} for target in targets if target in told]
    tx.execute_many(tx.insert(notification_delivery), rows)
    return True


def _told_there(trouble: int) -> Select[Any]:
    table = notification_delivery
    reached = or_(table.c.state == DeliveryState.DELIVERED, _PENDING)
    return select(table.c.target).where(table.c.notification_id == trouble, reached)


def _delivered(tx: Transaction, notification_id: int, target: str) -> None:
    values = {"state": DeliveryState.DELIVERED, "delivered_at": tx.now, "next_attempt_at": None, "last_error": None}
    _settle(tx, notification_id, target, values)
    first = update(notification).where(notification.c.id == notification_id, notification.c.told_at.is_(None))
    tx.execute(first.values(told_at=tx.now))


def _undelivered(
    tx: Transaction, notification_id: int, target: str, error: str, due: datetime | None, refused: bool
) -> None:
    state = DeliveryState.GIVEN_UP if due is None else DeliveryState.PENDING
    table = notification_delivery
    values = {"state": state, "next_attempt_at": due, "last_error": error, "refusals": table.c.refusals + int(refused)}
    _settle(tx, notification_id, target, values)
    if due is not None:
        return
    recovery = select(notification.c.id).where(notification.c.recovers == notification_id)
    statement = update(table).where(table.c.target == target, table.c.notification_id.in_(recovery), _PENDING)
    why = "the trouble itself was not told here"
    tx.execute(statement.values(state=state, next_attempt_at=None, last_error=why))


def _settle(tx: Transaction, notification_id: int, target: str, values: Mapping[str, Any]) -> None:
    table = notification_delivery
    statement = update(table).where(table.c.notification_id == notification_id, table.c.target == target, _PENDING)
    tx.execute(statement.values(**values, attempts=table.c.attempts + 1))
