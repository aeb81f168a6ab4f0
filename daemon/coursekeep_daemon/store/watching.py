"""What the store tells of its own work: how large the groups of changes are, and how long commits and reads take."""

from __future__ import annotations

__all__ = ["StoreObserver"]


class StoreObserver:
    """Is told what the store does, in the store's own threads. The methods must be quick, and raise nothing."""

    def committed(self, changes: int, seconds: float) -> None:
        """Note a group of changes that became one transaction, and what it took from beginning to commit."""

    def read(self, seconds: float) -> None:
        """Note a read, and what it took, without the wait for a thread."""
