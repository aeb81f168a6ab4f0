"""How often workers and leader look at each other."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Rhythm"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Rhythm:
    """Seconds of the engine with workers; a value, so that tests hand in short ones."""

    #: between two signs of life of a worker, and two looks of the leader at them
    beat: float = 5.0
    #: without a sign of life, after which a worker counts as dead
    silence: float = 20.0
    #: between two looks at the queue, where nothing wakes
    look: float = 2.0
    #: the leader gathers changes for so long before it hands out more
    gather: float = 0.1
