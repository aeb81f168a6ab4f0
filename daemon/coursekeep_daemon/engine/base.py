"""What executes course imports: a handful of calls, behind which the daemon itself stands, or any number of workers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable

from coursekeep_daemon.runs.lms import Lms
from coursekeep_daemon.store import Run

__all__ = ["Engine"]


class Engine(ABC):
    """Executes items of runs, as the dispatcher hands them out."""

    @abstractmethod
    async def recover(self) -> int:
        """Queue again what died with those who worked on it; return how many items. Called before anything starts."""

    @abstractmethod
    async def start(self, wake: Callable[[], None]) -> None:
        """Get ready; from now on, `wake` is called whenever more may be handed out than before."""

    @abstractmethod
    async def look(self) -> None:
        """Find out how things stand, where others may have changed them: `free` and `in_flight` say so then."""

    @property
    @abstractmethod
    def free(self) -> int:
        """Return how many more items may be handed out now."""

    @abstractmethod
    def in_flight(self, integration: str) -> int:
        """Return how many items of an integration are handed out, and have not ended."""

    @property
    @abstractmethod
    def at_work(self) -> int:
        """Return how many items this process is archiving now, of all integrations."""

    def serves(self, integration: str) -> bool:
        """Tell whether somebody is there who could archive courses of an integration."""
        return True

    @abstractmethod
    async def hand_out(self, run: Run, lms: Lms, limit: int) -> int:
        """Take up to `limit` items of a run that are due, have them executed, and return how many there were.

        Returns without waiting for them. Raises `StoreError`.
        """

    @abstractmethod
    async def abort(self, item_id: int) -> None:
        """Break off an item in flight: it goes back to the queue, and its attempt does not count."""

    @abstractmethod
    async def stop(self, timeout: float) -> int:
        """Give what this process has in flight some seconds to finish, then break it off. Return how many were."""
