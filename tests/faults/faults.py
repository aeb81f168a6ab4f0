"""The catalogue: what is done to the laboratory, to whom, and how it is taken back."""

from __future__ import annotations

import random
import signal
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from faults.clocks import Clock
from faults.lab import Lab
from faults.parts import Program
from faults.wires import Mode

__all__ = ["CATALOGUE", "Fault"]

#: seconds that the product gives a worker that is silent
SWEEP = 20.0
#: seconds in which a program has begun to work
_START = (3.0, 8.0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault(ABC):
    """One kind of fault. `do` and `undo` must not ask the database, which may be what is gone."""

    name: str
    #: how long it lasts, in seconds
    lasts: tuple[float, float] = (0.2, 2.0)

    def why_not(self, lab: Lab) -> str:
        """Say why it cannot be done in this laboratory; empty where it can."""
        return "" if self.targets(lab) else "there is nothing to do it to"

    @abstractmethod
    def targets(self, lab: Lab) -> Sequence[str]:
        """Return whom it can be done to."""

    @abstractmethod
    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        """Do it."""

    @abstractmethod
    def undo(self, lab: Lab, target: str) -> None:
        """Take it back; what was killed is started again."""


def _programs(lab: Lab, role: str) -> list[Program]:
    if role == "worker":
        return list(lab.workers)
    leader = lab.leader()
    if role == "leader":
        return [leader]
    return [daemon for daemon in lab.daemons if daemon is not leader]


def _named(lab: Lab, name: str) -> Program:
    return next(program for program in lab.programs if program.name == name)


@dataclass(frozen=True, kw_only=True, slots=True)
class _OfProgram(Fault):
    """A fault of one daemon or worker."""

    role: str

    def targets(self, lab: Lab) -> Sequence[str]:
        return [program.name for program in _programs(lab, self.role)]


@dataclass(frozen=True, kw_only=True, slots=True)
class Killed(_OfProgram):
    """SIGKILL, and a start some time later."""

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        _named(lab, target).process.kill()

    def undo(self, lab: Lab, target: str) -> None:
        _named(lab, target).process.start()


@dataclass(frozen=True, kw_only=True, slots=True)
class Stopped(_OfProgram):
    """SIGTERM, and a start some time later."""

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        process = _named(lab, target).process
        if not process.stop(30):
            raise TimeoutError(f"{target} did not end within 30 s of SIGTERM, with a shutdown_timeout of 5 s")

    def undo(self, lab: Lab, target: str) -> None:
        _named(lab, target).process.start()


@dataclass(frozen=True, kw_only=True, slots=True)
class Frozen(_OfProgram):
    """SIGSTOP, and SIGCONT some time later."""

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        _named(lab, target).process.pause()

    def undo(self, lab: Lab, target: str) -> None:
        _named(lab, target).process.resume()


@dataclass(frozen=True, kw_only=True, slots=True)
class Jumped(_OfProgram):
    """Dies, comes up with a clock that is off by hours, and while it works the clock jumps to the true time."""

    hours: tuple[int, int]

    def why_not(self, lab: Lab) -> str:
        return super(Jumped, self).why_not(lab) or ("" if Clock.library() else "libfaketime is not installed")

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        program = _named(lab, target)
        program.process.kill()
        program.clock.set(dice.randint(*self.hours) * 3600 + dice.randint(-1800, 1800))
        program.process.more = program.clock.variables
        program.process.start()

    def undo(self, lab: Lab, target: str) -> None:
        _named(lab, target).clock.set(0)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wired(_OfProgram):
    """Something between a program and another."""

    wire: str
    mode: Mode
    measure: float = 0.0
    #: connections that were silent are reset in the end, else they go on as if nothing had been
    resets: bool = False

    def targets(self, lab: Lab) -> Sequence[str]:
        return [program.name for program in _programs(lab, self.role) if self.wire in program.wires]

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        _named(lab, target).wires[self.wire].behave(self.mode, self.measure)

    def undo(self, lab: Lab, target: str) -> None:
        wire = _named(lab, target).wires[self.wire]
        wire.behave(Mode.OPEN)
        if self.resets:
            wire.reset()


@dataclass(frozen=True, kw_only=True, slots=True)
class _OfDatabase(Fault):
    def targets(self, lab: Lab) -> Sequence[str]:
        return [lab.database.name]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseEnded(_OfDatabase):
    """PostgreSQL ends in one way or another, and is started some time later."""

    #: None kills all its processes at once
    how: signal.Signals | None

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        if self.how is None:
            lab.database.kill()
        else:
            lab.database.stop(self.how)

    def undo(self, lab: Lab, target: str) -> None:
        lab.database.start()


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseFrozen(_OfDatabase):
    """PostgreSQL stands still for a while, as while it fails over, with all connections open."""

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        lab.database.pause()

    def undo(self, lab: Lab, target: str) -> None:
        lab.database.resume()


@dataclass(frozen=True, kw_only=True, slots=True)
class LmsKilled(Fault):
    """The LMS is gone and comes back."""

    def targets(self, lab: Lab) -> Sequence[str]:
        return ["lms"]

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        lab.campus.kill()

    def undo(self, lab: Lab, target: str) -> None:
        lab.start_campus()


@dataclass(frozen=True, kw_only=True, slots=True)
class _OfObjectStore(Fault):
    def targets(self, lab: Lab) -> Sequence[str]:
        return [lab.object_store.name] if lab.object_store else []


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectStoreKilled(_OfObjectStore):
    """The object store is killed, and started some time later."""

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        assert lab.object_store
        lab.object_store.kill()

    def undo(self, lab: Lab, target: str) -> None:
        assert lab.object_store
        lab.object_store.start()


@dataclass(frozen=True, kw_only=True, slots=True)
class ObjectStoreFrozen(_OfObjectStore):
    """The object store stands still for a while, with all connections open."""

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        assert lab.object_store
        lab.object_store.pause()

    def undo(self, lab: Lab, target: str) -> None:
        assert lab.object_store
        lab.object_store.resume()


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskFull(Fault):
    """Not a byte is left where archive and working places are."""

    def why_not(self, lab: Lab) -> str:
        return lab.disk.why_not

    def targets(self, lab: Lab) -> Sequence[str]:
        return ["disk"]

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        lab.disk.fill()

    def undo(self, lab: Lab, target: str) -> None:
        lab.disk.make_room()


@dataclass(frozen=True, kw_only=True, slots=True)
class DiskSlow(Fault):
    """A few writes a second, by the kernel's throttle, for all daemons and workers together."""

    WRITES: ClassVar[int] = 20

    def why_not(self, lab: Lab) -> str:
        return lab.throttle.why_not

    def targets(self, lab: Lab) -> Sequence[str]:
        return ["disk"]

    def do(self, lab: Lab, target: str, dice: random.Random) -> None:
        pids = [program.process.pid for program in lab.programs if program.process.alive]
        lab.throttle.slow(self.WRITES, *pids)

    def undo(self, lab: Lab, target: str) -> None:
        lab.throttle.fast()


def _of_programs(role: str) -> list[Fault]:
    """Return what can happen to a daemon or worker, and on its way to the store."""
    return [
        Killed(name=f"{role} killed", role=role),
        Killed(name=f"{role} killed, gone for longer than its lease", role=role, lasts=(SWEEP + 2, SWEEP + 8)),
        Stopped(name=f"{role} stopped by SIGTERM", role=role),
        Frozen(name=f"{role} stands still", role=role, lasts=(0.5, 6.0)),
        Frozen(name=f"{role} stands still for longer than its lease", role=role, lasts=(SWEEP + 2, SWEEP + 8)),
        Jumped(name=f"{role} comes up hours ahead, then its clock jumps back", role=role, hours=(1, 30), lasts=_START),
        Jumped(name=f"{role} comes up hours behind, then its clock jumps on", role=role, hours=(-30, -1), lasts=_START),
        Wired(name=f"{role} cut off from the store", role=role, wire="store", mode=Mode.CUT, lasts=(0.5, 6.0)),
        Wired(name=f"{role} hears nothing from the store", role=role, wire="store", mode=Mode.SILENT, lasts=(0.5, 6.0)),
        Wired(
            name=f"{role} hears nothing from the store, then is reset",
            role=role,
            wire="store",
            mode=Mode.SILENT,
            resets=True,
            lasts=(0.5, 6.0),
        ),
        Wired(name=f"{role}: messages to the store torn", role=role, wire="store", mode=Mode.TORN, measure=40),
        Wired(name=f"{role}: the store is far away", role=role, wire="store", mode=Mode.LATE, measure=0.1),
    ]


CATALOGUE: Sequence[Fault] = (
    *_of_programs("leader"),
    *_of_programs("follower"),
    *_of_programs("worker"),
    DatabaseEnded(name="PostgreSQL killed", how=None),
    DatabaseEnded(name="PostgreSQL stopped at once", how=signal.SIGQUIT),
    DatabaseEnded(name="PostgreSQL restarted", how=signal.SIGINT),
    DatabaseFrozen(name="PostgreSQL stands still, as at a fail-over", lasts=(1.0, 8.0)),
    LmsKilled(name="LMS killed", lasts=(0.2, 4.0)),
    Wired(name="LMS cut off", role="leader", wire="lms", mode=Mode.CUT, lasts=(0.5, 4.0)),
    Wired(name="LMS silent", role="leader", wire="lms", mode=Mode.SILENT, lasts=(1.0, 7.0)),
    Wired(name="LMS: answers torn", role="leader", wire="lms", mode=Mode.TORN, measure=30),
    Wired(name="LMS: slow line", role="leader", wire="lms", mode=Mode.SLOW, measure=20_000.0),
    ObjectStoreKilled(name="S3 killed", lasts=(0.2, 4.0)),
    ObjectStoreFrozen(name="S3 stands still", lasts=(1.0, 8.0)),
    *(
        Wired(name=f"{name} S3", role=role, wire="archive", mode=mode, measure=measure, lasts=(0.5, 6.0))
        for role in ("worker", "leader")
        for name, mode, measure in (
            (f"{role} cut off from", Mode.CUT, 0.0),
            (f"{role} hears nothing from", Mode.SILENT, 0.0),
            (f"{role}: torn messages to", Mode.TORN, 25),
            (f"{role}: slow line to", Mode.SLOW, 50_000.0),
        )
    ),
    DiskFull(name="disk full", lasts=(0.5, 6.0)),
    DiskSlow(name="disk slow", lasts=(1.0, 5.0)),
)
