"""A model of an institution's first archiving: where the time goes with 1 to 64 workers. Discrete events, in SimPy.

What a course needs is given as `Need`: requests, seconds of processor, bytes, seconds of the store's one writer. What
serves it is a `Shared` resource each: the LMS (as many requests at once as its budget has places, no more a second than
its throttle lets through), the processor of a worker, the network of the archive, the store. A shared resource divides
its rate evenly among those it serves, and none of them gets more than it can use. A course goes through them one after
the other, as one that waits for answers most of the time does.
"""

from __future__ import annotations

import heapq
import random
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from typing import Any

import simpy

__all__ = ["House", "Lms", "Need", "Outcome", "Shared", "simulate"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Need:
    """What one course takes."""

    requests: float
    #: seconds of one processor core
    cpu: float
    #: bytes of the package
    size: float
    #: seconds of the store's writer
    store: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Lms:
    """One integration: its courses, and what it bears."""

    courses: Sequence[Need]
    #: seconds from a request to the end of its answer
    latency: float
    #: requests at once
    places: int
    #: requests a second by the throttle
    most_a_second: float = float("inf")
    #: courses at once, of all workers together
    courses_at_once: int = 4

    @property
    def rate(self) -> float:
        """Return how many requests a second it answers at most."""
        return min(self.places / self.latency, self.most_a_second)


@dataclass(frozen=True, kw_only=True, slots=True)
class House:
    """What archives them."""

    workers: int
    #: courses at once in one worker
    concurrency: int = 4
    #: requests that one course has in flight, at most
    at_once: float = 4.0
    #: bytes a second that the archive takes, of all workers together
    archive: float = 125e6
    #: bytes a second that one course writes by itself
    write: float = 30e6


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of it."""

    seconds: float
    courses: int
    #: share of the time in which each was busy: LMSs while they have courses left, processors, archive, store
    busy: dict[str, float] = field(default_factory=dict)


class Shared:
    """Serves all at once, each with an even share of `rate`, and none faster than `own` (processor sharing)."""

    def __init__(self, clock: simpy.Environment, rate: float, own: float) -> None:
        self._clock = clock
        self._rate = rate
        self._own = own
        self._served = 0.0  # of each, since the beginning
        self._at = 0.0
        self._open: list[tuple[float, int, simpy.Event]] = []
        self._number = 0
        self._next: object = None
        #: what was served to all, in units of the resource
        self.done = 0.0

    def serve(self, amount: float) -> simpy.Event:
        """Return the event of so much having been served."""
        event = self._clock.event()
        if amount <= 0.0:
            event.succeed()
            return event
        self._advance()
        self._number += 1
        self.done += amount
        heapq.heappush(self._open, (self._served + amount, self._number, event))
        self._plan()
        return event

    @property
    def _pace(self) -> float:
        return min(self._own, self._rate / len(self._open))

    def _advance(self) -> None:
        now = self._clock.now
        if self._open:
            self._served += (now - self._at) * self._pace
        self._at = now

    def _plan(self) -> None:
        if not self._open:
            self._next = None
            return
        wait = max(0.0, (self._open[0][0] - self._served) / self._pace)
        self._next = timer = self._clock.timeout(wait)
        timer.callbacks.append(self._ring)

    def _ring(self, timer: simpy.Event) -> None:
        if timer is not self._next:
            return  # others came or went meanwhile
        self._advance()
        self._served = max(self._served, self._open[0][0])
        while self._open and self._open[0][0] <= self._served:
            heapq.heappop(self._open)[2].succeed()
        self._plan()


def simulate(house: House, lmses: Sequence[Lms], *, seed: int = 1) -> Outcome:
    """Archive everything once, and say how long it took and what was busy. The same seed gives the same outcome."""
    clock = simpy.Environment()
    order = random.Random(seed)  # chance of a model
    slots = simpy.Store(clock)
    for _ in range(house.concurrency):
        for worker in range(house.workers):
            slots.put(worker)
    cores = [Shared(clock, 1.0, 1.0) for _ in range(house.workers)]
    archive = Shared(clock, house.archive, house.write)
    store = Shared(clock, 1.0, 1.0)
    asked = [
        Shared(clock, min(lms.places / lms.latency, lms.most_a_second), house.at_once / lms.latency) for lms in lmses
    ]
    ends = [0.0] * len(lmses)

    def archiving(number: int, queue: list[Need]) -> Generator[simpy.Event, Any, None]:
        while queue:
            need = queue.pop()
            worker = yield slots.get()
            yield store.serve(need.store / 2)
            yield asked[number].serve(need.requests)
            yield cores[worker].serve(need.cpu)
            yield archive.serve(need.size)
            yield store.serve(need.store / 2)
            yield slots.put(worker)
            ends[number] = clock.now

    for number, lms in enumerate(lmses):
        queue = list(lms.courses)
        order.shuffle(queue)
        for _ in range(min(lms.courses_at_once, len(queue))):
            clock.process(archiving(number, queue))
    clock.run()
    seconds = clock.now or 1.0
    longest = max(range(len(lmses)), key=lambda number: ends[number])
    busy = {
        "slowest LMS": asked[longest].done / (lmses[longest].rate * seconds),
        "processors": sum(core.done for core in cores) / (seconds * house.workers),
        "archive": archive.done / (house.archive * seconds),
        "store": store.done / seconds,
    }
    return Outcome(seconds=seconds, courses=sum(len(lms.courses) for lms in lmses), busy=busy)
