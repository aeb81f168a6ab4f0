"""What operators do to runs under way: pause, resume, cancel, reimport.

The store decides, each time in one transaction, so that of two operators one wins and the other gets a `Conflict`; what
it has decided is made known here at once to those who hand out the work.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import structlog

from coursekeep_daemon.requests import BadRequest
from coursekeep_daemon.runs.holds import Holds
from coursekeep_daemon.store import Conflict, NoSuchRecord, Pause, PauseLevel, Run, Store

__all__ = ["Control"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


class Control:
    """Pauses, resumes, cancels and repeats. Raises `Conflict`, `NoSuchRecord` and `StoreError` as the store does."""

    def __init__(
        self,
        store: Store,
        holds: Holds,
        *,
        integrations: Collection[str],
        started: Callable[[Run], None] = lambda run: None,
        ended: Callable[[Run], None] = lambda run: None,
    ) -> None:
        """Take what is needed; `integrations` are those of the settings; `started` and `ended` are called with runs."""
        self._store = store
        self._holds = holds
        self._integrations = integrations
        self._started = started
        self._ended = ended

    async def pauses(self) -> list[Pause]:
        """Return the pauses in force, oldest first."""
        return await self._store.pauses()

    async def pause(self, level: PauseLevel, target: str = "", *, by: str) -> None:
        """Let nothing more begin at a level; what is being archived finishes. `target` as for `Store.pause`.

        Raises `Conflict` where it is paused already or is a run that has ended, `NoSuchRecord` where it does not exist.
        """
        if not await self._store.pause(level, target, by):
            raise Conflict(await self._paused_already(level, target))
        log.info("paused", level=level, target=target, by=by)
        await self._holds.refresh()

    async def resume(self, level: PauseLevel, target: str = "", *, by: str) -> None:
        """End a pause at its own level. Raises `Conflict` where there is none, `NoSuchRecord` as `pause`."""
        if not await self._store.resume(level, target):
            raise await self._not_paused(level, target)
        log.info("resumed", level=level, target=target, by=by)
        await self._holds.refresh()

    async def cancel(self, run_id: int, *, by: str) -> Run:
        """End a paused run for good, and return it: what is queued is canceled, what is being archived finishes.

        Raises `Conflict` where no pause holds it, or it has ended.
        """
        run = await self._store.cancel_run(run_id, by)
        log.info("run_canceled", run=run.id, by=by)
        self._ended(run)  # first: that is committed, whatever the store says next
        await self._holds.refresh()
        return run

    async def reimport(
        self,
        run_id: int,
        items: Sequence[int] | None = None,
        *,
        by: str,
        note: str | None = None,
        idempotency_key: str | None = None,
    ) -> tuple[Run, bool]:
        """Take failed items of a run again in a new one, and return it with True: see `Store.reimport`.

        Raises `BadRequest` for an item that is none of the run's, and an integration that has left the settings.
        """
        old = await self._store.run(run_id)
        if old is None:
            raise NoSuchRecord(f"There is no run {run_id}.")
        if old.integration not in self._integrations:
            raise BadRequest(f"run {run_id} is of {old.integration}, which is not in the settings", where="integration")
        try:
            run, created = await self._store.reimport(
                run_id, items, created_by=by, note=note, idempotency_key=idempotency_key
            )
        except NoSuchRecord as error:
            raise BadRequest(str(error), where="items", remedy="Choose among the run's failed items.") from None
        if created:
            log.info("reimport_started", run=run.id, reimport_of=old.id, courses=run.total, by=by)
            self._started(run)
        return run, created

    async def _paused_already(self, level: PauseLevel, target: str) -> str:
        what = _name(level, target)
        for pause in await self._store.pauses():
            if (pause.level, pause.target) == (level, target):
                return f"{what} was paused already, by {pause.by} at {pause.at:%Y-%m-%d %H:%M:%S} UTC."
        return f"{what} was paused by another operator, and resumed since: look again."

    async def _not_paused(self, level: PauseLevel, target: str) -> Conflict | NoSuchRecord:
        """Say why there is nothing to resume, and what to do where something else holds."""
        what, name = _name(level, target), target
        run: Run | None = None
        if level is PauseLevel.RUN:
            run = await self._store.run(int(target))
            if run is None:
                return NoSuchRecord(f"There is no run {target}.")
            name = run.integration
        elif level is PauseLevel.INTEGRATION and await self._store.integration(target) is None:
            return NoSuchRecord(f"There is no integration {target!r}.")
        wider = self._holds.pauses(name, run)
        advice = f" It is held by a pause of {wider[0].level}: resume that." if wider else ""
        return Conflict(f"{what} is not paused.{advice}")


def _name(level: PauseLevel, target: str) -> str:
    return {
        PauseLevel.ALL: "All",
        PauseLevel.INTEGRATION: f"Integration {target}",
        PauseLevel.RUN: f"Run {target}",
    }[level]
