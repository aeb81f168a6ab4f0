"""Which pauses hold which runs, seen from within a transaction: the claim, the cancel and the end of a run ask here."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import delete, select

from coursekeep_daemon.store.models import integration, pause, run
from coursekeep_daemon.store.records import Pause, PauseLevel
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["PAUSE", "held_runs", "lift_pause", "tell_hold", "withheld_runs"]

PAUSE = Shape(Pause, pause)

_ALL_PAUSES = select(pause.c.level, pause.c.target)


def held_runs(tx: Transaction, run_ids: Collection[int]) -> set[int]:
    """Return those of the runs that a pause holds, at whichever level."""
    pauses = {(level, target) for level, target in tx.execute(_ALL_PAUSES)}
    if not pauses:  # nearly always, and asked at every claim
        return set()
    if (PauseLevel.ALL, "") in pauses:
        return set(run_ids)
    return {
        run_id
        for run_id, name in tx.execute(select(run.c.id, run.c.integration).where(run.c.id.in_(run_ids)))
        if (PauseLevel.INTEGRATION, name) in pauses or (PauseLevel.RUN, str(run_id)) in pauses
    }


def withheld_runs(tx: Transaction, run_ids: Collection[int]) -> set[int]:
    """Return those of the runs that must not begin a course: a pause holds them, or their integration is halted."""
    halted = (
        select(run.c.id)
        .join(integration, integration.c.name == run.c.integration)
        .where(run.c.id.in_(run_ids), integration.c.halted_reason.is_not(None))
    )
    return held_runs(tx, run_ids) | set(tx.execute(halted).scalars())


def lift_pause(tx: Transaction, level: PauseLevel, target: str) -> bool:
    """End a pause, and tell listeners; False where there is none."""
    if tx.execute(delete(pause).where(pause.c.level == level, pause.c.target == target)).rowcount == 0:
        return False
    tell_hold(tx, level, target, held=False)
    return True


def tell_hold(tx: Transaction, level: PauseLevel, target: str, *, held: bool) -> None:
    """Note the event of a pause that was set or lifted."""
    run_id = int(target) if level is PauseLevel.RUN else None
    tx.tell("hold", {"level": level, "target": target, "held": held}, run_id=run_id)
