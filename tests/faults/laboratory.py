"""Does one fault after another to a deployment that archives the LMS again and again, and judges after each."""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from faults.faults import CATALOGUE, Fault
from faults.follower import Follower
from faults.judge import Judge, Problem, Verdict
from faults.lab import STARTING, Lab, Shape
from faults.parts import until
from faults.reference import Courses

__all__ = ["Laboratory", "Outcome", "possible"]

#: courses of one run
_COURSES = 5
#: the longest that everything may take to be quiet again, in seconds
_QUIET = 240.0


@dataclass(kw_only=True, slots=True)
class Outcome:
    """What one fault did."""

    number: int
    fault: str
    target: str
    #: seconds from the start of the run to the fault, and how long this lasted
    after: float
    lasted: float = 0.0
    #: seconds from the end of the fault until a course was finished; until everything was done
    recovered: float | None = None
    quiet: float = 0.0
    #: seconds from the fault until the courses that a worker had in hand were begun anew, or done
    taken_over: float | None = None
    problems: list[Problem] = field(default_factory=list)

    def line(self) -> str:
        """Return what it says on the terminal."""
        recovered = "-" if self.recovered is None else f"{self.recovered:.1f}"
        found = "; ".join(f"{problem.verdict.upper()}: {problem.detail}" for problem in self.problems)
        return (
            f"{self.number:4} {self.fault} ({self.target}) after {self.after:.1f} s for {self.lasted:.1f} s: "
            f"first course {recovered} s, all {self.quiet:.1f} s{'; ' if found else ''}{found}"
        )


def possible(lab: Lab) -> tuple[list[Fault], dict[str, str]]:
    """Return the faults that can be done in a laboratory, and why the others cannot."""
    reasons = {fault.name: fault.why_not(lab) for fault in CATALOGUE}
    return [fault for fault in CATALOGUE if not reasons[fault.name]], {
        name: why for name, why in reasons.items() if why
    }


class Laboratory:
    """A deployment, what it is asked to do, and who judges it. Use as a context manager."""

    def __init__(self, folder: Path, shape: Shape, seed: int) -> None:
        self.lab = Lab(folder, shape)
        self.dice = random.Random(seed)
        self._stack = ExitStack()
        self._number = 0
        #: the last run, and its courses
        self.last: tuple[int, list[str]] = (0, [])

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self.lab)
            self.courses = Courses(self.lab)
            assert len(self.lab.courses) > _COURSES, "the LMS has too few courses that have ended"
            self.courses.learn()
            self._follower = stack.enter_context(Follower(self.lab))
            self._judge = Judge(self.lab, self.courses, self._follower)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self._stack.close()

    def faults(self, count: int, among: Sequence[Fault]) -> Iterator[Fault]:
        """Draw faults: each once, in a random order, before any comes again; long ones come again less often."""
        first = list(among)
        self.dice.shuffle(first)
        weights = [1 / max(1.0, sum(fault.lasts) / 4) for fault in among]
        for number in range(count):
            yield first[number] if number < len(first) else self.dice.choices(among, weights)[0]

    def once(self, fault: Fault, *, thorough: bool = False) -> Outcome:
        """Start a run, do the fault in its midst, take it back, wait until all is quiet, and judge."""
        self._number += 1
        chosen = self.dice.sample(list(self.lab.courses), _COURSES)
        self.courses.change(chosen)
        self.last = self.lab.start_run(chosen), chosen
        outcome = Outcome(
            number=self._number,
            fault=fault.name,
            target=self.dice.choice(list(fault.targets(self.lab))),
            after=self.dice.uniform(0.0, 2.0),
        )
        try:
            held, when = self._disturb(fault, outcome)
            self._recover(outcome)
            outcome.taken_over = self._taken_over(held, when)
            outcome.problems += self.judge(thorough=thorough)
        except (TimeoutError, AssertionError) as error:
            outcome.problems.append(Problem(verdict=Verdict.LOST, detail=f"stuck: {error}"))
        return outcome

    def judge(self, *, thorough: bool = False) -> list[Problem]:
        """Judge the last run, and all else that there is."""
        run, courses = self.last
        return self._judge.judge(run, courses, thorough=thorough)

    def _disturb(self, fault: Fault, outcome: Outcome) -> tuple[dict[int, int], float]:
        """Do it; return what the target had in hand, items with their attempts, and the time of day."""
        time.sleep(outcome.after)
        held = self._in_hand(outcome.target)
        begun, when = time.monotonic(), time.time()
        fault.do(self.lab, outcome.target, self.dice)
        try:
            time.sleep(max(0.0, self.dice.uniform(*fault.lasts) - (time.monotonic() - begun)))
        finally:
            fault.undo(self.lab, outcome.target)
            outcome.lasted = time.monotonic() - begun
        return held, when

    def _in_hand(self, target: str) -> dict[int, int]:
        """Return the items that a worker is archiving, with their attempts."""
        pids = [worker.process.pid for worker in self.lab.workers if worker.name == target]
        query = (
            "SELECT item.id, item.attempts FROM lease JOIN worker ON worker.id = lease.worker_id "
            "JOIN item ON item.id = lease.item_id WHERE lease.state = 'begun' AND worker.pid = %s"
        )
        return {row[0]: row[1] for row in self.lab.ask(query, pids[0])} if pids else {}

    def _taken_over(self, held: dict[int, int], when: float) -> float | None:
        """Return when the last of these items was begun anew, or had ended, by the events that tell of it."""
        query = (
            "SELECT extract(epoch FROM min(at))::float FROM event WHERE item_id = %s AND at > to_timestamp(%s) AND "
            "(data->>'status' NOT IN ('queued', 'processing') OR (data->>'attempts')::int > %s)"
        )
        moments = [self.lab.ask(query, item, when, attempts)[0][0] for item, attempts in held.items()]
        return max((moment - when for moment in moments if moment), default=None)

    def _recover(self, outcome: Outcome) -> None:
        """Measure from the end of the fault; where all courses were done by then, another run shows how it is."""
        begun = time.monotonic()
        if not self._open():
            probe = [self.dice.choice([course for course in self.lab.courses if course not in self.last[1]])]
            self.courses.change(probe)
            self.lab.start_run(probe, seconds=_QUIET)
        ended = self._ended()
        until("a course to be finished", lambda: self._ended() > ended, seconds=_QUIET)
        outcome.recovered = time.monotonic() - begun
        until("all runs to end", lambda: not self._open(), seconds=_QUIET)
        outcome.quiet = time.monotonic() - begun
        self.lab.set_clocks_right()
        self.lab.start_all()  # what the product ended by itself, as a service manager would
        self.lab.wait_until_ready()
        until("traces of work to be gone", self._nothing_left, seconds=STARTING)

    def _nothing_left(self) -> bool:
        return not any(self.lab.ask(query) for query, _ in self.lab.traces())

    def _open(self) -> int:
        query = "SELECT count(*) FROM run WHERE finished_at IS NULL"
        return int(self.lab.ask(query)[0][0])

    def _ended(self) -> int:
        return int(self.lab.ask("SELECT count(*) FROM item WHERE status NOT IN ('queued', 'processing')")[0][0])


def say(text: str) -> None:
    """Tell who watches."""
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()
