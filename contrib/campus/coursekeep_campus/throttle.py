"""Canvas's leaky bucket: every request pays 50 units beforehand, gets them back at its end, and pays what it cost."""

from __future__ import annotations

from dataclasses import dataclass

from coursekeep_campus.replies import Reply

__all__ = ["Bucket", "Throttle"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Throttle:
    """The measures of all buckets. `status` is 403 (older servers) or 429 (newer ones)."""

    high_water: float = 600.0
    maximum: float = 800.0
    drain: float = 10.0
    up_front: float = 50.0
    status: int = 403

    def refusal(self) -> Reply:
        """Make the answer of a full bucket: plain text, and no Retry-After."""
        words = "429 Too Many Requests" if self.status == 429 else "403 Forbidden"
        headers = {"x-rate-limit-remaining": "0.0"}
        return Reply(f"{words} (Rate Limit Exceeded)\n".encode(), self.status, headers, "text/plain")


class Bucket:
    """The bucket of one token. The caller gives the time, in seconds."""

    def __init__(self, throttle: Throttle, now: float) -> None:
        self._throttle = throttle
        self._level = 0.0
        self._at = now

    def enter(self, now: float) -> bool:
        """Pay beforehand. False means that the bucket is full and the request must be refused (and still leaves)."""
        self._add(self._throttle.up_front, now)
        return self._level < self._throttle.high_water

    def leave(self, cost: float, now: float) -> float:
        """Take back what was paid beforehand, pay the cost, and return what remains below the mark."""
        self._add(cost - self._throttle.up_front, now)
        return max(0.0, self._throttle.high_water - self._level)

    def _add(self, amount: float, now: float) -> None:
        drained = max(0.0, self._level - (now - self._at) * self._throttle.drain)
        self._at = now
        self._level = min(max(0.0, drained + amount), self._throttle.maximum)
