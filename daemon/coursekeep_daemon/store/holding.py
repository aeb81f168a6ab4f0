"""Which pauses hold which runs, seen from within a transaction: the claim, the cancel and the end of a run ask here."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import bindparam, delete, null, select, union_all

from coursekeep_daemon.store.models import integration, pause, run
from coursekeep_daemon.store.records import Pause, PauseLevel
from coursekeep_daemon.store.rows import Shape
from coursekeep_daemon.store.transaction import Transaction

__all__ = ["PAUSE", "held_runs", "lift_pause", "tell_hold", "withheld_runs"]

PAUSE = Shape(Pause, pause)

_ALL_PAUSES = select(pause.c.level, pause.c.target)
#: all pauses, and those of some runs whose integration is halted: in one statement, since every offer and begin asks
_IN_THE_WAY = union_all(
    select(null(), pause.c.level, pause.c.target),
    select(run.c.id, null(), null())
    .join(integration, integration.c.name == run.c.integration)
    .where(run.c.id.in_(bindparam("runs", expanding=True)), integration.c.halted_reason.is_not(None)),
)


def held_runs(tx: Transaction, run_ids: Collection[int]) -> set[int]:
    """Return those of the runs that a pause holds, at whichever level."""
    return _paused(tx, run_ids, {(level, target) for level, target in tx.execute(_ALL_PAUSES)})


def withheld_runs(tx: Transaction, run_ids: Collection[int]) -> set[int]:
    """Return those of the runs that must not begin a course: a pause holds them, or their integration is halted."""
    found = tx.execute(_IN_THE_WAY, {"runs": list(run_ids)}).all()
    halted = {run_id for run_id, _, _ in found if run_id is not None}
    return halted | _paused(tx, run_ids, {(level, target) for run_id, level, target in found if run_id is None})


def _paused(tx: Transaction, run_ids: Collection[int], pauses: Collection[tuple[PauseLevel, str]]) -> set[int]:
    if not pauses:  # nearly always, and asked at every claim
        return set()
    if (PauseLevel.ALL, "") in pauses:
        return set(run_ids)
    return {
        run_id
        for run_id, name in tx.execute(select(run.c.id, run.c.integration).where(run.c.id.in_(run_ids)))
        if (PauseLevel.INTEGRATION, name) in pauses or (PauseLevel.RUN, str(run_id)) in pauses
    }


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
