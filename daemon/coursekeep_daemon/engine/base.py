"""What executes course imports: a handful of calls behind which a queue of another process may stand later."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable

from coursekeep_daemon.store import Item

__all__ = ["Engine", "Work"]

#: does one item, writes its result to the store, and raises nothing but cancellation
Work = Callable[[Item], Awaitable[None]]


class Engine(ABC):
    """Executes items that the dispatcher has claimed. An item is handed over once per attempt."""

    @abstractmethod
    async def start(self, work: Work) -> None:
        """Get ready to execute items with `work`."""

    @property
    @abstractmethod
    def free(self) -> int:
        """Return how many more items would be begun at once."""

    @abstractmethod
    async def enqueue(self, item: Item) -> None:
        """Take over an item; return without waiting for it."""

    @abstractmethod
    async def abort(self, item_id: int) -> None:
        """Break off an item in flight, and wait until its work has cleaned up."""

    @abstractmethod
    async def stop(self, timeout: float) -> int:
        """Give what is in flight some seconds to finish, then break it off. Return how many were broken off."""
