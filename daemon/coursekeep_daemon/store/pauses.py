"""Pauses: at all, at one integration, at one run."""

from __future__ import annotations

from sqlalchemy import select

from coursekeep_daemon.runs.states import FINAL_RUN
from coursekeep_daemon.store.errors import Conflict, NoSuchRecord
from coursekeep_daemon.store.holding import PAUSE, lift_pause, tell_hold
from coursekeep_daemon.store.models import integration, pause
from coursekeep_daemon.store.records import Pause, PauseLevel
from coursekeep_daemon.store.room import Room
from coursekeep_daemon.store.runs import find_run
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["Pauses"]


class Pauses(Room):
    """The pauses in force."""

    async def pause(self, level: PauseLevel, target: str, by: str) -> bool:
        """Hold processing at a level: `target` is the integration's name, the run's id, or empty for all.

        From this transaction on, `claim_items` gives out nothing that the pause holds. Returns False where that pause
        is in force already; whose it was stays noted. Raises `NoSuchRecord` for an unknown integration or run,
        `Conflict` for a run that has ended, ValueError for a target that does not fit the level.
        """
        _check_target(level, target)
        return await self._writer.run(lambda tx: _pause(tx, level, target, by))

    async def resume(self, level: PauseLevel, target: str) -> bool:
        """End a pause at its own level; False where there is none. Raises ValueError as `pause`."""
        _check_target(level, target)
        return await self._writer.run(lambda tx: lift_pause(tx, level, target))

    async def pauses(self) -> list[Pause]:
        """Return the pauses in force, oldest first."""
        query = select(*PAUSE.columns).order_by(pause.c.at, pause.c.level, pause.c.target)
        return await self._reader(lambda connection: PAUSE.all(connection, query))


def _check_target(level: PauseLevel, target: str) -> None:
    if (level is PauseLevel.ALL) != (target == ""):
        raise ValueError("A pause of all has no target; a pause of an integration or run needs one.")
    if level is PauseLevel.RUN and not (target.isascii() and target.isdecimal()):
        raise ValueError(f"The target of a run's pause is the run's id, not {target!r}.")


def _pause(tx: Transaction, level: PauseLevel, target: str, by: str) -> bool:
    if level is PauseLevel.RUN:
        held = find_run(tx, int(target))
        if held.status in FINAL_RUN:
            raise Conflict(f"Run {held.id} is {held.status}: there is nothing left to pause.")
        target = str(held.id)  # however many zeros it was written with
    if level is PauseLevel.INTEGRATION:
        known = select(integration.c.name).where(integration.c.name == target)
        if tx.execute(known).first() is None:
            raise NoSuchRecord(f"There is no integration {target!r}.")
    row = {"level": level, "target": target, "by": by, "at": tx.now}
    new = tx.insert(pause).values(row).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
    if tx.execute(new).rowcount == 0:
        return False
    tell_hold(tx, level, target, held=True)
    return True
