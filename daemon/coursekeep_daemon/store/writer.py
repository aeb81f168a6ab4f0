"""The one writer: groups all changes that wait into one transaction.

A transaction costs a trip to a thread and an fsync, whether it holds one change or a thousand. So callers submit
changes and wait; the writer takes everything that waits, applies it in one transaction in its own thread, and tells
each caller its outcome after the commit. While it commits, the next group gathers: the busier, the larger the groups.

Changes of one kind are applied together, by a function that takes them all and makes set-based statements of them. All
changes of a group are concurrent (no caller of one has yet been told the outcome of another), so the writer may order
them by kind.

One caller's mistake is never another's: see `_settle`. Why one writer: `docs/decisions/003-one-writer.md`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from coursekeep_daemon.store.database import Database
from coursekeep_daemon.store.errors import OutcomeUnknown, StoreError
from coursekeep_daemon.store.opening import translate
from coursekeep_daemon.store.transaction import Clock, Transaction
from coursekeep_daemon.store.watching import StoreObserver

__all__ = ["GroupFunction", "Writer"]

A = TypeVar("A")
R = TypeVar("R")

#: applies changes of one kind: gets the arguments of all, gives one outcome each, in their order
GroupFunction = Callable[[Transaction, Sequence[A]], Sequence[R | StoreError]]

#: changes in one transaction at most, so that nobody waits long behind a crowd
LARGEST_GROUP = 1000

#: events kept for listeners that resume
EVENTS_KEPT = 100_000


@dataclass(eq=False, slots=True)
class _Call(Generic[A, R]):
    """One change that waits: by its kind, or by itself where `group` is None and `argument` the function."""

    group: GroupFunction[A, R] | None
    argument: Any
    future: asyncio.Future[R]
    result: Any = None
    error: BaseException | None = field(default=None)


class Writer:
    """Applies changes; each `await` returns when the change is committed.

    A caller that is cancelled before its change was taken leaves no trace; later, the change happens all the same.
    """

    def __init__(
        self,
        database: Database,
        *,
        clock: Clock,
        on_events: Callable[[], None] = lambda: None,
        events_kept: int = EVENTS_KEPT,
        observer: StoreObserver | None = None,
    ) -> None:
        self._database = database
        self._observer = observer or StoreObserver()
        self._clock = clock
        self._on_events = on_events
        self._events_kept = events_kept
        self._waiting: list[_Call[Any, Any]] = []
        self._wake = asyncio.Event()
        self._stopping = False
        self._thread: ThreadPoolExecutor | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Return how many changes wait for the next transaction."""
        return len(self._waiting)

    async def start(self) -> None:
        """Start the task and its thread."""
        self._stopping = False
        self._wake = asyncio.Event()  # belongs to the running loop
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="store-writer")
        self._task = asyncio.create_task(self._work(self._thread), name="store-writer")

    async def stop(self) -> None:
        """Refuse further changes, commit those that wait, and end the thread."""
        self._stopping = True
        self._database.closing.set()
        self._wake.set()
        if self._task is not None:
            await asyncio.wait({self._task})
            self._task = None
        if self._thread is not None:
            self._thread.shutdown()
            self._thread = None

    async def submit(self, group: GroupFunction[A, R], argument: A) -> R:
        """Have a change applied together with all others of its kind. `group` names the kind and applies it.

        Raises what the group gives as this change's outcome; `StoreError` where the database fails.
        """
        return await self._enqueue(group, argument)

    async def run(self, change: Callable[[Transaction], R]) -> R:
        """Have a change applied by a function of its own, under a savepoint. Raises what it raises, as `submit`."""
        return await self._enqueue(None, change)

    async def _enqueue(self, group: GroupFunction[Any, R] | None, argument: Any) -> R:
        if self._stopping or self._task is None:
            raise StoreError("The store is not started, or stopped already.")
        future: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Call(group, argument, future))
        self._wake.set()
        return await future

    async def _work(self, thread: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        calls: list[_Call[Any, Any]] = []
        try:
            while self._waiting or not self._stopping:
                await self._wake.wait()
                self._wake.clear()
                while self._waiting:
                    calls = self._take()
                    wrote_events = await loop.run_in_executor(thread, self._settle, calls)
                    if wrote_events:
                        self._on_events()
                    _deliver(calls)
        finally:  # where the loop ends before the store was stopped, nobody is to wait for ever
            self._stopping = True
            _abandon(calls, OutcomeUnknown("The store ended while this change was made."))
            _abandon(self._waiting, StoreError("The store ended before this change was made."))
            self._waiting = []

    def _take(self) -> list[_Call[Any, Any]]:
        taken, self._waiting = self._waiting[:LARGEST_GROUP], self._waiting[LARGEST_GROUP:]
        return [call for call in taken if not call.future.cancelled()]

    def _settle(self, calls: Sequence[_Call[Any, Any]]) -> bool:
        """Apply the changes, in the thread, and note the outcome of each; tell whether events were written.

        A change that its own rules forbid is an outcome, and harms no other. Where a statement fails instead (a value
        that the database refuses, a full disk), the whole transaction is rolled back, since SQLite may have done so
        already, and each change gets a transaction of its own: whoever is guilty then fails alone. Where the
        transaction cannot begin or commit, all fail, and nothing is tried twice.
        """
        if not calls:
            return False
        try:
            return self._together(calls)
        except _NotApplied as failed:
            if len(calls) > 1:
                return sum(self._settle([call]) for call in calls) > 0
            _fail(calls, failed.__cause__ or failed)
        except Exception as error:  # noqa: BLE001  # goes to those who wait, as with any future; the writer goes on
            _fail(calls, error)
        return False

    def _together(self, calls: Sequence[_Call[Any, Any]]) -> bool:
        began = time.perf_counter()
        with Transaction(self._database, clock=self._clock, events_kept=self._events_kept) as transaction:
            try:
                _apply(transaction, calls)
                wrote_events = transaction.write_events()
            except Exception as error:
                raise _NotApplied from error
            transaction.commit()
        self._observer.committed(len(calls), time.perf_counter() - began)
        return wrote_events


class _NotApplied(Exception):
    """A statement failed, so that nothing of this transaction may stay."""


def _apply(transaction: Transaction, calls: Iterable[_Call[Any, Any]]) -> None:
    groups: dict[GroupFunction[Any, Any], list[_Call[Any, Any]]] = {}
    for call in calls:
        call.result = call.error = None
        if call.group is None:
            _apply_alone(transaction, call)
        else:
            groups.setdefault(call.group, []).append(call)
    for group, members in groups.items():
        outcomes = group(transaction, [call.argument for call in members])
        for call, outcome in zip(members, outcomes, strict=True):
            if isinstance(outcome, StoreError):
                call.error = outcome
            else:
                call.result = outcome


def _apply_alone(transaction: Transaction, call: _Call[Any, Any]) -> None:
    try:
        with transaction.savepoint():
            call.result = call.argument(transaction)
    except StoreError as error:  # its savepoint is rolled back
        call.error = error


def _fail(calls: Iterable[_Call[Any, Any]], error: BaseException) -> None:
    for call in calls:
        call.result, call.error = None, translate(error)


def _abandon(calls: Iterable[_Call[Any, Any]], error: StoreError) -> None:
    for call in calls:
        if not call.future.done():
            call.future.set_exception(error)


def _deliver(calls: Iterable[_Call[Any, Any]]) -> None:
    for call in calls:
        if call.future.cancelled():
            continue
        if call.error is not None:
            call.future.set_exception(call.error)
        else:
            call.future.set_result(call.result)
