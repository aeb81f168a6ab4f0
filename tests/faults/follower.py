"""Follows the events of all daemons, as a console does: comes back after every break, and goes on where it was."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Mapping, Sequence

import httpx
from faults.lab import Lab
from faults.parts import until

__all__ = ["Follower"]


class Follower:
    """One listener, in a thread of its own. Use as a context manager."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._last = self.since = self._newest()
        self._seen: set[int] = set()
        self._twice: list[int] = []
        #: how often the stream said that events were dropped
        self.resets = 0
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="follower", daemon=True)

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._end.set()

    def _newest(self) -> int:
        return int(self._lab.ask("SELECT coalesce(max(id), 0) FROM event")[0][0])

    def missing(self, told: Sequence[int]) -> list[int]:
        """Return which of these events did not come; waits a little for the last."""
        try:
            until("the last events", lambda: self._seen.issuperset(told), seconds=20)
        except TimeoutError:
            return sorted(set(told) - self._seen)
        return []

    def taken_twice(self) -> list[int]:
        """Return which events were told again since this was asked last."""
        twice, self._twice = self._twice, []
        return twice

    def _follow(self) -> None:
        for daemon in itertools.cycle(self._lab.daemons):
            if self._end.is_set():
                return
            try:
                self._listen(f"{daemon.url}/events")
            except httpx.HTTPError:
                self._end.wait(0.2)

    def _listen(self, url: str) -> None:
        headers = {**self._lab.headers, "Last-Event-ID": str(self._last)}
        # the API sends a comment every 15 seconds: longer silence is a dead connection
        with httpx.stream("GET", url, headers=headers, timeout=httpx.Timeout(5, read=20)) as answer:
            answer.raise_for_status()
            self._read(answer.iter_lines())

    def _read(self, lines: Iterable[str]) -> None:
        message: dict[str, str] = {}
        for line in lines:
            if self._end.is_set():
                return
            if not line:
                self._take(message)
                message = {}
            name, _, value = line.partition(":")
            message[name] = value.strip()

    def _take(self, message: Mapping[str, str]) -> None:
        kind, number = message.get("event"), message.get("id", "")
        if kind == "reset":
            self.resets += 1
        elif kind != "hello" and number.isdecimal():  # a hello names the place that the stream goes on from
            self._note(int(number))

    def _note(self, event: int) -> None:
        if event in self._seen:
            self._twice.append(event)
        self._seen.add(event)
        self._last = max(self._last, event)
