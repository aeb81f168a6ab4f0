"""Troubles that hold work in every process: noted by whoever meets them, ended by who leads."""

from __future__ import annotations

from sqlalchemy import delete, select, update

from coursekeep_daemon.store.models_daemons import trouble
from coursekeep_daemon.store.records_daemons import Trouble, TroubleKind
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Troubles"]

_TROUBLE = Shape(Trouble, trouble)


class Troubles(Room):
    """What is in the way."""

    async def troubles(self) -> list[Trouble]:
        """Return the troubles that are not over, oldest first."""
        query = select(*_TROUBLE.columns).order_by(trouble.c.since, trouble.c.kind, trouble.c.target)
        return await self._reader(lambda connection: _TROUBLE.all(connection, query))

    async def note_trouble(self, met: Trouble) -> bool:
        """Note a trouble, and tell listeners; one that is known gets the new reason only, and gives False."""
        return await self._writer.run(lambda tx: _note(tx, met))

    async def end_trouble(self, kind: TroubleKind, target: str = "") -> bool:
        """End a trouble, and tell listeners; False where there is none."""
        return await self._writer.run(lambda tx: _end(tx, kind, target))

    async def end_troubles(self) -> None:
        """End all troubles: for a daemon that is alone and finds them out anew."""
        for known in await self.troubles():
            await self.end_trouble(known.kind, known.target)


def _note(tx: Transaction, met: Trouble) -> bool:
    new = tx.insert(trouble).values(_TROUBLE.values(met)).on_conflict_do_nothing()
    if tx.execute(new.execution_options(preserve_rowcount=True)).rowcount == 0:
        which = update(trouble).where(trouble.c.kind == met.kind, trouble.c.target == met.target)
        tx.execute(which.values(reason=met.reason))
        return False
    _tell(tx, met.kind, met.target, held=True)
    return True


def _end(tx: Transaction, kind: TroubleKind, target: str) -> bool:
    if tx.execute(delete(trouble).where(trouble.c.kind == kind, trouble.c.target == target)).rowcount == 0:
        return False
    _tell(tx, kind, target, held=False)
    return True


def _tell(tx: Transaction, kind: TroubleKind, target: str, *, held: bool) -> None:
    tx.tell("hold", {"level": kind, "target": target, "held": held})
