"""Pauses: at all, at one integration, at one run."""

from __future__ import annotations

from sqlalchemy import delete, select

from coursekeep_daemon.store.models import pause
from coursekeep_daemon.store.records import Pause, PauseLevel
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Pauses"]

_PAUSE = Shape(Pause, pause)


class Pauses(Room):
    """The pauses in force."""

    async def pause(self, level: PauseLevel, target: str, by: str) -> bool:
        """Hold processing at a level: `target` is the integration's name, the run's id, or empty for all.

        Returns False where that pause is in force already; whose it was stays noted. Raises ValueError for a target
        that does not fit the level.
        """
        _check_target(level, target)
        return await self._writer.run(lambda tx: _pause(tx, level, target, by))

    async def resume(self, level: PauseLevel, target: str) -> bool:
        """End a pause at its own level; False where there is none. Raises ValueError as `pause`."""
        _check_target(level, target)
        return await self._writer.run(lambda tx: _resume(tx, level, target))

    async def pauses(self) -> list[Pause]:
        """Return the pauses in force, oldest first."""
        query = select(*_PAUSE.columns).order_by(pause.c.at, pause.c.level, pause.c.target)
        return await self._reader(lambda connection: _PAUSE.all(connection, query))


def _check_target(level: PauseLevel, target: str) -> None:
    if (level is PauseLevel.ALL) != (target == ""):
        raise ValueError("A pause of all has no target; a pause of an integration or run needs one.")
    if level is PauseLevel.RUN and not (target.isascii() and target.isdecimal()):
        raise ValueError(f"The target of a run's pause is the run's id, not {target!r}.")


def _pause(tx: Transaction, level: PauseLevel, target: str, by: str) -> bool:
    row = {"level": level, "target": target, "by": by, "at": tx.now}
    if tx.execute(tx.insert(pause).values(row).on_conflict_do_nothing()).rowcount == 0:
        return False
    _tell(tx, level, target, held=True)
    return True


def _resume(tx: Transaction, level: PauseLevel, target: str) -> bool:
    if tx.execute(delete(pause).where(pause.c.level == level, pause.c.target == target)).rowcount == 0:
        return False
    _tell(tx, level, target, held=False)
    return True


def _tell(tx: Transaction, level: PauseLevel, target: str, *, held: bool) -> None:
    run_id = int(target) if level is PauseLevel.RUN else None
    tx.tell("hold", {"level": level, "target": target, "held": held}, run_id=run_id)
