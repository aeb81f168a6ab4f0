"""`coursekeep` whose waits between attempts are a tenth: so that hundreds of faults fit into an hour.

Nothing else differs. Heartbeats, leases, leadership and the time-outs of the database are the true ones.
"""

from __future__ import annotations

from coursekeep_daemon.cli import main
from coursekeep_daemon.runs.backoff import Backoff

__all__ = ["SHORTER"]

#: how much shorter waits are
SHORTER = 10.0


def _shorten() -> None:
    whole = Backoff.seconds

    def short(self: Backoff, attempt: int, asked: float | None = None) -> float:
        return whole(self, attempt, asked) / SHORTER

    Backoff.seconds = short  # type: ignore[method-assign]


if __name__ == "__main__":
    _shorten()
    main()
