"""Leadership: of all daemons on one database one leads, and another takes over within two seconds where it ends.

What only one may do (hand out courses, start the runs of schedules, deliver notifications ...) is started when a daemon
begins to lead, and stopped when it ends. A daemon leads as long as it sees that it does: the lock belongs to a
connection, and no answer on that connection counts as its loss, before the server can have given it to another. Should
two believe for a moment that they lead, the store still decides: each course is given out once, each time of a schedule
starts one run. Why so: `docs/decisions/022-one-leads.md`.
"""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import structlog

from coursekeep import CoursekeepError
from coursekeep_daemon.runs.lasting import lasting
from coursekeep_daemon.runs.waiting import see_through
from coursekeep_daemon.store import StoreError
from coursekeep_daemon.store.leading import Candidate

__all__ = ["Cadence", "Leadership"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class Cadence:
    """Seconds between looks; a value, so that tests hand in short ones."""

    #: between two looks: who leads at its lock, others whether it is free
    look: float = 0.5
    #: for the server to answer one; look and answer together stay below the time after which it frees the lock
    answer: float = 1.0
    #: between two signs of life
    beat: float = 5.0
    #: until a connection that was lost is tried again
    reconnect: float = 0.25
    #: until a daemon stands again whose part of the leader could not be started
    rest: float = 5.0


class Leadership:
    """Stands for leader for as long as it is started, and leads whenever it may."""

    def __init__(
        self,
        candidate: Callable[[], Candidate],
        term: Callable[[], AbstractAsyncContextManager[object]],
        cadence: Cadence | None = None,
    ) -> None:
        """Take what stands for leader, and what the leader runs: entered and left each time that this daemon leads."""
        self._candidate = candidate
        self._term = term
        self._cadence = cadence or Cadence()
        self._leads = False
        self._beat_at = 0.0
        self._task: asyncio.Task[None] | None = None

    @property
    def leads(self) -> bool:
        """Tell whether this daemon leads, with everything that this takes running."""
        return self._leads

    async def start(self) -> None:
        """Begin to stand, and wait until it is known who leads: this daemon, or another."""
        known = asyncio.Event()
        self._task = lasting(functools.partial(self._stand_for_ever, known), "leadership")
        waiting = asyncio.create_task(known.wait())
        await asyncio.wait({self._task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()

    async def stop(self) -> None:
        """Lead no more, and let another: what only the leader runs is stopped first."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait({task})

    async def _stand_for_ever(self, known: asyncio.Event) -> None:
        lost = False
        while True:
            pause = self._cadence.reconnect
            try:
                async with self._candidate() as candidate:
                    await candidate.enter(within=self._cadence.answer)
                    if lost:
                        log.info("stands_for_leader_again")
                    lost = False
                    if not await self._stand(candidate, known):
                        pause = self._cadence.rest
            except StoreError as error:
                if not lost:
                    log.warning("cannot_stand_for_leader", reason=str(error))
                lost = True
            finally:
                known.set()
            await asyncio.sleep(pause)

    async def _stand(self, candidate: Candidate, known: asyncio.Event) -> bool:
        """Wait until this daemon leads, and lead; False where its parts could not be started. Raises `StoreError`."""
        try:
            # a question that is cut off takes the connection with it, and no farewell could be said
            while not await see_through(candidate.stand(within=self._cadence.answer)):
                known.set()
                await self._look(candidate)
            return await self._lead(candidate, known)
        except asyncio.CancelledError:
            await self._leave(candidate)
            raise

    async def _lead(self, candidate: Candidate, known: asyncio.Event) -> bool:
        """Lead until the lock is lost, which raises `StoreError`; False where the parts could not be started."""
        term = asyncio.create_task(self._serve(known), name="leader")
        looking = asyncio.create_task(self._look_for_ever(candidate), name="look at the leader's lock")
        try:
            await asyncio.wait({term, looking}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._leads = False
            for task in (looking, term):
                task.cancel()
            try:
                await asyncio.wait({term, looking})
            except asyncio.CancelledError:  # whoever stops closes the store next, which the term needs to its end
                await asyncio.wait({term, looking})
                raise
        if not looking.cancelled() and (error := looking.exception()) is not None:
            log.warning("leadership_lost", reason=str(error))
            raise error
        return term.result()

    async def _serve(self, known: asyncio.Event) -> bool:
        """Run what only the leader runs, for ever; False where that could not be started."""
        try:
            async with self._term():
                self._leads = True
                log.info("leads")
                known.set()
                await asyncio.Event().wait()
        except CoursekeepError as error:
            log.error("leader_not_started", reason=str(error))
        except Exception:  # a fault must not leave a daemon that neither leads nor stands
            log.exception("leader_failed")
        return False

    async def _look_for_ever(self, candidate: Candidate) -> None:
        while True:
            await self._look(candidate)

    async def _look(self, candidate: Candidate) -> None:
        await asyncio.sleep(self._cadence.look)
        beat = time.monotonic() - self._beat_at >= self._cadence.beat
        await see_through(candidate.look(within=self._cadence.answer, beat=beat))
        if beat:
            self._beat_at = time.monotonic()

    async def _leave(self, candidate: Candidate) -> None:
        try:
            await candidate.leave(within=self._cadence.answer)
        except StoreError as error:  # its row is forgotten after a while
            log.info("left_without_farewell", reason=str(error))
