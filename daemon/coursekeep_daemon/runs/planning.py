"""Plannings under way: one task per run, begun, put off or ended as the errors of source and connector demand."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog

from coursekeep import ConnectorError, CredentialsNeeded, RetryLater
from coursekeep_daemon.logs import bound
from coursekeep_daemon.package import PackageError, StorageFull, StorageUnavailable
from coursekeep_daemon.registry import Unknown
from coursekeep_daemon.runs.backoff import Backoff
from coursekeep_daemon.runs.holds import Clock
from coursekeep_daemon.runs.hooks import Hooks
from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.runs.planner import Planner
from coursekeep_daemon.runs.states import ItemStatus, RunStatus
from coursekeep_daemon.runs.waiting import see_through
from coursekeep_daemon.runs.watch import Watch
from coursekeep_daemon.store import Conflict, Run, Store, StoreError

__all__ = ["Plannings"]

log: structlog.stdlib.BoundLogger = structlog.get_logger(__name__)

#: plannings at once of one integration, so that a long one does not hold up a short one
_AT_ONCE = 4


class Plannings:
    """Plans runs in the background. `wake` is called whenever there may be something new to hand out."""

    def __init__(
        self, *, store: Store, planner: Planner, watch: Watch, hooks: Hooks, clock: Clock, patience: Backoff
    ) -> None:
        self._store = store
        self._planner = planner
        self._watch = watch
        self._hooks = hooks
        self._clock = clock
        self._patience = patience
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._at_once: Counter[str] = Counter()
        self._failures: Counter[int] = Counter()
        self._not_before: dict[int, datetime] = {}
        #: items of which plugins were told, by run, for a planning that the store breaks off is begun again
        self._told: defaultdict[int, set[int]] = defaultdict(set)

    def begin(self, run: Run, lms: Lms, wake: Callable[[], None]) -> None:
        """Begin to plan a run, unless it is being planned already, or must wait."""
        not_before = self._not_before.get(run.id)
        waits = not_before is not None and self._clock() < not_before
        if run.id in self._tasks or waits or self._at_once[lms.name] >= _AT_ONCE:
            return

        def ended(_: asyncio.Task[None]) -> None:
            del self._tasks[run.id]
            self._at_once[lms.name] -= 1
            wake()

        self._at_once[lms.name] += 1
        self._tasks[run.id] = asyncio.create_task(self._plan(run, lms, wake), name=f"plan run {run.id}")
        self._tasks[run.id].add_done_callback(ended)

    async def stop(self) -> None:
        """Break off what is being planned; the next start goes on with it."""
        tasks = set(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _plan(self, run: Run, lms: Lms, wake: Callable[[], None]) -> None:
        with bound(run=run.id, integration=lms.name):
            try:
                # read anew: whoever began this may have read the run before its last planning ended
                run = await self._store.run(run.id) or run
                if run.status not in {RunStatus.QUEUED, RunStatus.PLANNING}:
                    return
                if run.status is RunStatus.QUEUED:
                    run = await see_through(self._start(run))
                await self._settle(run, lms, wake)
            except Conflict as error:  # canceled or ended meanwhile
                log.info("planning_ended", reason=str(error))
                self._told.pop(run.id, None)
            except StoreError as error:
                log.error("store_trouble", during="planning", reason=str(error))
                self._put_off(run, None)
            except Exception:  # nobody awaits this task, and the dispatcher would begin another at once
                log.exception("planning_failed")
                self._put_off(run, None)

    async def _start(self, run: Run) -> Run:
        run = await self._store.change_run(run.id, RunStatus.PLANNING)
        log.info("run_started", source=run.source, by=run.created_by)
        self._hooks.tell("run_started", run=run)
        return run

    async def _settle(self, run: Run, lms: Lms, wake: Callable[[], None]) -> None:
        """Plan, and do what the outcome demands. What has been stored of the items stays, and is not planned again."""
        try:
            await self._planner.plan(run, lms, added=wake)
        except RetryLater as error:
            self._watch.lms_down(lms, error)
            self._put_off(run, error.after)
        except CredentialsNeeded as error:
            await self._watch.credentials_needed(lms, error)
        except (StorageFull, StorageUnavailable) as error:
            self._watch.storage_full(str(error))
            self._put_off(run, None)
        except PackageError as error:
            log.warning("planning_put_off", reason=str(error))
            self._put_off(run, None)
        except StoreError:
            raise
        except (ConnectorError, ValueError, Unknown) as error:
            await see_through(self._fail(run, str(error)))
        except Exception as error:  # plugin boundary: a source or connector may raise anything
            log.exception("planning_failed")
            reason = f"the course source failed with {type(error).__name__}; the log has the traceback"
            await see_through(self._fail(run, reason))
        else:
            await self._tell_failed(run)
            run = await self._store.change_run(run.id, RunStatus.PROCESSING)
            self._told.pop(run.id, None)
            log.info("run_planned", items=run.total)

    async def _tell_failed(self, run: Run) -> None:
        """Tell plugins of the courses that failed without an attempt: the LMS refused them when they were looked up."""
        if not self._hooks.wanted("course_failed"):
            return
        async for item in self._store.iter_items(run.id, ItemStatus.FAILED):
            if item.attempts == 0 and item.id not in self._told[run.id]:
                self._told[run.id].add(item.id)
                self._hooks.tell("course_failed", item=item)

    def _put_off(self, run: Run, asked: float | None) -> None:
        self._failures[run.id] += 1
        wait = self._patience.seconds(self._failures[run.id], asked)
        self._not_before[run.id] = self._clock() + timedelta(seconds=wait)

    async def _fail(self, run: Run, reason: str) -> None:
        run = await self._store.change_run(run.id, RunStatus.FAILED, reason)
        log.warning("run_failed", reason=reason)
        self._hooks.tell("run_finished", run=run)
